"""Sweeps from the request to the result, by the real loop of workers."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import func, select, text

from app.bootstrap import Resources
from app.core.clock import utc_now
from app.core.database import reading, unit_of_work
from app.core.errors import Refused
from app.models import Backtest, Job
from app.schemas.sweep import SweepRead, SweepSpec
from app.services import job_reaping, jobs, sweep_members, sweeps
from app.services.job_leases import LEASE
from app.workers import here, running
from app.workers.registry import HANDLERS
from app.workers.running import Workshop
from tests.app_fixtures import for_new_user

GRID = {"num_positions": [3, 4, 5, 6], "max_weight": [0.4, 0.5]}
SMALL: dict[str, Any] = {
    "market": "us",
    "optimizer": "simple",
    "initial_capital": "100000.00",
    "max_weight": 0.5,
    "grid": GRID,
    "walk_forward": {"train": 20, "test": 8},
    "cross_validation": {"groups": 4, "tested": 2},
}
WITHDRAWAL = [{"day": "2025-06-02", "amount": "-50000.00"}]


async def submit(resources: Resources, **changes: Any) -> Job:
    body = SweepSpec.model_validate({**SMALL, **changes})
    async with unit_of_work(resources.sessions) as session:
        market = await resources.market_data.snapshot(session, "us", recheck=True)
        return await sweeps.submit(
            session,
            market,
            resources.settings,
            body,
            owner_id=resources.owner_id,
            now=utc_now(),
        )


async def work(resources: Resources, job: Job, parts: int | None = None) -> None:
    """Do so many parts of a job; all of it if None."""
    workshop = Workshop(resources, HANDLERS)
    done = 0
    while (parts is None or done < parts) and await running.run_next(workshop, job.id):
        done += 1


async def shown(resources: Resources, job: Job) -> SweepRead:
    async with reading(resources.sessions) as session:
        return await sweeps.shown(
            session, resources.owner_id, job.arguments["sweep"], limit=1000, offset=0
        )


async def made(resources: Resources, **changes: Any) -> SweepRead:
    job = await submit(resources, **changes)
    await work(resources, job)
    found = await shown(resources, job)
    assert (found.state, found.error) == ("succeeded", None)
    return found


async def outcome(resources: Resources, found: SweepRead) -> tuple[Mapping[str, Any], list[bytes]]:
    """All that should not depend on how the work was shared out."""
    assert found.result is not None
    assert found.result.best is not None
    result = found.result.model_dump()
    assert result["best"]["evidence"].pop("backtest_id") == (
        found.runs[found.result.best.number].backtest_id
    )
    query = select(Backtest.returns).where(Backtest.sweep_id == found.id)
    async with reading(resources.sessions) as session:
        returns = list(await session.scalars(query.order_by(Backtest.member)))
    return result, returns


def another_process(resources: Resources, job: Job) -> subprocess.Popen[bytes]:
    """That takes part in the job."""
    return subprocess.Popen(
        (sys.executable, "-m", here.PROGRAM, str(job.id)),
        env=resources.settings.handed_on(),
        stdin=subprocess.PIPE,
    )


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that eight members make three chunks."""
    monkeypatch.setattr(sweep_members, "MOST_PER_CHUNK", 3)


