"""Sweeps over HTTP."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from app.bootstrap import Resources
from app.workers import running
from app.workers.registry import HANDLERS
from app.workers.running import Workshop
from tests.app_fixtures import Clients, for_new_user

PATH = "/api/backtests/sweeps"
BODY: dict[str, Any] = {
    "market": "us",
    "optimizer": "simple",
    "max_weight": 0.5,
    "label": "A few",
    "grid": {"num_positions": [3, 4], "stop_loss_pct": [0.1, 0.12]},
}


async def finish(resources: Resources, job_id: int) -> None:
    while await running.run_next(Workshop(resources, HANDLERS), job_id):
        pass


async def test_a_sweep_is_a_job_and_then_its_result_and_its_members_by_pages(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    asked = await client.post(PATH, json=BODY, headers=key)
    again = await client.post(PATH, json=BODY, headers=key)
    assert (asked.status_code, again.content) == (202, asked.content)
    job = asked.json()
    path = f"{PATH}/{job['arguments']['sweep']}"
    waiting = (await client.get(path)).json()
    assert (waiting["state"], waiting["result"], waiting["runs"]) == ("queued", None, [])

    await finish(resources, job["id"])
    page = (await client.get(path, params={"limit": 2, "offset": 1})).json()
    assert (page["state"], page["members"], page["done"]) == ("succeeded", 4, 4)
    assert [run["number"] for run in page["runs"]] == [1, 2]
    assert page["runs"][0]["changes"] == {"num_positions": 3, "stop_loss_pct": 0.12}
    assert page["result"]["best"]["evidence"]["trials"] == 4
    run = await client.get(f"/api/backtests/{page['runs'][0]['backtest_id']}")
    assert run.json()["sweep_id"] == page["id"]
    (listed,) = (await client.get(PATH)).json()
    assert (listed["id"], listed["label"], listed["done"]) == (page["id"], "A few", 4)
    repeated = await client.post(PATH, json={**BODY, "label": "Called otherwise"})
    assert repeated.json()["id"] == job["id"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"grid": None}, "either a grid or variants"),
        ({"variants": [{"num_positions": 5}]}, "either a grid or variants"),
        ({"grid": {"benchmark": ["AAA", "BBB"]}}, "no setting that can be swept"),
        ({"grid": {"num_positions.x": [1]}}, "no setting that can be swept"),
        ({"grid": {"num_positions": [3, "many"]}}, "Member 1: num_positions"),
        ({"grid": {"max_weight": [0.5, 0.01]}, "num_positions": 4}, "Member 1: "),
        ({"grid": {"stop_loss_pct": [0.1, 0.1]}}, "Members 0 and 1 are the same run"),
        (
            {"grid": {"num_positions": list(range(101)), "lookback": list(range(100))}},
            "at most 10,000",
        ),
        ({"walk_forward": {"train": 500, "test": 20}}, "more than 500 are needed"),
        ({"cross_validation": {"groups": 4, "tested": 4}}, "at least one group"),
    ],
)
async def test_what_cannot_be_swept_is_refused_with_the_reason(
    client: httpx2.AsyncClient, changes: dict[str, Any], said: str
) -> None:
    refused = await client.post(PATH, json={**BODY, "num_positions": 4, **changes})
    assert refused.status_code == 422
    assert said in refused.text


async def test_a_sweep_of_somebody_else_is_absent(
    client: httpx2.AsyncClient, clients: Clients, resources: Resources
) -> None:
    async with clients(await for_new_user(resources)) as stranger:
        job = (await stranger.post(PATH, json=BODY)).json()
    own = job["arguments"]["sweep"]
    foreign = await client.get(f"{PATH}/{own}")
    never = await client.get(f"{PATH}/{2**31 - 1}")
    assert (foreign.status_code, foreign.content) == (404, never.content)
    assert (await client.get(PATH)).json() == []


async def test_sweeps_are_no_backtest_that_could_be_withdrawn(client: httpx2.AsyncClient) -> None:
    refused = await client.request("DELETE", PATH, json={"reason": "A word for an id"})
    assert refused.status_code == 405


async def test_a_setting_within_a_group_leaves_the_others_of_the_group_as_they_are(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    body = {
        **BODY,
        "factor_weights": {"momentum": 1, "quality": 2, "volatility": 0, "value": 0},
        "grid": None,
        "variants": [{"factor_weights.momentum": 3.5}, {"schedule": "monthly", "commission": 2.5}],
    }
    job = (await client.post(PATH, json=body)).json()
    await finish(resources, job["id"])
    found = (await client.get(f"{PATH}/{job['arguments']['sweep']}")).json()
    runs = [
        (await client.get(f"/api/backtests/{run['backtest_id']}")).json()["spec"]
        for run in found["runs"]
    ]
    weights = [{k: v for k, v in run["factor_weights"].items() if v} for run in runs]
    assert weights == [{"momentum": 3.5, "quality": 2.0}, {"momentum": 1.0, "quality": 2.0}]
    assert [run["schedule"] for run in runs] == ["weekly", "monthly"]
    assert [Decimal(run["commission"]) for run in runs] == [Decimal("1.0"), Decimal("2.5")]
    assert found["result"]["surface"] is None
