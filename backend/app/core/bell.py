"""Telling workers that there are jobs: rung after the commit that made them, and free to be lost.

A message names a job and nothing else. Whoever hears it claims the row, which is the truth; a
message that is lost, late or heard twice changes when a job is done and never whether.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import structlog

RUN_JOB = "etftrader.run_job"
REAP = "etftrader.reap"
JOBS = "etftrader.jobs"
"""The queue of jobs."""
UPKEEP = "etftrader.upkeep"
"""The queue of what keeps jobs going: not to wait behind them."""

Ring = Callable[[Sequence[int]], Awaitable[None]]
"""Tells workers of jobs by their ids; never raises because nobody could be told."""

_RING, _WAITING = "how to ring", "jobs to ring for"

log = structlog.get_logger()


class Bell:
    """Rings through Celery, whose client waits for its socket: in a thread."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._celery: Any = None

    async def ring(self, job_ids: Sequence[int]) -> None:
        try:
            await asyncio.to_thread(self._send, job_ids)
        except celery_app().TRANSPORT_FAULTS as error:
            log.warning("bell_not_heard", jobs=len(job_ids), error=type(error).__name__)

    def close(self) -> None:
        if self._celery is not None:
            self._celery.close()

    def _send(self, job_ids: Sequence[int]) -> None:
        if self._celery is None:
            self._celery = celery_app().new_celery(self._redis_url)
        with self._celery.producer_or_acquire() as producer:
            for job_id in job_ids:
                self._celery.send_task(
                    RUN_JOB, [job_id], queue=JOBS, producer=producer, retry=False
                )


@cache
def celery_app() -> ModuleType:
    """Importing Celery takes a quarter of a second, so only who rings or works pays for it."""
    from app.core import celery_app as imported  # noqa: PLC0415

    return imported


def rung_by(ring: Ring | None) -> dict[str, Any]:
    """The `info` of sessions whose jobs are told by this bell."""
    return {_RING: ring}


def ring_after_commit(info: MutableMapping[Any, Any], *job_ids: int) -> None:
    """Have these jobs told once the session of this `info` has committed."""
    info.setdefault(_WAITING, []).extend(job_ids)


async def ring_for_what_waits(info: MutableMapping[Any, Any]) -> None:
    waiting, ring = info.pop(_WAITING, None), info.get(_RING)
    if waiting and ring is not None:
        await ring(waiting)
