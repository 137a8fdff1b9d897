"""Handlers run by the real loop: what they return, raise, write and are told."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.clock import utc_now
from app.core.database import reading, unit_of_work
from app.core.errors import Refused, Unavailable
from app.models import Job, User
from app.services import job_reaping, jobs
from app.services.jobs import Chunks
from app.workers import running
from app.workers.context import Handler, JobContext, Record, Result, Timing
from app.workers.running import Workshop

QUICK = Timing(lease=timedelta(seconds=30), pulse=timedelta(seconds=0.05))


async def submit(resources: Resources, **options: Any) -> Job:
    asked = {"kind": "test", "arguments": {}, "now": utc_now(), **options}
    async with unit_of_work(resources.sessions) as session:
        return await jobs.submit(session, owner_id=resources.owner_id, **asked)


async def read(resources: Resources, job: Job) -> Job:
    async with reading(resources.sessions) as session:
        return await jobs.found(session, resources.owner_id, job.id)


async def done(resources: Resources, handler: Handler, **options: Any) -> Job:
    """A job that is submitted and run."""
    job = await submit(resources)
    assert await running.run(Workshop(resources, {"test": handler}, QUICK, **options), job.id)
    return await read(resources, job)


async def cancel(resources: Resources, job_id: int) -> None:
    async with unit_of_work(resources.sessions) as session:
        await jobs.request_cancel(session, resources.owner_id, job_id, now=utc_now())


def writes(name: str) -> Record:
    async def record(session: AsyncSession) -> Result:
        session.add(User(name=name, created_at=utc_now()))
        return {"name": name}

    return record


async def written(resources: Resources, name: str) -> int:
    async with reading(resources.sessions) as session:
        return await session.scalar(select(func.count()).where(User.name == name)) or 0


async def test_what_a_handler_returns_is_the_result(resources: Resources) -> None:
    async def handle(context: JobContext) -> Result:
        await context.progress(0.5, "half", "so far so good")
        assert context.owner_id == context.resources.owner_id == resources.owner_id
        halfway = await read(resources, job)
        assert (halfway.progress, halfway.step) == (0.5, "half")
        return {"answer": 42}

    job = await submit(resources)
    workshop = Workshop(resources, {"test": handle}, QUICK)
    assert await running.run(workshop, job.id)
    assert not await running.run(workshop, job.id)
    found = await read(resources, job)
    assert (found.state, found.result, found.progress) == ("succeeded", {"answer": 42}, 1.0)


async def test_a_record_is_written_with_the_end_of_the_job_or_not_at_all(
    resources: Resources,
) -> None:
    kept, lost = uuid4().hex, uuid4().hex

    async def keep(context: JobContext) -> Record:
        return writes(kept)

    async def lose(context: JobContext) -> Record:
        async with unit_of_work(resources.sessions) as session:  # somebody else has it now
            await session.execute(
                update(Job).where(Job.id == context.job_id).values(leased_by="another")
            )
        return writes(lost)

    assert (await done(resources, keep)).result == {"name": kept}
    assert (await done(resources, lose)).state == "running"
    assert (await written(resources, kept), await written(resources, lost)) == (1, 0)


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (Refused("Take fewer names."), 422, "Take fewer names."),
        (ZeroDivisionError("secret"), 500, "Something went wrong on our side"),
    ],
)
async def test_a_handler_that_raises_gives_a_failed_job_and_one_log_line_at_most(
    resources: Resources,
    capsys: pytest.CaptureFixture[str],
    *,
    error: Exception,
    status: int,
    detail: str,
) -> None:
    async def handle(context: JobContext) -> Result:
        raise error

    found = await done(resources, handle)
    assert (found.state, found.result) == ("failed", None)
    assert found.error is not None
    assert found.error["status"] == status
    assert found.error["detail"].startswith(detail)
    assert "secret" not in str(found.error)
    assert capsys.readouterr().err.count("job_failed") == (status == 500)


async def test_a_record_that_cannot_be_written_fails_the_job(resources: Resources) -> None:
    async def handle(context: JobContext) -> Record:
        async def record(session: AsyncSession) -> Result:
            await session.execute(text("SELECT 1 / 0"))
            return {}

        return record

    assert (await done(resources, handle)).state == "failed"


async def test_the_lease_is_renewed_while_a_thread_computes(resources: Resources) -> None:
    def compute(context: JobContext) -> int:
        """In Python alone: nothing here lets go of the interpreter's lock by itself."""
        begun, rounds = time.monotonic(), 0
        while time.monotonic() - begun < 0.8:
            rounds += 1
        context.tell("counting", 1, 2)
        return rounds

    async def handle(context: JobContext) -> Result:
        before = await read(resources, job)
        rounds = await context.in_thread(compute, context)
        after = await read(resources, job)
        assert before.lease_until is not None
        assert after.lease_until is not None
        # Written by pulses after the first one, not by the end of the thread alone.
        assert after.lease_until - before.lease_until > timedelta(seconds=0.4)
        assert (after.step, after.progress) == ("counting", 0.5)
        return {"rounds": rounds}

    job = await submit(resources)
    await running.run(Workshop(resources, {"test": handle}, QUICK), job.id)
    assert (await read(resources, job)).state == "succeeded"


