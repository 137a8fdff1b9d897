"""Every statement that a request sends to PostgreSQL, seen before it is sent and after its answer.

SQLAlchemy and the application's own plain statements meet in psycopg's cursor and connection: what
is hooked there misses none, COMMIT included. Only requests of a context that is `watched` are seen.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any, Protocol

import psycopg

COMMIT = "COMMIT"


@dataclass(frozen=True, slots=True)
class Statement:
    text: str
    connection: psycopg.AsyncConnection[Any]

    @property
    def backend(self) -> int:
        """The process id of the server's side of the connection."""
        return self.connection.info.backend_pid


class Watcher(Protocol):
    async def before(self, statement: Statement) -> None: ...

    async def after(self, statement: Statement) -> None: ...


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Show the watcher each statement of this context and of the tasks that begin in it."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


@contextmanager
def hooked() -> Iterator[None]:
    """Lead psycopg's asynchronous statements past the watcher, if there is one."""
    cursor: Any = psycopg.AsyncCursor
    connection: Any = psycopg.AsyncConnection
    plain = cursor.execute, cursor.executemany, connection.commit
    cursor.execute = _shown(plain[0], lambda its: its.connection)
    cursor.executemany = _shown(plain[1], lambda its: its.connection)
    connection.commit = _shown(plain[2], lambda itself: itself)
    try:
        yield
    finally:
        cursor.execute, cursor.executemany, connection.commit = plain


def _shown(
    method: Callable[..., Awaitable[Any]],
    connection_of: Callable[[Any], psycopg.AsyncConnection[Any]],
) -> Callable[..., Awaitable[Any]]:
    @wraps(method)
    async def run(its: Any, *arguments: Any, **options: Any) -> Any:
        watcher = _watcher.get()
        if watcher is None:
            return await method(its, *arguments, **options)
        text = " ".join(str(arguments[0]).split()) if arguments else COMMIT
        statement = Statement(text, connection_of(its))
        await watcher.before(statement)
        result = await method(its, *arguments, **options)
        await watcher.after(statement)
        return result

    return run
