"""What keeps jobs going when workers die and messages are lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import bell
from app.core.database import Sessions, reading, unit_of_work
from app.models import Job, JobState
from app.schemas.problem import Problem, problem_type
from app.services import job_endings

MOST_ATTEMPTS = 3
PATIENCE = timedelta(seconds=60)
"""How long a job may wait before it is rung for again."""
AT_ONCE = 500

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reaped:
    """Jobs whose holder was gone, and what became of them; jobs that were rung for again."""

    put_back: int = 0
    failed: int = 0
    cancelled: int = 0
    rung: int = 0


async def reap(sessions: Sessions, *, now: datetime, patience: timedelta = PATIENCE) -> Reaped:
    """Give jobs of lost workers to others, give up those that lose every worker, and ring again.

    Safe to do at any time, by several at once.
    """
    async with reading(sessions) as session:
        expired = select(Job.id).where(Job.lease_until < now).order_by(Job.id).limit(AT_ONCE)
        ids = (await session.scalars(expired)).all()
    ends = [await _reap_one(sessions, job_id, now=now) for job_id in ids]
    async with unit_of_work(sessions) as session:
        rung = await _ring_again(session, now=now, patience=patience)
    return Reaped(
        put_back=ends.count(JobState.QUEUED),
        failed=ends.count(JobState.FAILED),
        cancelled=ends.count(JobState.CANCELLED),
        rung=len(rung),
    )


async def _reap_one(sessions: Sessions, job_id: int, *, now: datetime) -> str | None:
    """What became of it; None if its holder, or another reaper, was quicker."""
    async with unit_of_work(sessions) as session:
        parent_id = await session.scalar(select(Job.parent_id).where(Job.id == job_id))
        if parent_id is not None:
            await session.get_one(Job, parent_id, with_for_update=True)
        query = select(Job).where(Job.id == job_id, Job.lease_until < now)
        job = await session.scalar(query.with_for_update(skip_locked=True))
        if job is None:
            return None
        log.warning("worker_lost", job=job.id, kind=job.kind, attempt=job.attempt)
        if job.cancel_requested:
            await job_endings.cancelled(session, job, now=now)
        elif job.attempt >= MOST_ATTEMPTS:
            await job_endings.fail(session, job, _gave_up().model_dump(), now=now)
        else:
            job.put_back(counted=True)
            job.rung_at = now
            bell.ring_after_commit(session.info, job.id)
        return job.state


async def _ring_again(
    session: AsyncSession, *, now: datetime, patience: timedelta
) -> Sequence[int]:
    waiting = (
        select(Job.id)
        .where(Job.state == JobState.QUEUED, Job.chunks_left == 0)
        .where(func.coalesce(Job.rung_at, Job.created_at) < now - patience)
        .order_by(Job.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    ids = await session.scalars(
        update(Job).where(Job.id.in_(waiting)).values(rung_at=now).returning(Job.id)
    )
    found = ids.all()
    bell.ring_after_commit(session.info, *found)
    return found


def _gave_up() -> Problem:
    return Problem(
        type=problem_type("WorkersLost"),
        title="The job was given up",
        status=500,
        detail=f"The worker ended or lost the database {MOST_ATTEMPTS} times before the job was "
        "done: look at the worker's log and memory, then ask for it again.",
        errors=[],
    )
