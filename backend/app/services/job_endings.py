"""How jobs end, and what the end of a chunk means for the whole: in one transaction each.

Callers hold the row lock of the job, and of the whole before it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import bell
from app.models import Job, JobState

PART_OF_CHUNKS = 0.99
"""How far a job is when its chunks are done and nothing has put them together yet."""


async def succeed(
    session: AsyncSession, job: Job, result: Mapping[str, Any], *, now: datetime
) -> None:
    job.succeed(dict(result), now=now)
    await _tell_whole(session, job, now=now)


async def fail(session: AsyncSession, job: Job, error: Mapping[str, Any], *, now: datetime) -> None:
    """`error` is a problem document."""
    job.fail(dict(error), now=now)
    await _tell_whole(session, job, now=now)


async def cancel(session: AsyncSession, job: Job, *, now: datetime) -> None:
    """End what nobody runs; ask the holders of the others to stop."""
    job.cancel_requested = True
    if job.chunks_left:
        stopped = await _stop_chunks(session, job, now=now)
        await _go_on(session, job, job.chunks_left - stopped, now=now)
    elif job.lease_until is None:
        job.cancel(now=now)


async def cancelled(session: AsyncSession, job: Job, *, now: datetime) -> None:
    """Its holder has stopped."""
    job.cancel(now=now)
    await _tell_whole(session, job, now=now)


async def _tell_whole(session: AsyncSession, chunk: Job, *, now: datetime) -> None:
    if chunk.parent_id is None:
        return
    whole = await session.get_one(Job, chunk.parent_id)
    left = whole.chunks_left - 1
    if chunk.state != JobState.SUCCEEDED:
        # The result can no longer be whole: no other part is begun.
        left -= await _stop_chunks(session, whole, now=now)
    await _go_on(session, whole, left, now=now)


async def _stop_chunks(session: AsyncSession, whole: Job, *, now: datetime) -> int:
    """End the chunks that wait and ask the others to stop: how many ended."""
    query = select(Job).where(Job.parent_id == whole.id, Job.finished_at.is_(None))
    stopped = 0
    for chunk in await session.scalars(query.order_by(Job.id).with_for_update()):
        chunk.cancel_requested = True
        if chunk.lease_until is None:
            chunk.cancel(now=now)
            stopped += 1
    return stopped


async def _go_on(session: AsyncSession, whole: Job, left: int, *, now: datetime) -> None:
    """After the last chunk its own turn comes, or its end: once, for the chunks are counted."""
    query = select(Job.error).where(Job.parent_id == whole.id, Job.state == JobState.FAILED)
    failure = await session.scalar(query.order_by(Job.finished_at, Job.id).limit(1))
    ended = select(func.count()).where(Job.parent_id == whole.id, Job.state == JobState.SUCCEEDED)
    done = await session.scalar(ended) or 0
    whole.chunks_left = left
    whole.progress = PART_OF_CHUNKS * done / whole.chunks
    whole.step, whole.message = "parts", f"{done} of {whole.chunks} parts are done"
    if left:
        return
    if failure is not None:
        whole.fail(failure, now=now)
    elif whole.cancel_requested:
        whole.cancel(now=now)
    else:
        whole.state = JobState.QUEUED
        bell.ring_after_commit(session.info, whole.id)
