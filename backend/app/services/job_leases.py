"""Jobs as workers see them: claimed for a while, kept by renewing, ended only by their holder.

The name of a claim guards every later write: a worker that was too slow and lost its job to
another one writes nothing.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.core import bell
from app.core.database import Sessions, unit_of_work
from app.core.errors import ETFTraderError
from app.models import Job, JobState

LEASE = timedelta(seconds=60)
"""Longer than anything may keep a worker from renewing, the database's recovery included."""

AT_ONCE = 50
"""More than there are processes on a machine: one of so many is free for each of them."""


class LostLease(ETFTraderError):
    """Somebody else may be doing the job now: what this worker made of it is not wanted."""

    def __init__(self) -> None:
        super().__init__("The job is not this worker's any more.")


@dataclass(frozen=True, slots=True)
class Lease:
    """A job that this process may do, under the name of the claim."""

    job_id: int
    holder: str
    owner_id: int
    kind: str
    arguments: Mapping[str, Any]
    parent_id: int | None
    chunks: int


@dataclass(frozen=True, slots=True)
class Note:
    """How far a job is: a fraction, what it is doing, and a sentence if there is one to say."""

    progress: float
    step: str | None = None
    message: str | None = None


_CLAIMABLE = (Job.state == JobState.QUEUED) & (Job.chunks_left == 0)


async def claim(
    session: AsyncSession,
    job_id: int,
    *,
    worker: str,
    kinds: Collection[str],
    now: datetime,
    length: timedelta = LEASE,
) -> Lease | None:
    """Take a job of these kinds that waits; None where it does not, which is nothing unusual."""
    parent_id = await session.scalar(select(Job.parent_id).where(Job.id == job_id))
    if parent_id is not None:
        await _begin_whole(session, parent_id, job_id, now=now)
    query = select(Job).where(Job.id == job_id, Job.kind.in_(kinds), _CLAIMABLE)
    job = await session.scalar(query.with_for_update(skip_locked=True))
    if job is None:
        return None
    holder = f"{worker}:{uuid4().hex}"
    job.lease(holder, now=now, length=length)
    return Lease(job.id, holder, job.owner_id, job.kind, job.arguments, job.parent_id, job.chunks)


async def _begin_whole(
    session: AsyncSession, parent_id: int, chunk_id: int, *, now: datetime
) -> None:
    chunk = aliased(Job)
    await session.execute(
        update(Job)
        .where(Job.id == parent_id, Job.state == JobState.QUEUED, Job.chunks_left > 0)
        .where(exists().where(chunk.id == chunk_id, chunk.state == JobState.QUEUED))
        .values(state=JobState.RUNNING, started_at=now)
    )


async def waiting(session: AsyncSession, whole: int) -> Sequence[int]:
    """The first chunks of a job that wait, or the job itself after them, in order."""
    query = select(Job.id).where(_CLAIMABLE, or_(Job.id == whole, Job.parent_id == whole))
    return (await session.scalars(query.order_by(Job.id).limit(AT_ONCE))).all()


async def renew(
    session: AsyncSession, lease: Lease, note: Note, *, now: datetime, length: timedelta = LEASE
) -> bool:
    """Keep the job, and note how far it is; whether its owner wants it stopped. LostLease."""
    wanted = await session.scalar(
        update(Job)
        .where(Job.id == lease.job_id, Job.leased_by == lease.holder)
        .values(
            lease_until=now + length,
            progress=note.progress,
            step=note.step,
            message=note.message,
        )
        .returning(Job.cancel_requested)
    )
    if wanted is None:
        raise LostLease
    return wanted


async def held(session: AsyncSession, lease: Lease) -> Job:
    """The job, locked until the transaction ends: nobody takes it in between. Raises LostLease."""
    if lease.parent_id is not None:
        await session.get_one(Job, lease.parent_id, with_for_update=True)
    query = select(Job).where(Job.id == lease.job_id, Job.leased_by == lease.holder)
    job = await session.scalar(query.with_for_update())
    if job is None:
        raise LostLease
    return job


@asynccontextmanager
async def writing(sessions: Sessions, lease: Lease) -> AsyncIterator[tuple[AsyncSession, Job]]:
    """A transaction of the job's holder. Raises LostLease before anything is written."""
    async with unit_of_work(sessions) as session:
        yield session, await held(session, lease)


async def put_back(sessions: Sessions, lease: Lease) -> None:
    """Let others do it: this process is asked to end."""
    async with writing(sessions, lease) as (session, job):
        job.put_back(counted=False)
        bell.ring_after_commit(session.info, job.id)
