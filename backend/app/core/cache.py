"""Bytes that were made once and can be made again: Redis when it answers, nothing otherwise."""

from datetime import timedelta

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

LIFETIME = timedelta(days=1)


class ByteCache:
    """Shares finished answers between processes.

    Keys name the data version, so an entry is never wrong, only unused. A Redis that is away costs
    time, never an answer.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def get(self, key: str) -> bytes | None:
        try:
            found = await self._redis.get(key)
        except (RedisError, OSError) as error:
            log.warning("cache_away", error=type(error).__name__)
            return None
        return found.encode() if isinstance(found, str) else found

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self._redis.set(key, value, ex=LIFETIME)
        except (RedisError, OSError) as error:
            log.warning("cache_away", error=type(error).__name__)

    async def answers(self) -> bool:
        try:
            return bool(await self._redis.ping())
        except (RedisError, OSError):
            return False

    async def close(self) -> None:
        await self._redis.aclose()


def open_cache(url: str) -> ByteCache:
    """Give up quickly: the answer can be computed instead."""
    return ByteCache(Redis.from_url(url, socket_connect_timeout=0.2, socket_timeout=0.5))
