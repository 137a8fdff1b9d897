"""Answers that take a processor for seconds: few at a time, and one for all who ask the same."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Work:
    task: asyncio.Task[Any]
    asking: int = 0
    begun: bool = False


class Computing:
    """Work in turn, `at_once` at a time, in one event loop.

    Threads that compute share one interpreter with the event loop: many at once would make every
    other request wait, and each other no faster. Who stands in line holds no connection.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._works: dict[Hashable, _Work] = {}

    async def answer(self, question: Hashable, compute: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `compute` gives, or raises; asked for while that is under way, the same once more.

        Work that nobody waits for any longer is dropped, unless it has begun.
        """
        work = self._works.get(question)
        if work is None:
            work = self._works[question] = _Work(
                asyncio.create_task(self._in_turn(question, compute))
            )
        work.asking += 1
        try:
            answer: Answer = await asyncio.shield(work.task)
        finally:
            work.asking -= 1
            if not work.asking and not work.begun:
                work.task.cancel()
        return answer

    async def _in_turn(
        self, question: Hashable, compute: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        try:
            async with self._turns:
                self._works[question].begun = True
                return await compute()
        finally:
            del self._works[question]
