"""Whether a worker listens for jobs: it says so every few seconds, in Redis, for a while each."""

from datetime import timedelta

import redis
import redis.asyncio
import structlog
from redis.exceptions import RedisError

_KEY = "etftrader:worker"
LASTS = timedelta(seconds=15)

log = structlog.get_logger()


def listening(client: redis.Redis) -> None:
    """Say that a worker listens now."""
    try:
        client.set(_KEY, 1, ex=LASTS)
    except (RedisError, OSError) as error:
        log.warning("heartbeat_not_heard", error=type(error).__name__)


def is_heard_by(client: redis.Redis) -> bool:
    """Raises RedisError or OSError."""
    return bool(client.exists(_KEY))


async def is_heard(client: redis.asyncio.Redis) -> bool:
    """False too where Redis does not answer: no bell reaches a worker then."""
    try:
        return bool(await client.exists(_KEY))
    except (RedisError, OSError):
        return False
