"""Sweeps by Celery workers as an installation runs them, disturbed in the middle: the results are
those of a sweep that nothing disturbed, to the bit."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select

from app.bootstrap import Resources, open_resources
from app.core import bell
from app.core.database import reading, unit_of_work
from app.models import Backtest, Job
from app.services import sweep_members
from tests.app_fixtures import for_new_user
from tests.servers import Run, ServerUrls
from tests.small_market import write_small_market
from tests.workers.served import Workers, begun, ended, serve
from tests.workers.test_sweeps import made, outcome, shown, submit

MODULE = "tests.workers.small_worker"
MEMBERS = 8


@dataclass(frozen=True)
class Sweeping:
    """A sweep that workers are in the middle of."""

    workers: Workers
    resources: Resources
    job: Job


Disturb = Callable[[Sweeping], Awaitable[None]]


@pytest.fixture(scope="module")
def workers(
    run: Run, server_urls: ServerUrls, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workers]:
    with (
        run.new_database(server_urls, f"{worker_id}_sweeps") as database,
        serve(database, tmp_path_factory.mktemp("sweeps"), MODULE) as served,
    ):
        yield served


@pytest.fixture(scope="module")
async def installation(workers: Workers) -> AsyncIterator[Resources]:
    async with open_resources(workers.settings) as opened:
        async with unit_of_work(opened.sessions) as session:
            await write_small_market(session)
        yield opened


@pytest.fixture(scope="module")
async def undisturbed(installation: Resources) -> tuple[Mapping[str, Any], list[bytes]]:
    """What comes of the sweep in this process, without any worker."""
    resources = await for_new_user(installation)
    return await outcome(resources, await made(resources))


async def lose_redis(sweeping: Sweeping) -> None:
    sweeping.workers.kill_valkey()
    await asyncio.sleep(1.0)
    sweeping.workers.restore_valkey()


async def deliver_thrice(sweeping: Sweeping) -> None:
    async with unit_of_work(sweeping.resources.sessions) as session:
        everything = range(sweeping.job.id, sweeping.job.id + MEMBERS + 1)
        bell.ring_after_commit(session.info, *everything, *everything)


async def kill_the_worker(sweeping: Sweeping) -> None:
    pid = sweeping.workers.worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def kill_its_processes_too(sweeping: Sweeping) -> None:
    pid = sweeping.workers.worker.pid
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)


async def everything_at_once(sweeping: Sweeping) -> None:
    await deliver_thrice(sweeping)
    await kill_its_processes_too(sweeping)
    await lose_redis(sweeping)


@pytest.mark.parametrize(
    "disturb",
    [lose_redis, deliver_thrice, kill_the_worker, kill_its_processes_too, everything_at_once],
)
async def test_a_sweep_that_is_disturbed_ends_as_if_it_had_not_been(
    workers: Workers,
    installation: Resources,
    undisturbed: tuple[Mapping[str, Any], list[bytes]],
    disturb: Disturb,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep_members, "MOST_PER_CHUNK", 1)
    resources = await for_new_user(installation)
    job = await submit(resources)
    assert job.chunks == MEMBERS
    await begun(workers, resources, job, 1)
    assert not (await shown(resources, job)).result
    await disturb(Sweeping(workers, resources, job))
    assert (await ended(workers, resources, job)).state == "succeeded"
    assert await outcome(resources, await shown(resources, job)) == undisturbed
    await is_left_tidy(resources, job)


async def is_left_tidy(resources: Resources, job: Job) -> None:
    """Every member is kept once, and no job is unfinished."""
    unfinished = select(func.count()).where(Job.finished_at.is_(None))
    kept = select(func.count()).where(Backtest.sweep_id == job.arguments["sweep"])
    async with reading(resources.sessions) as session:
        assert await session.scalar(unfinished) == 0
        assert await session.scalar(kept) == MEMBERS
