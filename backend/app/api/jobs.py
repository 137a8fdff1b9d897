"""Jobs: what was asked for and takes its time."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.api.deps import MAX_ID, IdempotencyKeyHeader, ResourcesDep, SessionDep
from app.api.errors import problems
from app.api.transaction import Transaction
from app.core.clock import utc_now
from app.schemas.job import JobFilter, JobRead
from app.services import jobs

router = APIRouter(prefix="/api/jobs", tags=["jobs"], route_class=Transaction)

JobId = Annotated[int, Path(ge=1, le=MAX_ID, description="A job's `id`", examples=[1])]


@router.get("")
async def show_all(
    session: SessionDep, resources: ResourcesDep, wanted: Annotated[JobFilter, Query()]
) -> list[JobRead]:
    """Your jobs, newest first; the chunks of a job only where `parent_id` names it."""
    found = await jobs.listed(session, resources.owner_id, wanted)
    return [JobRead.model_validate(job) for job in found]


@router.get("/{job_id}", responses=problems(404))
async def show(job_id: JobId, session: SessionDep, resources: ResourcesDep) -> JobRead:
    """How far a job is, and what came of it."""
    return JobRead.model_validate(await jobs.found(session, resources.owner_id, job_id))


@router.delete("/{job_id}", responses=problems(404, 409))
async def cancel(
    job_id: JobId,
    session: SessionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> JobRead:
    """Cancel a job: at once if it waits, at its next step if it runs; what it wrote by then stays.

    Cancelling it again changes nothing. 409 if it has ended, or is a chunk of another job.
    """
    job = await jobs.request_cancel(session, resources.owner_id, job_id, now=utc_now())
    return JobRead.model_validate(job)
