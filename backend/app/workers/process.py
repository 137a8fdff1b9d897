"""One worker process: one event loop and one set of resources for all of its jobs."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import structlog

from app.bootstrap import Resources, open_resources
from app.core.config import Settings
from app.core.errors import Unavailable

T = TypeVar("T")

log = structlog.get_logger()


def cores() -> int:
    """Those that this process may use; more processes than that only wait for each other."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerProcess:
    """Belongs to the process that it was made in: connections do not survive a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runner = asyncio.Runner()
        self._open = AsyncExitStack()
        self._resources: Resources | None = None

    def run(self, act: Callable[[Resources], Coroutine[Any, Any, T]]) -> T | None:
        """Run to the end, or not at all where the database is away: the reaper asks again."""
        try:
            return self._runner.run(self._with_resources(act))
        except Unavailable:
            log.warning("database_away")
            return None

    def close(self) -> None:
        self._runner.run(self._open.aclose())
        self._runner.close()

    async def _with_resources(self, act: Callable[[Resources], Coroutine[Any, Any, T]]) -> T:
        if self._resources is None:
            self._resources = await self._open.enter_async_context(open_resources(self._settings))
        return await act(self._resources)
