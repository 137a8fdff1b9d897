"""Jobs of commands: asked for, followed with a bar, and done here where no worker is up."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated

import typer

from app.bootstrap import Resources
from app.cli.failing import fail, say
from app.cli.progress import bars
from app.cli.runtime import Context, with_resources
from app.core.clock import utc_now
from app.core.database import reading, unit_of_work
from app.core.progress import Progress
from app.models import ENDED, Job, JobState
from app.schemas.job import JobRead
from app.services import jobs
from app.workers.here import run_here
from app.workers.process import cores
from app.workers.registry import HANDLERS
from app.workers.running import Workshop

SECONDS_BETWEEN_LOOKS = 0.2
STEPS = 1000

BackgroundOption = Annotated[
    bool, typer.Option("--background", help="Do not wait: a worker does it, once one is up.")
]


def asked_for(submit: Callable[[Context], Awaitable[Job]], *, background: bool = False) -> JobRead:
    """Submit a job in a transaction of its own; the job when it has succeeded.

    `background`: as it is at once. Ends the command with exit code 1 where it fails or is
    cancelled.
    """

    async def act(resources: Resources) -> JobRead:
        async with unit_of_work(resources.sessions) as session:
            job = await submit(Context(resources, session, utc_now()))
        return JobRead.model_validate(job) if background else await _follow(resources, job.id)

    job = with_resources(act)
    if background:
        say(f"Job {job.id}: 'etftrader jobs watch {job.id}' shows how far it is.")
        return job
    return _succeeded(job)


def followed(job_id: int) -> JobRead:
    """The same for a job that was submitted before."""
    return _succeeded(with_resources(lambda resources: _follow(resources, job_id)))


async def _follow(resources: Resources, job_id: int) -> JobRead:
    """Show how far it is until it has ended. Raises NotFound."""
    here: asyncio.Task[None] | None = None
    try:
        with bars() as progress:
            while True:
                job = await _read(resources, job_id)
                if job.state in ENDED:
                    _draw(job, progress)
                    return job
                if here is None and not await resources.cache.hears_a_worker():
                    say(f"No worker is up: job {job.id} is done here.")
                    here = asyncio.create_task(_do(resources, job))
                _draw(job, progress)
                await _a_moment(here)
    except asyncio.CancelledError:
        say(
            f"Job {job_id} is left to the workers: 'etftrader jobs watch {job_id}' goes on, "
            f"'etftrader jobs cancel {job_id}' ends it."
        )
        raise
    finally:
        if here is not None:
            here.cancel()
            with suppress(asyncio.CancelledError):
                await here


async def _read(resources: Resources, job_id: int) -> JobRead:
    async with reading(resources.sessions) as session:
        return JobRead.model_validate(await jobs.found(session, resources.owner_id, job_id))


async def _do(resources: Resources, job: JobRead) -> None:
    processes = min(cores(), max(job.chunks, 1))
    await run_here(Workshop(resources, HANDLERS), job.id, processes=processes)


async def _a_moment(here: asyncio.Task[None] | None) -> None:
    if here is None:
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        return
    ended, _ = await asyncio.wait({here}, timeout=SECONDS_BETWEEN_LOOKS)
    for task in ended:
        task.result()  # raises what kept it from doing the job


def _draw(job: JobRead, progress: Progress) -> None:
    if job.state == JobState.QUEUED and not job.progress:
        progress("waiting", 0, STEPS)
    elif job.step is not None:
        progress(job.step, round(job.progress * STEPS), STEPS)
    elif job.state == JobState.SUCCEEDED:
        progress("done", STEPS, STEPS)


def _succeeded(job: JobRead) -> JobRead:
    if job.error is not None:
        fail(f"Job {job.id} failed: {job.error.detail}")
    if job.state == JobState.CANCELLED:
        fail(f"Job {job.id} was cancelled.")
    return job
