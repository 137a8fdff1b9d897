"""Jobs as their owners see them: asked for, listed, cancelled. `job_leases` is the workers' side.

Whoever locks a job in chunks and one of its chunks locks the whole first.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import bell
from app.core.errors import Conflict, KeyReused, NotFound
from app.models import Job, JobState, owned_job
from app.schemas.job import JobFilter
from app.services import job_endings

Arguments = Mapping[str, Any]
"""What a job is about, as JSON. Listed to its owner; never a secret."""


class AlreadyEnded(Conflict):
    def __init__(self, state: JobState) -> None:
        super().__init__(f"The job has ended already: it {_ENDINGS[state]}.")


class PartOfAnother(Conflict):
    def __init__(self, whole: int) -> None:
        super().__init__(f"The job is a part of job {whole}: cancel that one.")


class LaneTaken(Conflict):
    """Somebody else's job does the same."""

    def __init__(self) -> None:
        super().__init__("Another user's job is doing this now: ask again when it is done.")


_ENDINGS = {
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "was cancelled",
}


@dataclass(frozen=True, slots=True)
class Chunks:
    """What a job is divided into: jobs of one kind that may run at once, and their arguments."""

    kind: str
    arguments: Sequence[Arguments]


async def submit(
    session: AsyncSession,
    *,
    owner_id: int,
    kind: str,
    arguments: Arguments,
    idempotency_key: str | None = None,
    lane: str | None = None,
    chunks: Chunks | None = None,
    now: datetime,
) -> Job:
    """Keep a job; workers are told of it after the commit.

    A job with chunks is run when all of them have succeeded: it puts their results together. The
    same key (per owner and kind) is the same job for ever. Of the jobs of a kind in one `lane` one
    is active: asked for again, it is the answer. Raises KeyReused where the key belongs to other
    arguments, and LaneTaken where the active job is somebody else's.
    """
    parts = len(chunks.arguments) if chunks else 0
    row = {
        "owner_id": owner_id,
        "kind": kind,
        "arguments": json.loads(json.dumps(arguments)),
        "lane": lane,
        "idempotency_key": idempotency_key,
        "chunks": parts,
        "chunks_left": parts,
        "created_at": now,
    }
    while True:
        statement = insert(Job).values(row).on_conflict_do_nothing().returning(Job)
        job = await session.scalar(statement)
        if job is not None:
            await _add_chunks(session, job, chunks)
            return job
        # What is in the way may have left its lane before it is seen: then there is room.
        job = await _in_the_way(session, row)
        if job is not None:
            return job


async def _add_chunks(session: AsyncSession, job: Job, chunks: Chunks | None) -> None:
    if not job.chunks or chunks is None:
        bell.ring_after_commit(session.info, job.id)
        return
    rows = [
        {
            "owner_id": job.owner_id,
            "kind": chunks.kind,
            "arguments": dict(arguments),
            "parent_id": job.id,
            "created_at": job.created_at,
        }
        for arguments in chunks.arguments
    ]
    ids = await session.scalars(insert(Job).returning(Job.id, sort_by_parameter_order=True), rows)
    bell.ring_after_commit(session.info, *ids)


async def _in_the_way(session: AsyncSession, wanted: Mapping[str, Any]) -> Job | None:
    """The job that has this key or this lane; raises KeyReused or LaneTaken."""
    of_kind = select(Job).where(Job.kind == wanted["kind"])
    if wanted["idempotency_key"] is not None:
        known = await session.scalar(
            of_kind.where(
                Job.owner_id == wanted["owner_id"], Job.idempotency_key == wanted["idempotency_key"]
            )
        )
        if known is not None:
            if (known.arguments, known.chunks) != (wanted["arguments"], wanted["chunks"]):
                raise KeyReused
            return known
    active = await session.scalar(
        of_kind.where(Job.lane == wanted["lane"], Job.finished_at.is_(None))
    )
    if active is not None and active.owner_id != wanted["owner_id"]:
        raise LaneTaken
    return active


async def listed(session: AsyncSession, owner_id: int, wanted: JobFilter) -> Sequence[Job]:
    """This owner's jobs, newest first: those that were asked for, or the chunks of one of them."""
    query = select(Job).where(Job.owner_id == owner_id, Job.parent_id == wanted.parent_id)
    if wanted.state is not None:
        query = query.where(Job.state == wanted.state)
    if wanted.kind is not None:
        query = query.where(Job.kind == wanted.kind)
    query = query.order_by(Job.id.desc()).limit(wanted.limit).offset(wanted.offset)
    return (await session.scalars(query)).all()


async def found(session: AsyncSession, owner_id: int, job_id: int) -> Job:
    """Raises NotFound; somebody else's job is as absent as one that never was."""
    job = await session.scalar(owned_job(owner_id, job_id))
    if job is None:
        raise NotFound("job")
    return job


async def request_cancel(
    session: AsyncSession, owner_id: int, job_id: int, *, now: datetime
) -> Job:
    """Cancel what waits, and ask what runs to stop at its next step; again changes nothing.

    Raises NotFound, AlreadyEnded, and PartOfAnother for a chunk.
    """
    job = await session.scalar(owned_job(owner_id, job_id).with_for_update())
    if job is None:
        raise NotFound("job")
    if job.parent_id is not None:
        raise PartOfAnother(job.parent_id)
    if job.has_ended:
        raise AlreadyEnded(JobState(job.state))
    await job_endings.cancel(session, job, now=now)
    return job