@pytest.fixture
def single_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that eight members make eight chunks."""
    monkeypatch.setattr(sweep_members, "MOST_PER_CHUNK", 1)


async def test_a_sweep_says_which_member_is_best_and_what_speaks_for_it(
    resources: Resources,
) -> None:
    found = await made(resources)
    result = found.result
    assert result is not None
    assert result.best is not None
    assert (found.members, found.done, found.progress) == (8, 8, 1.0)
    assert [run.changes for run in found.runs] == [
        {"max_weight": most, "num_positions": count}
        for most in GRID["max_weight"]
        for count in GRID["num_positions"]
    ]
    ratios = [run.headline.sharpe for run in found.runs]
    assert result.best.headline.sharpe == max(ratio for ratio in ratios if ratio is not None)
    assert result.best.changes == found.runs[result.best.number].changes
    assert result.best.evidence.trials == 8
    assert result.surface is not None
    assert result.surface.peak is not None
    assert result.surface.peak.settings == result.best.changes
    assert result.cross_validation is not None
    assert (len(result.cross_validation.folds), len(result.cross_validation.sharpes)) == (6, 3)


async def test_a_setting_of_the_grid_that_changes_nothing_is_named_with_the_reason(
    resources: Resources,
) -> None:
    grid = {"num_positions": [3, 5], "stop_loss_pct": [0.05, 0.2]}
    with_vix = await made(resources, grid=grid, use_vix_adjustment=True)
    fixed = await made(resources, grid=grid, use_vix_adjustment=False)
    assert with_vix.result is not None
    assert fixed.result is not None
    (note,) = with_vix.result.notes
    assert note.startswith("stop_loss_pct made no difference")
    assert "use_vix_adjustment" in note
    assert fixed.result.notes == []


async def test_a_member_that_nobody_could_live_by_fails_alone_and_says_why(
    resources: Resources,
) -> None:
    """The first member has no cash for the withdrawal, the second one has."""
    variants = [{"cash_buffer": 0.02}, {"cash_buffer": 0.6}]
    found = await made(resources, grid=None, variants=variants, cash_flows=WITHDRAWAL)
    assert (found.done, [run.number for run in found.runs]) == (2, [1])
    (failed,) = found.failures
    assert (failed.number, failed.changes) == (0, variants[0])
    assert "are to be withdrawn" in failed.reason
    assert found.result is not None
    assert found.result.best is not None
    assert (found.result.best.number, found.result.best.evidence.trials) == (1, 1)
    assert found.result.walk_forward is not None
    assert {window.number for window in found.result.walk_forward.windows} == {1}


async def test_a_sweep_of_which_no_member_can_be_lived_through_fails_with_the_reason(
    resources: Resources,
) -> None:
    variants = [{"num_positions": 3}, {"num_positions": 4}]
    job = await submit(resources, grid=None, variants=variants, cash_flows=WITHDRAWAL)
    await work(resources, job)
    found = await shown(resources, job)
    assert (found.state, found.runs, len(found.failures)) == ("failed", [], 2)
    assert found.error is not None
    assert "are to be withdrawn" in str(found.error.detail)


async def test_asked_for_again_while_it_is_being_cancelled_it_is_made_all_the_same(
    resources: Resources,
) -> None:
    """A part is being done by a worker that has not heard of it yet."""
    job = await submit(resources)
    async with unit_of_work(resources.sessions) as session:
        part = (await session.scalars(select(Job).where(Job.parent_id == job.id))).one()
        part.lease("somebody", now=utc_now(), length=LEASE)
        await jobs.request_cancel(session, resources.owner_id, job.id, now=utc_now())
    assert (await shown(resources, job)).state != "cancelled"
    again = await submit(resources)
    assert again.id != job.id
    await work(resources, again)
    assert (await shown(resources, again)).state == "succeeded"


async def test_minus_zero_is_zero(resources: Resources) -> None:
    with pytest.raises(Refused, match="same run"):
        await submit(resources, grid={"cost_aversion": [0.0, -0.0]})


async def test_the_path_walked_forward_is_a_book_opened_at_the_first_choice_that_goes_on_from_there(
    resources: Resources,
) -> None:
    """Until the second choice it is what the first one's rules do alone with the same money."""
    alike = {"grid": None, "cross_validation": None}
    variants = [{"num_positions": count} for count in (3, 4, 6)]
    found = await made(resources, **alike, variants=variants, walk_forward={"train": 20, "test": 8})
    assert found.result is not None
    walked = found.result.walk_forward
    assert walked is not None
    assert walked.path is not None
    first, *later = walked.windows
    assert walked.path.start == first.train_end < first.test_start
    for one, following in pairwise(walked.windows):
        assert one.test_end == following.train_end < following.test_start
    assert {one.number for one in later} - {first.number}, "the choice never changes"

    stranger = await for_new_user(resources)
    start = str(walked.path.start)
    alone = await made(stranger, **alike, variants=[first.changes], walk_forward=None, start=start)
    _, (returns,) = await outcome(stranger, alone)
    own, path = np.frombuffer(returns, "<f8"), np.array(walked.path.returns)
    assert len(path) == len(own)
    np.testing.assert_array_equal(path[:8], own[:8])
    assert (path[8:] != own[8:]).any()


