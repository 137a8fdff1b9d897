"""Connections, the unit of work, and what a lost database looks like to callers."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from typing import Any, LiteralString

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import URL, MetaData, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase

from app.core import bell
from app.core.bell import Ring
from app.core.errors import Unavailable

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

READERS = 16

Sessions = async_sessionmaker[AsyncSession]


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


def open_engine(url: str, *, pool_size: int = 16) -> AsyncEngine:
    """A pool that gives up quickly: a caller gets 503 within two seconds, not a hanging answer."""
    return _open_engine(make_url(url), pool_size=pool_size)


def _open_engine(url: URL, *, pool_size: int, **options: Any) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=1.5,
        pool_use_lifo=True,
        connect_args={"connect_timeout": 2, "application_name": "etftrader"},
        **options,
    )


def open_sessions(engine: AsyncEngine, ring: Ring | None = None) -> Sessions:
    """`ring` tells workers of the jobs that a unit of work has committed; None: nobody is told."""
    return async_sessionmaker(engine, expire_on_commit=False, info=bell.rung_by(ring))


@asynccontextmanager
async def reading(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """A session whose statements each stand alone: no BEGIN and no ROLLBACK to wait for.

    A reader that needs two statements to agree opens a `unit_of_work` instead. No connection is
    taken before the first statement. Raises `Unavailable` when the database is away.
    """
    with database_faults():
        async with sessions(bind=_reader(sessions.kw["bind"])) as session:
            yield session


@lru_cache(maxsize=16)
def _reader(engine: AsyncEngine) -> AsyncEngine:
    """The engine's pool for reading, disposed of with it.

    Of its own, because to switch a connection to autocommit and back takes as long as to read with
    it. Nothing is rolled back on return either: there is no transaction to end.
    """
    reader = _open_engine(
        engine.url,
        pool_size=READERS,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
    )
    event.listen(engine.sync_engine, "engine_disposed", lambda _: reader.sync_engine.dispose())
    return reader


async def rows(session: AsyncSession, query: LiteralString, about: Mapping[str, Any]) -> list[Any]:
    """Run one plain statement in the session's transaction, by the driver alone: its rows, named.

    For the few statements that every request runs: SQLAlchemy's share of a small one is several
    times the driver's. Raises what SQLAlchemy raises, and gives up a lost connection as it does.
    """
    driver = await _driver_of(session)
    try:
        cursor = driver.cursor(row_factory=namedtuple_row)
        await cursor.execute(query, about)
        return await cursor.fetchall() if cursor.rownumber is not None else []
    except psycopg.Error as error:
        lost = driver.closed
        if lost:
            connection = await session.connection()
            await connection.invalidate()
            # Whatever took this connection took those that wait in the pool as well.
            await connection.engine.dispose()
        raise DBAPIError.instance(
            query, None, error, psycopg.Error, connection_invalidated=lost
        ) from error


async def _driver_of(session: AsyncSession) -> Any:
    """The driver's connection under the session, found once for each of its transactions."""
    transaction = session.sync_session.get_transaction()
    known = session.info.get(_DRIVER)
    if known is not None and known[0] is transaction:
        return known[1]
    connection = await session.connection()
    driver = (await connection.get_raw_connection()).driver_connection
    session.info[_DRIVER] = session.sync_session.get_transaction(), driver
    return driver


_DRIVER = "the driver's connection and its transaction"


@contextmanager
def database_faults() -> Iterator[None]:
    """Turn a lost or overloaded database into `Unavailable`; every other error passes."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise Unavailable("The database does not answer: try again in a moment.") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("The database does not answer: try again in a moment.") from error
        raise


@asynccontextmanager
async def unit_of_work(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """Commit when the block succeeds, then ring for its jobs; roll back when it raises.

    Routes, workers and commands open their session here, so services never commit.
    Raises `Unavailable` when the database is away.
    """
    with database_faults():
        async with sessions() as session, session.begin():
            yield session
    await bell.ring_for_what_waits(session.info)
