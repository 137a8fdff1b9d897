"""Jobs done without a worker, by the process that asked for them and further ones."""

import asyncio
from contextlib import suppress
from pathlib import Path

from sqlalchemy import select

from app.bootstrap import Resources
from app.core.database import reading
from app.models import Job
from app.services.jobs import Chunks
from app.workers.here import run_here
from app.workers.running import Workshop
from tests.workers.small_worker import HANDLERS
from tests.workers.test_running import read, submit
from tests.workers.test_serving import submit_traces, traces

PROGRAM = "tests.workers.small_here"


async def test_one_process_alone_does_a_job_and_its_parts(
    resources: Resources, tmp_path: Path
) -> None:
    job, names = await submit_traces(resources, 3, tmp_path)
    await run_here(Workshop(resources, HANDLERS), job.id, processes=1)
    found = await read(resources, job)
    assert (found.state, found.result) == ("succeeded", {"names": names})
    assert sorted(await traces(resources, names)) == names


async def test_further_processes_take_part_and_give_back_what_they_hold_at_an_interrupt(
    resources: Resources, tmp_path: Path
) -> None:
    job, _ = await submit_traces(resources, 2, tmp_path)
    idle = Workshop(resources, {})
    await run_here(idle, job.id, processes=2, program=PROGRAM)
    assert (await read(resources, job)).state == "succeeded"

    part = {"name": "never", "folder": str(tmp_path), "seconds": 60}
    long = await submit(resources, kind="gather", chunks=Chunks("trace", [part]))
    task = asyncio.create_task(run_here(idle, long.id, processes=2, program=PROGRAM))
    async with asyncio.timeout(30):
        while (await part_of(resources, long)).step != "computing":  # noqa: ASYNC110 - another's
            await asyncio.sleep(0.05)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    given_back = await part_of(resources, long)
    assert (given_back.state, given_back.attempt) == ("queued", 0)


async def part_of(resources: Resources, whole: Job) -> Job:
    async with reading(resources.sessions) as session:
        return (await session.scalars(select(Job).where(Job.parent_id == whole.id))).one()
