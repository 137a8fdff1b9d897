"""Who wants the same thing waits in line, in this process, before taking what others could use."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Line:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


class Queue:
    """One at a time for each name, in the order they came; one event loop.

    The database's row locks hold between processes. Waiting for them takes a connection, though,
    and a few busy rows would leave none for anybody else.
    """

    def __init__(self) -> None:
        self._lines: dict[Hashable, _Line] = {}

    @asynccontextmanager
    async def turn(self, name: Hashable) -> AsyncIterator[None]:
        line = self._lines.setdefault(name, _Line())
        line.length += 1
        try:
            async with line.lock:
                yield
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[name]

    def is_taken(self, name: Hashable) -> bool:
        return name in self._lines