@pytest.mark.usefixtures("small_chunks")
async def test_results_are_the_same_for_one_chunk_and_three_each_delivered_thrice(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await for_new_user(resources)
    job = await submit(other)
    assert job.chunks == 3
    workshops = [Workshop(replace(other), HANDLERS) for _ in range(2)]
    ids = range(job.id + 1, job.id + 4)
    for deliveries in (ids, [job.id]):
        ran = await asyncio.gather(
            *(running.run(workshops[n % 2], one) for n in range(3) for one in deliveries)
        )
        assert sum(ran) == len(deliveries)
    in_three = await shown(other, job)
    monkeypatch.setattr(sweep_members, "MOST_PER_CHUNK", 50)
    whole = await submit(resources)
    assert whole.chunks == 1
    await work(resources, whole)
    in_one = await shown(resources, whole)
    assert await outcome(resources, in_one) == await outcome(other, in_three)


@pytest.mark.usefixtures("small_chunks")
async def test_a_sweep_that_is_cancelled_halfway_goes_on_where_it_was_when_asked_for_again(
    resources: Resources,
) -> None:
    job = await submit(resources)
    await work(resources, job, parts=1)
    async with unit_of_work(resources.sessions) as session:
        await jobs.request_cancel(session, resources.owner_id, job.id, now=utc_now())
    await work(resources, job)
    halfway = await shown(resources, job)
    assert (halfway.state, halfway.done, halfway.result) == ("cancelled", 3, None)
    assert halfway.progress == pytest.approx(0.99 / 3), "parts that were cancelled are not done"

    again = await submit(resources)
    assert (again.arguments, again.chunks) == (job.arguments, 2)
    await work(resources, again)
    other = await for_new_user(resources)
    undisturbed = await made(other)
    resumed = await shown(resources, again)
    assert await outcome(resources, resumed) == await outcome(other, undisturbed)
    assert (await submit(resources)).id == again.id


@pytest.mark.usefixtures("single_chunks")
async def test_two_processes_of_which_a_killed_one_is_replaced_make_the_same(
    resources: Resources,
) -> None:
    job = await submit(resources)
    with another_process(resources, job) as helper:
        async with asyncio.timeout(60):
            while (await shown(resources, job)).done == 0:  # noqa: ASYNC110 - another's work
                await asyncio.sleep(0.01)
        helper.kill()
    assert (await shown(resources, job)).result is None
    await job_reaping.reap(resources.sessions, now=utc_now() + 2 * LEASE)
    idle = Workshop(resources, {})
    await here.run_here(idle, job.id, processes=3)
    other = await for_new_user(resources)
    killed, undisturbed = await shown(resources, job), await made(other)
    assert await outcome(resources, killed) == await outcome(other, undisturbed)


async def test_data_that_change_in_between_fail_the_sweep_with_a_sentence(
    resources: Resources,
) -> None:
    job = await submit(resources)
    async with unit_of_work(resources.sessions) as session:
        change = text("UPDATE markets SET data_version = :version WHERE code = 'us'")
        before = await session.scalar(text("SELECT data_version FROM markets WHERE code = 'us'"))
        await session.execute(change, {"version": uuid4()})
    try:
        await work(resources, job)
    finally:
        async with unit_of_work(resources.sessions) as session:
            await session.execute(change, {"version": before})
    found = await shown(resources, job)
    assert (found.state, found.done) == ("failed", 0)
    assert found.error is not None
    assert found.error.type == "urn:etftrader:data-changed"
    await work(resources, await submit(resources))
    assert (await shown(resources, job)).state == "succeeded"


async def test_what_an_owner_tried_before_on_the_same_data_counts_as_trials(
    resources: Resources,
) -> None:
    await made(resources, grid={"num_positions": [3, 4]})
    second = await made(resources, grid={"num_positions": [5, 6, 7]})
    stranger = await made(await for_new_user(resources), grid={"num_positions": [5, 6, 7]})
    counted = [
        found.result.best.evidence.trials
        for found in (second, stranger)
        if found.result is not None and found.result.best is not None
    ]
    assert counted == [5, 3]


async def test_a_member_that_is_in_two_sweeps_is_one_try(resources: Resources) -> None:
    await made(resources, grid={"num_positions": [3, 4]})
    second = await made(resources, grid={"num_positions": [4, 5]})
    assert second.result is not None
    assert second.result.best is not None
    assert second.result.best.evidence.trials == 3


async def test_a_repeated_chunk_keeps_no_member_twice(resources: Resources) -> None:
    found = await made(resources, grid={"num_positions": [3, 4]})
    async with unit_of_work(resources.sessions) as session:
        chunk = select(Job).where(Job.parent_id == found.job_id)
        arguments = (await session.scalars(chunk)).one().arguments
        repeated = await jobs.submit(
            session,
            owner_id=resources.owner_id,
            kind="sweep_chunk",
            arguments=arguments,
            now=utc_now(),
        )
    await work(resources, repeated)
    async with reading(resources.sessions) as session:
        kept = select(func.count()).where(Backtest.sweep_id == found.id)
        assert await session.scalar(kept) == 2
