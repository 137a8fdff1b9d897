"""One job from its claim to its end. What it made is written in the transaction that ends it."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from app.bootstrap import Resources
from app.core.clock import utc_now
from app.core.database import reading, unit_of_work
from app.core.errors import ETFTraderError, Unavailable
from app.quant.errors import QuantError
from app.schemas.problem import Problem, problem_type
from app.services import job_endings, job_leases
from app.services.job_leases import Lease, LostLease
from app.workers.context import (
    TIMING,
    Cancelled,
    Handler,
    Interrupted,
    JobContext,
    Timing,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Workshop:
    """What one process does jobs with."""

    resources: Resources
    handlers: Mapping[str, Handler]
    timing: Timing = TIMING
    is_stopping: Callable[[], bool] = lambda: False

    @property
    def worker(self) -> str:
        return f"{socket.gethostname()[:40]}:{os.getpid()}"


async def run(workshop: Workshop, job_id: int) -> bool:
    """Do the job if it waits; False if it does not: it was heard of twice, or too late."""
    async with unit_of_work(workshop.resources.sessions) as session:
        lease = await job_leases.claim(
            session,
            job_id,
            worker=workshop.worker,
            kinds=workshop.handlers.keys(),
            now=utc_now(),
            length=workshop.timing.lease,
        )
    if lease is not None:
        await attempt(workshop, lease)
    return lease is not None


async def run_next(workshop: Workshop, whole: int) -> bool:
    """Do the next of the chunks of a job, or the job itself; False if nothing of it waits."""
    async with reading(workshop.resources.sessions) as session:
        waiting = await job_leases.waiting(session, whole)
    for job_id in waiting:  # others may be quicker with the first ones
        if await run(workshop, job_id):
            return True
    return False


async def attempt(workshop: Workshop, lease: Lease) -> None:
    """Do a claimed job. Where the database is away it stays as it is, for the reaper to find."""
    sessions = workshop.resources.sessions
    context = JobContext(lease, workshop.resources, workshop.timing, workshop.is_stopping)
    try:
        await _do(context, workshop.handlers)
    except LostLease:
        log.warning("lease_lost", job=lease.job_id, kind=lease.kind)
    except Unavailable:
        log.warning("job_left_to_the_reaper", job=lease.job_id, kind=lease.kind)
    except Cancelled:
        with suppress(LostLease, Unavailable):
            async with job_leases.writing(sessions, lease) as (session, job):
                await job_endings.cancelled(session, job, now=utc_now())
    except Interrupted:
        await _put_back(context)
    except asyncio.CancelledError:
        await asyncio.shield(_put_back(context))
        raise
    except Exception as error:  # noqa: BLE001 - the outermost edge of a job
        await _fail(context, error)


async def _do(context: JobContext, handlers: Mapping[str, Handler]) -> None:
    handler = handlers[context.lease.kind]
    async with context.beating():
        made = await handler(context)
    async with job_leases.writing(context.resources.sessions, context.lease) as (session, job):
        result = await made(session) if callable(made) else made
        await job_endings.succeed(session, job, result, now=utc_now())


async def _put_back(context: JobContext) -> None:
    with suppress(LostLease, Unavailable):
        await job_leases.put_back(context.resources.sessions, context.lease)


async def _fail(context: JobContext, error: Exception) -> None:
    """Foreseen or not, it is told to the owner in a sentence; what nobody foresaw is logged."""
    if isinstance(error, ETFTraderError | QuantError):
        problem = _problem(422, type(error).__name__, str(error))
    else:
        log.error("job_failed", job=context.job_id, kind=context.lease.kind, exc_info=error)
        problem = _problem(
            500, "InternalServerError", "Something went wrong on our side; it has been logged."
        )
    with suppress(LostLease, Unavailable):
        async with job_leases.writing(context.resources.sessions, context.lease) as (session, job):
            await job_endings.fail(session, job, problem.model_dump(), now=utc_now())


def _problem(status: int, kind: str, detail: str) -> Problem:
    return Problem(
        type=problem_type(kind), title="The job failed", status=status, detail=detail, errors=[]
    )
