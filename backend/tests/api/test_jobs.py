"""Jobs over HTTP."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import select

from app.bootstrap import Resources
from app.core.clock import utc_now
from app.core.database import unit_of_work
from app.models import ENDED, Job, JobKind
from app.services import jobs
from app.services.jobs import Chunks
from app.workers import running
from app.workers.registry import HANDLERS
from app.workers.running import Workshop
from tests.app_fixtures import Clients, for_new_user

pytestmark = pytest.mark.usefixtures("small_market")


async def submit(resources: Resources, **options: Any) -> Job:
    asked = {"kind": "test", "arguments": {"n": 1}, "now": utc_now(), **options}
    async with unit_of_work(resources.sessions) as session:
        return await jobs.submit(session, owner_id=resources.owner_id, **asked)


async def test_jobs_are_listed_newest_first_and_filtered(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    first = await submit(resources)
    whole = await submit(resources, kind="whole", chunks=Chunks("part", [{"n": 1}, {"n": 2}]))
    await client.delete(f"/api/jobs/{first.id}")

    async def ids(**query: Any) -> list[int]:
        response = await client.get("/api/jobs", params=query)
        assert response.status_code == 200, response.text
        return [job["id"] for job in response.json()]

    assert await ids() == [whole.id, first.id]
    assert await ids(state="cancelled") == [first.id]
    assert await ids(kind="whole") == [whole.id]
    assert await ids(limit=1, offset=1) == [first.id]
    assert await ids(parent_id=whole.id) == [whole.id + 2, whole.id + 1]
    for query in ({"state": "lost"}, {"kind": "No!"}, {"limit": 0}, {"unknown": 1}):
        assert (await client.get("/api/jobs", params=query)).status_code == 422


async def test_a_job_of_somebody_else_is_absent(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    foreign = await submit(await for_new_user(resources))
    never = 2**31 - 1
    for method in ("GET", "DELETE"):
        answers = [await client.request(method, f"/api/jobs/{id_}") for id_ in (foreign.id, never)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content


async def test_cancelling_is_answered_once_per_key_and_409_after_the_end(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    job = await submit(resources)
    path, key = f"/api/jobs/{job.id}", {"Idempotency-Key": uuid4().hex}
    first = await client.delete(path, headers=key)
    again = await client.delete(path, headers=key)
    without = await client.delete(path)

    assert (first.status_code, first.json()["state"]) == (200, "cancelled")
    assert (again.status_code, again.content) == (200, first.content)
    assert (without.status_code, without.json()["type"]) == (409, "urn:etftrader:already-ended")


async def free_the_market(resources: Resources) -> None:
    """An update that another test's user left waiting would be in the way."""
    async with unit_of_work(resources.sessions) as session:
        waiting = select(Job).where(Job.kind == JobKind.DATA_UPDATE, Job.state.not_in(ENDED))
        for job in (await session.scalars(waiting)).all():
            await jobs.request_cancel(session, job.owner_id, job.id, now=utc_now())


async def test_an_update_is_a_job_and_a_second_request_gets_the_running_one(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    await free_the_market(resources)
    first = await client.post("/api/data/update", json={"market": "us"})
    second = await client.post("/api/data/update")
    assert (first.status_code, second.status_code) == (202, 202)
    job_id = first.json()["id"]
    assert second.json()["id"] == job_id
    assert (first.json()["kind"], first.json()["state"]) == ("data_update", "queued")

    workshop = Workshop(resources, HANDLERS)
    delivered_thrice = [await running.run(workshop, job_id) for _ in range(3)]
    assert delivered_thrice == [True, False, False]

    done = (await client.get(f"/api/jobs/{job_id}")).json()
    assert (done["state"], done["error"]) == ("succeeded", None)
    assert (done["result"]["market"], done["result"]["as_of"]) == ("us", "2025-06-30")
    third = await client.post("/api/data/update", json={"market": "us"})
    assert third.json()["id"] != job_id
    await client.delete(f"/api/jobs/{third.json()['id']}")


async def test_an_update_of_what_is_not_there_is_refused(
    client: httpx2.AsyncClient, clients: Clients
) -> None:
    assert (await client.post("/api/data/update", json={"market": "nowhere"})).status_code == 404
    assert (await client.post("/api/data/update", json={"market": "US!"})).status_code == 422


async def test_readiness_does_not_need_a_worker_and_says_whether_there_is_one(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.get("/ready")
    assert response.status_code == 200
    assert response.json()["jobs"] in {"served", "waiting"}
