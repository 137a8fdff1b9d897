"""The one place that opens resources: database, Redis, market data, broker."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from sqlalchemy import select

from app.core import calendar, embedded, logging, migrations
from app.core.bell import Bell
from app.core.cache import ByteCache, open_cache
from app.core.computing import Computing
from app.core.config import Settings
from app.core.database import Sessions, open_engine, open_sessions, reading
from app.core.queueing import Queue
from app.market_data.live import MarketData
from app.models import LOCAL_USER, User


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything a process opens, and whom it acts for."""

    settings: Settings
    sessions: Sessions
    market_data: MarketData
    cache: ByteCache
    owner_id: int
    queue: Queue
    computing: Computing


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The configured database, or the embedded one, which runs at least while the block does."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with embedded.postgres(settings.data_dir) as url:
        yield url


@contextmanager
def redis_url(settings: Settings) -> Iterator[str]:
    if settings.redis_url is not None:
        yield settings.redis_url.get_secret_value()
        return
    with embedded.valkey(settings.data_dir) as url:
        yield url


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open what the settings name; start the embedded servers where they name none.

    The embedded database is brought to the newest schema, a configured one is left as it is.
    """
    logging.configure(settings.log_level)
    calendar.keep_in(settings.data_dir / "cache")
    with ExitStack() as servers:
        database = await asyncio.to_thread(servers.enter_context, database_url(settings))
        if settings.database_url is None:
            await asyncio.to_thread(migrations.upgrade, database)
        redis = await asyncio.to_thread(servers.enter_context, redis_url(settings))
        engine = open_engine(database)
        bell = Bell(redis)
        sessions = open_sessions(engine, bell.ring)
        cache = open_cache(redis)
        try:
            yield Resources(
                settings=settings,
                sessions=sessions,
                market_data=MarketData(settings.data_dir),
                cache=cache,
                owner_id=await _local_user(sessions),
                queue=Queue(),
                computing=Computing(),
            )
        finally:
            bell.close()
            await cache.close()
            await engine.dispose()


async def _local_user(sessions: Sessions) -> int:
    async with reading(sessions) as session:
        return (await session.scalars(select(User.id).where(User.name == LOCAL_USER))).one()
