"""Celery workers as an installation runs them: killed, without Redis, told everything thrice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from app.bootstrap import Resources, open_resources
from app.core import bell
from app.core.database import reading, unit_of_work
from app.models import Job, User
from app.services.jobs import Chunks
from tests.servers import Run, ServerUrls
from tests.workers.served import SECONDS, Workers, begun, ended, serve
from tests.workers.small_worker import STEPS
from tests.workers.test_running import cancel, submit

MODULE = "tests.workers.small_worker"


@pytest.fixture(scope="module")
def workers(
    run: Run, server_urls: ServerUrls, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workers]:
    with (
        run.new_database(server_urls, f"{worker_id}_jobs") as database,
        serve(database, tmp_path_factory.mktemp("workers"), MODULE) as served,
    ):
        yield served


@pytest.fixture
async def resources(workers: Workers) -> AsyncIterator[Resources]:
    async with open_resources(workers.settings) as opened:
        yield opened


async def submit_traces(
    resources: Resources, count: int, folder: Path, **arguments: Any
) -> tuple[Job, list[str]]:
    """A job in parts that each leave a trace, and the names of the traces."""
    names = [f"{number:02}-{uuid4().hex[:20]}" for number in range(count)]
    about = {"folder": str(folder), **arguments}
    die_at = arguments.get("die_at", ())
    parts = [
        {**about, "name": name, "die_at": die_at[number] if number < len(die_at) else None}
        for number, name in enumerate(names)
    ]
    return await submit(resources, kind="gather", chunks=Chunks("trace", parts)), names


def died_at(folder: Path) -> set[str]:
    return {file.name.partition("-")[2] for file in folder.iterdir()}


async def traces(resources: Resources, names: Sequence[str]) -> list[str]:
    async with reading(resources.sessions) as session:
        return list(await session.scalars(select(User.name).where(User.name.in_(names))))


async def is_done_once(
    workers: Workers, resources: Resources, job: Job, names: Sequence[str]
) -> None:
    """The end state of a job that nothing disturbed."""
    found = await ended(workers, resources, job)
    assert (found.state, found.error, found.attempt) == ("succeeded", None, 1)
    assert found.result == {"names": names}
    assert sorted(await traces(resources, names)) == sorted(names)
    async with reading(resources.sessions) as session:
        unfinished = select(func.count()).where(Job.finished_at.is_(None))
        assert await session.scalar(unfinished) == 0


async def test_processes_killed_at_each_step_and_messages_sent_thrice_change_nothing(
    workers: Workers, resources: Resources, tmp_path: Path
) -> None:
    job, names = await submit_traces(resources, 10, tmp_path, die_at=STEPS)
    async with unit_of_work(resources.sessions) as session:
        everything = range(job.id, job.id + 11)
        bell.ring_after_commit(session.info, *everything, *everything)
    await is_done_once(workers, resources, job, names)
    assert died_at(tmp_path) == set(STEPS)


@pytest.mark.parametrize("kill", [os.kill, os.killpg], ids=["alone", "with its processes"])
async def test_a_worker_that_is_killed_changes_nothing(
    workers: Workers,
    resources: Resources,
    tmp_path: Path,
    kill: Callable[[int, int], None],
) -> None:
    job, names = await submit_traces(resources, 8, tmp_path, seconds=0.1)
    await begun(workers, resources, job, 1)
    pid = workers.worker.pid
    assert pid is not None
    kill(pid, signal.SIGKILL)
    await is_done_once(workers, resources, job, names)


async def test_redis_may_be_lost_with_all_it_holds_while_jobs_run_and_are_asked_for(
    workers: Workers, resources: Resources, tmp_path: Path
) -> None:
    job, names = await submit_traces(resources, 12, tmp_path, seconds=0.1)
    await begun(workers, resources, job, 1)
    workers.kill_valkey()
    unheard, more_names = await submit_traces(resources, 2, tmp_path)
    await asyncio.sleep(0.5)
    workers.restore_valkey()
    assert (await ended(workers, resources, unheard)).state == "succeeded"
    await is_done_once(workers, resources, job, names)
    await is_done_once(workers, resources, unheard, more_names)


async def test_a_worker_that_is_asked_to_end_puts_its_jobs_back_and_cancelling_stops_them(
    workers: Workers, resources: Resources, tmp_path: Path
) -> None:
    job, names = await submit_traces(resources, 2, tmp_path, seconds=60)
    await until_computing(workers, resources, job)
    workers.worker.ask_to_end()
    await until_computing(workers, resources, job, not_by=workers.worker.pid)
    assert await resources.cache.hears_a_worker()
    await cancel(resources, job.id)
    assert (await ended(workers, resources, job)).state == "cancelled"
    assert await traces(resources, names) == []


async def until_computing(
    workers: Workers, resources: Resources, job: Job, not_by: int | None = None
) -> None:
    """Wait until all parts are being done, by another worker than this process."""
    query = select(Job.state, Job.step, Job.attempt).where(Job.parent_id == job.id)
    async with asyncio.timeout(SECONDS):
        while True:
            workers.tend()
            async with reading(resources.sessions) as session:
                found = (await session.execute(query)).all()
            if workers.worker.pid not in {None, not_by} and all(
                (row.state, row.step) == ("running", "computing") for row in found
            ):
                assert {row.attempt for row in found} == {1}  # an orderly end is no failure
                return
            await asyncio.sleep(0.05)
