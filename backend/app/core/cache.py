"""Bytes that were made once and can be made again: in this process, then in Redis."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.core import heartbeat

log = structlog.get_logger()

LIFETIME = timedelta(days=1)
KEPT_HERE = 64


class ByteCache:
    """Finished answers, kept in this process and shared with others through Redis.

    Keys name the data version, so an entry is never wrong, only unused. A Redis that is away costs
    time, never an answer.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._here: OrderedDict[str, bytes] = OrderedDict()

    def kept(self, key: str) -> bytes | None:
        """What this process holds."""
        found = self._here.get(key)
        if found is not None:
            self._here.move_to_end(key)
        return found

    async def known(self, key: str) -> bytes | None:
        """What this process or another one has made, if it is still there."""
        found = self.kept(key)
        if found is None:
            found = await self._shared(key)
            if found is not None:
                self._keep(key, found)
        return found

    async def get_or_make(self, key: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        found = await self.known(key)
        if found is None:
            found = await make()
            await self._share(key, found)
            self._keep(key, found)
        return found

    async def answers(self) -> bool:
        try:
            return bool(await self._redis.ping())
        except (RedisError, OSError):
            return False

    async def hears_a_worker(self) -> bool:
        return await heartbeat.is_heard(self._redis)

    async def close(self) -> None:
        await self._redis.aclose()

    def _keep(self, key: str, value: bytes) -> None:
        self._here[key] = value
        while len(self._here) > KEPT_HERE:
            self._here.popitem(last=False)

    async def _shared(self, key: str) -> bytes | None:
        try:
            found = await self._redis.get(key)
        except (RedisError, OSError) as error:
            log.warning("cache_away", error=type(error).__name__)
            return None
        return found.encode() if isinstance(found, str) else found

    async def _share(self, key: str, value: bytes) -> None:
        try:
            await self._redis.set(key, value, ex=LIFETIME)
        except (RedisError, OSError) as error:
            log.warning("cache_away", error=type(error).__name__)


def open_cache(url: str) -> ByteCache:
    """Give up quickly: the answer can be computed instead."""
    return ByteCache(Redis.from_url(url, socket_connect_timeout=0.2, socket_timeout=0.5))
