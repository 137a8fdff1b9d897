"""Jobs in the table: asked for, claimed, kept, ended; time is given."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.bootstrap import Resources
from app.core.database import Sessions, open_sessions, reading, unit_of_work
from app.core.errors import KeyReused, NotFound
from app.models import Job
from app.services import job_endings, job_leases, job_reaping, jobs
from app.services.job_leases import LEASE, Lease, LostLease, Note
from app.services.job_reaping import MOST_ATTEMPTS, PATIENCE
from app.services.jobs import AlreadyEnded, Chunks, LaneTaken, PartOfAnother
from tests.app_fixtures import for_new_user

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
LATER = NOW + LEASE + timedelta(seconds=1)
KIND = "test"
PROBLEM = {"type": "urn:x", "title": "t", "status": 422, "detail": "d", "errors": []}


async def submit(resources: Resources, **options: Any) -> Job:
    asked = {"kind": KIND, "arguments": {"n": 1}, "now": NOW, **options}
    async with unit_of_work(resources.sessions) as session:
        return await jobs.submit(session, owner_id=resources.owner_id, **asked)


async def submit_chunked(resources: Resources, parts: int) -> tuple[Job, Sequence[Job]]:
    chunks = Chunks(KIND, [{"part": part} for part in range(parts)])
    whole = await submit(resources, kind="whole", chunks=chunks)
    async with reading(resources.sessions) as session:
        query = select(Job).where(Job.parent_id == whole.id).order_by(Job.id)
        return whole, (await session.scalars(query)).all()


async def claim(resources: Resources, job: Job, now: datetime = NOW) -> Lease | None:
    async with unit_of_work(resources.sessions) as session:
        return await job_leases.claim(session, job.id, worker="w", kinds={KIND, "whole"}, now=now)


async def claimed(resources: Resources, job: Job, now: datetime = NOW) -> Lease:
    lease = await claim(resources, job, now)
    assert lease is not None
    return lease


async def succeed(resources: Resources, lease: Lease) -> None:
    async with job_leases.writing(resources.sessions, lease) as (session, job):
        await job_endings.succeed(session, job, {"done": True}, now=NOW)


async def fail(resources: Resources, lease: Lease) -> None:
    async with job_leases.writing(resources.sessions, lease) as (session, job):
        await job_endings.fail(session, job, PROBLEM, now=NOW)


async def cancel(resources: Resources, job: Job) -> Job:
    async with unit_of_work(resources.sessions) as session:
        return await jobs.request_cancel(session, resources.owner_id, job.id, now=NOW)


async def read(resources: Resources, job: Job) -> Job:
    async with reading(resources.sessions) as session:
        return await jobs.found(session, resources.owner_id, job.id)


async def states(resources: Resources, *wanted: Job) -> list[str]:
    return [(await read(resources, job)).state for job in wanted]


async def test_the_bell_leaves_after_the_commit_and_not_without_it(resources: Resources) -> None:
    heard = list[int]()

    async def ring(job_ids: Sequence[int]) -> None:
        async with reading(resources.sessions) as session:
            query = select(func.count()).where(Job.id.in_(job_ids))
            assert await session.scalar(query) == len(job_ids)
        heard.extend(job_ids)

    sessions = open_sessions(resources.sessions.kw["bind"], ring)
    with pytest.raises(ZeroDivisionError):
        await _submit_and_fail(sessions, resources.owner_id)
    assert heard == []
    async with unit_of_work(sessions) as session:
        chunks = Chunks(KIND, [{}, {}])
        whole = await jobs.submit(
            session,
            owner_id=resources.owner_id,
            kind="whole",
            arguments={},
            chunks=chunks,
            now=NOW,
        )
    assert len(heard) == 2
    assert whole.id not in heard


async def _submit_and_fail(sessions: Sessions, owner_id: int) -> None:
    async with unit_of_work(sessions) as session:
        await jobs.submit(session, owner_id=owner_id, kind=KIND, arguments={}, now=NOW)
        raise ZeroDivisionError


async def test_the_same_key_is_the_same_job_for_ever(resources: Resources) -> None:
    key = uuid4().hex
    first = await submit(resources, idempotency_key=key)
    await succeed(resources, await claimed(resources, first))

    assert (await submit(resources, idempotency_key=key)).id == first.id
    with pytest.raises(KeyReused):
        await submit(resources, idempotency_key=key, arguments={"n": 2})
    assert (await submit(resources)).id != first.id


async def test_asked_for_at_once_a_key_is_one_job(resources: Resources) -> None:
    key = uuid4().hex
    asked = await asyncio.gather(*(submit(resources, idempotency_key=key) for _ in range(8)))
    assert len({job.id for job in asked}) == 1


async def test_one_job_of_a_lane_is_active_at_a_time(resources: Resources) -> None:
    lane = uuid4().hex
    first = await submit(resources, lane=lane)
    assert (await submit(resources, lane=lane)).id == first.id
    other = await for_new_user(resources)
    with pytest.raises(LaneTaken):
        await submit(other, lane=lane)
    await cancel(resources, first)
    assert (await submit(other, lane=lane)).id != first.id


async def test_two_workers_that_claim_200_jobs_get_each_once(resources: Resources) -> None:
    _, asked = await submit_chunked(resources, 200)
    beyond = NOW + timedelta(days=36_500)  # no reaper of another test looks at them

    async def work() -> list[int]:
        return [job.id for job in asked if await claim(resources, job, beyond)]

    mine, yours = await asyncio.gather(work(), work())
    assert sorted(mine + yours) == [job.id for job in asked]


async def test_a_job_of_another_kind_is_left_to_others(resources: Resources) -> None:
    job = await submit(resources, kind="newer")
    assert await claim(resources, job) is None
    assert (await read(resources, job)).state == "queued"


async def test_a_renewed_lease_outlives_the_reaper(resources: Resources) -> None:
    job = await submit(resources)
    lease = await claimed(resources, job)
    async with unit_of_work(resources.sessions) as session:
        wanted = await job_leases.renew(session, lease, Note(0.5, "half"), now=LATER)
    assert not wanted
    await job_reaping.reap(resources.sessions, now=LATER + LEASE)
    found = await read(resources, job)
    assert (found.state, found.progress, found.step) == ("running", 0.5, "half")


async def test_who_lost_the_lease_writes_nothing(resources: Resources) -> None:
    job = await submit(resources)
    slow = await claimed(resources, job)
    await job_reaping.reap(resources.sessions, now=LATER)
    assert await states(resources, job) == ["queued"]
    quick = await claimed(resources, job, LATER)

    with pytest.raises(LostLease):
        await succeed(resources, slow)
    with pytest.raises(LostLease):
        async with unit_of_work(resources.sessions) as session:
            await job_leases.renew(session, slow, Note(1.0), now=LATER)
    with pytest.raises(LostLease):
        await job_leases.put_back(resources.sessions, slow)

    await succeed(resources, quick)
    assert (await read(resources, job)).attempt == 2


async def test_a_job_that_loses_every_worker_fails_with_advice(resources: Resources) -> None:
    job = await submit(resources)
    for attempt in range(MOST_ATTEMPTS):
        at = NOW + 2 * LEASE * attempt
        await claimed(resources, job, at)
        await job_reaping.reap(resources.sessions, now=at + LEASE + timedelta(seconds=1))
    found = await read(resources, job)
    assert (found.state, found.attempt) == ("failed", MOST_ATTEMPTS)
    assert found.error is not None
    assert "ask for it again" in found.error["detail"]


async def test_an_orderly_interruption_is_no_attempt(resources: Resources) -> None:
    job = await submit(resources)
    await job_leases.put_back(resources.sessions, await claimed(resources, job))
    found = await read(resources, job)
    assert (found.state, found.attempt, found.leased_by) == ("queued", 0, None)


async def test_a_job_that_waits_too_long_is_rung_for_again_and_not_at_once(
    resources: Resources,
) -> None:
    heard = list[int]()

    async def ring(job_ids: Sequence[int]) -> None:
        heard.extend(job_ids)

    job = await submit(resources)
    sessions = open_sessions(resources.sessions.kw["bind"], ring)
    for seconds, times in ((0, 0), (1, 1), (2, 1), (62, 2)):
        await job_reaping.reap(sessions, now=NOW + PATIENCE + timedelta(seconds=seconds))
        assert heard.count(job.id) == times


async def test_cancelling_ends_what_waits_and_asks_what_runs(resources: Resources) -> None:
    waiting, running, done = [await submit(resources) for _ in range(3)]
    lease = await claimed(resources, running)
    await succeed(resources, await claimed(resources, done))

    assert (await cancel(resources, waiting)).state == "cancelled"
    assert await claim(resources, waiting) is None
    for _ in range(2):
        assert (await cancel(resources, running)).state == "running"
    async with unit_of_work(resources.sessions) as session:
        assert await job_leases.renew(session, lease, Note(0.1), now=NOW)
    with pytest.raises(AlreadyEnded, match="succeeded"):
        await cancel(resources, done)
    with pytest.raises(NotFound):
        await cancel(await for_new_user(resources), running)

    await job_reaping.reap(resources.sessions, now=LATER)
    assert await states(resources, running) == ["cancelled"]


async def test_a_whole_waits_for_its_chunks_and_has_its_turn_once(resources: Resources) -> None:
    whole, chunks = await submit_chunked(resources, 3)
    assert await claim(resources, whole) is None
    leases = [await claimed(resources, chunk) for chunk in chunks]
    assert (await read(resources, whole)).state == "running"

    await succeed(resources, leases[0])
    found = await read(resources, whole)
    assert (found.progress, found.message) == (pytest.approx(0.33), "1 of 3 parts are done")
    await asyncio.gather(*(succeed(resources, lease) for lease in leases[1:]))

    turns = await asyncio.gather(*(claim(resources, whole) for _ in range(4)))
    (lease,) = (turn for turn in turns if turn is not None)
    await succeed(resources, lease)
    assert await states(resources, whole, *chunks) == ["succeeded"] * 4


async def test_a_chunk_that_fails_ends_the_whole_with_its_error(resources: Resources) -> None:
    whole, chunks = await submit_chunked(resources, 4)
    first, second = [await claimed(resources, chunk) for chunk in chunks[:2]]
    await fail(resources, first)
    assert await states(resources, whole, *chunks) == [
        "running",
        "failed",
        "running",
        "cancelled",
        "cancelled",
    ]
    await succeed(resources, second)
    found = await read(resources, whole)
    assert (found.state, found.error) == ("failed", PROBLEM)


async def test_chunks_that_fail_at_once_do_not_block_each_other(resources: Resources) -> None:
    whole, chunks = await submit_chunked(resources, 6)
    leases = [await claimed(resources, chunk) for chunk in chunks[:4]]
    await asyncio.gather(
        *(fail(resources, lease) for lease in leases),
        cancel(resources, whole),
        *(claim(resources, chunk) for chunk in chunks[4:]),
    )
    await job_reaping.reap(resources.sessions, now=LATER)
    assert await states(resources, whole) == ["failed"]


async def test_a_whole_is_cancelled_with_its_chunks_and_no_chunk_alone(
    resources: Resources,
) -> None:
    whole, chunks = await submit_chunked(resources, 3)
    with pytest.raises(PartOfAnother, match=str(whole.id)):
        await cancel(resources, chunks[0])
    lease = await claimed(resources, chunks[0])
    await cancel(resources, whole)
    assert await states(resources, whole, *chunks) == ["running", "running"] + ["cancelled"] * 2
    async with job_leases.writing(resources.sessions, lease) as (session, job):
        await job_endings.cancelled(session, job, now=NOW)
    assert await states(resources, whole) == ["cancelled"]

    untouched, parts = await submit_chunked(resources, 2)
    await cancel(resources, untouched)
    assert await states(resources, untouched, *parts) == ["cancelled"] * 3


IMPOSSIBLE = {
    "running without a lease": {"state": "running", "started_at": NOW},
    "success without a result": {"state": "succeeded", "started_at": NOW, "finished_at": NOW},
    "failure without an error": {"state": "failed", "finished_at": NOW},
    "an end without its time": {"state": "cancelled", "cancel_requested": True},
    "cancelled by nobody": {"state": "cancelled", "finished_at": NOW},
    "more than done": {"progress": 1.5},
    "no number": {"progress": float("nan")},
    "an unknown state": {"state": "lost"},
    "chunks that were never there": {"chunks_left": 1},
}


@pytest.mark.parametrize("columns", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_the_table_refuses_impossible_states(
    resources: Resources, columns: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError, match="ck_jobs"):
        async with unit_of_work(resources.sessions) as session:
            session.add(
                Job(owner_id=resources.owner_id, kind=KIND, arguments={}, created_at=NOW, **columns)
            )
