"""Celery as transport alone: nothing it keeps is needed, and nothing waits for its answers."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

TRANSPORT_FAULTS = (OperationalError, RedisError, OSError)

VISIBILITY_SECONDS = 3600
"""After which Redis gives out again what a killed worker had fetched and not yet begun."""

_TRANSPORT: Mapping[str, Any] = {
    "global_keyprefix": "etftrader:",
    "visibility_timeout": VISIBILITY_SECONDS,
    "socket_connect_timeout": 0.5,
    # The client gives up at once: a lost bell is found by the reaper.
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0,
}


def new_celery(redis_url: str, **settings: Any) -> Celery:
    """Names the broker and connects to nothing."""
    celery = Celery("etftrader", broker=_broker(redis_url), set_as_current=False)
    celery.conf.update(
        broker_transport_options=dict(_TRANSPORT),
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        enable_utc=True,
        **settings,
    )
    return celery


def _broker(redis_url: str) -> str:
    """The address as kombu writes it, which has a spelling of its own for sockets."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    who = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return f"redis+socket://{who}{parts.path}?{parts.query.replace('db=', 'virtual_host=')}"
