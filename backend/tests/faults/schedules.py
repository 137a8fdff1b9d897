"""Requests whose statements run in an order that is given, and all the orders there are.

Every statement of an actor waits until it is its turn. Who waits for a lock of the database is
passed over until the lock is free: PostgreSQL says who waits (`pg_blocking_pids`). An order is the
list of the choices made wherever more than one actor could go on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2
import psycopg

from tests.faults.statements import Statement, watched

Send = Callable[[], Awaitable[httpx2.Response]]
Probe = psycopg.Connection[tuple[Any, ...]]

GLANCE = 0.003
"""Seconds a statement may take before the database is asked whether it waits for a lock."""
PATIENCE = 30.0
"""Seconds one order may take: longer than a deadlock lives."""


@dataclass(slots=True)
class Actor:
    """One request; it stops before each of its statements, of which `waits_at` is the latest."""

    _send: Send
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Event = field(default_factory=asyncio.Event)
    waits_at: str | None = None
    _backend: int | None = None
    _task: asyncio.Task[httpx2.Response] | None = None

    def start(self) -> Self:
        with watched(self):
            self._task = asyncio.create_task(self._run())
        return self

    async def _run(self) -> httpx2.Response:
        try:
            return await self._send()
        finally:
            self._arrived.set()

    async def before(self, statement: Statement) -> None:
        self._backend = statement.backend
        self.waits_at = statement.text
        self._arrived.set()
        await self._turn.wait()
        self._turn.clear()

    async def after(self, statement: Statement) -> None:
        pass

    @property
    def done(self) -> bool:
        return self._task is not None and self._task.done()

    @property
    def ready(self) -> bool:
        """Stopped before a statement."""
        return self._arrived.is_set() and not self.done

    def step(self) -> None:
        """Send the statement that it has stopped before."""
        self._arrived.clear()
        self._turn.set()

    async def settled(self, probe: Probe) -> None:
        """Wait until it has come to its next statement or its end, or waits for a lock."""
        while not self._arrived.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), GLANCE)
            if not self._arrived.is_set() and self._is_blocked(probe):
                return

    def _is_blocked(self, probe: Probe) -> bool:
        found = probe.execute("SELECT pg_blocking_pids(%s) <> '{}'", [self._backend]).fetchone()
        return self._backend is not None and found == (True,)

    def answer(self) -> httpx2.Response:
        assert self._task is not None
        return self._task.result()


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one order: the answers, and of each choice which was taken out of how many."""

    answers: tuple[httpx2.Response, ...]
    choices: tuple[tuple[int, int], ...]

    def next_order(self) -> list[int] | None:
        """The order that follows this one, the last choice changing first; None after the last."""
        for place in reversed(range(len(self.choices))):
            taken, options = self.choices[place]
            if taken + 1 < options:
                return [*(choice for choice, _ in self.choices[:place]), taken + 1]
        return None


async def play(sends: Sequence[Send], order: Sequence[int], probe: Probe) -> Played:
    """Run the requests in this order of their statements; where it ends, the first goes on."""
    actors = [Actor(send).start() for send in sends]
    choices: list[tuple[int, int]] = []
    async with asyncio.timeout(PATIENCE):
        while not all(actor.done for actor in actors):
            for actor in actors:
                await actor.settled(probe)
            ready = [actor for actor in actors if actor.ready]
            if not ready:  # done, or in a deadlock that the database will end
                await asyncio.sleep(GLANCE)
                continue
            chosen = 0
            if len(ready) > 1:
                chosen = order[len(choices)] if len(choices) < len(order) else 0
                choices.append((chosen, len(ready)))
            ready[chosen].step()
    return Played(tuple(actor.answer() for actor in actors), tuple(choices))