async def test_a_running_job_stops_at_its_next_step_when_cancelled(resources: Resources) -> None:
    async def handle(context: JobContext) -> Result:
        await cancel(resources, context.job_id)
        await context.check()
        raise AssertionError

    async def thread(context: JobContext) -> Result:
        await cancel(resources, context.job_id)

        def compute() -> None:
            while True:
                context.tell("going on", 0, 1)
                time.sleep(0.01)

        await context.in_thread(compute)
        raise AssertionError

    for handler in (handle, thread):
        found = await done(resources, handler)
        assert (found.state, found.error) == ("cancelled", None)


async def test_a_worker_that_is_asked_to_end_gives_its_job_back(resources: Resources) -> None:
    async def handle(context: JobContext) -> Result:
        await context.check()
        raise AssertionError

    found = await done(resources, handle, is_stopping=lambda: True)
    assert (found.state, found.attempt) == ("queued", 0)

    begun = asyncio.Event()

    async def wait(context: JobContext) -> Result:
        begun.set()
        await asyncio.sleep(60)
        raise AssertionError

    task = asyncio.create_task(running.run(Workshop(resources, {"test": wait}, QUICK), found.id))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await read(resources, found)).state == "queued"


async def test_without_the_database_a_job_is_left_to_the_reaper(resources: Resources) -> None:
    async def handle(context: JobContext) -> Result:
        raise Unavailable("The database does not answer.")

    job = await done(resources, handle)
    assert job.state == "running"
    await job_reaping.reap(resources.sessions, now=utc_now() + 2 * QUICK.lease)
    assert (await read(resources, job)).state == "queued"


@pytest.fixture
def handlers() -> Mapping[str, Handler]:
    async def part(context: JobContext) -> Result:
        return {"square": context.arguments["n"] ** 2}

    async def whole(context: JobContext) -> Result:
        async with reading(context.resources.sessions) as session:
            query = select(Job.result).where(Job.parent_id == context.job_id)
            return {"sum": sum(result["square"] for result in await session.scalars(query))}

    return {"part": part, "whole": whole}


async def test_delivered_three_times_each_chunk_and_the_whole_are_done_once(
    resources: Resources, handlers: Mapping[str, Handler]
) -> None:
    chunks = Chunks("part", [{"n": n} for n in range(10)])
    whole = await submit(resources, kind="whole", chunks=chunks)
    workshops = [Workshop(resources, handlers, QUICK) for _ in range(2)]
    ids = range(whole.id + 1, whole.id + 11)
    for deliveries in (ids, [whole.id]):
        ran = await asyncio.gather(
            *(
                running.run(workshops[turn % 2], job_id)
                for turn in range(3)
                for job_id in deliveries
            )
        )
        assert sum(ran) == len(deliveries)
    found = await read(resources, whole)
    assert (found.state, found.result, found.attempt) == ("succeeded", {"sum": 285}, 1)


async def test_one_process_does_a_whole_with_its_chunks(
    resources: Resources, handlers: Mapping[str, Handler]
) -> None:
    whole = await submit(resources, kind="whole", chunks=Chunks("part", [{"n": 2}, {"n": 3}]))
    workshop = Workshop(replace(resources), handlers, QUICK)
    assert [await running.run_next(workshop, whole.id) for _ in range(4)] == [True] * 3 + [False]
    assert (await read(resources, whole)).result == {"sum": 13}
