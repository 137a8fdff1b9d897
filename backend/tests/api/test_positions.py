import asyncio
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from app.bootstrap import Resources
from tests.app_fixtures import Clients, create_portfolio, for_new_user

FEW = {"num_positions": 5, "max_weight": 0.34, "optimizer": "simple"}


@pytest.fixture
async def portfolio(client: httpx2.AsyncClient) -> int:
    return int((await create_portfolio(client, **FEW))["id"])


async def rebalance(
    client: httpx2.AsyncClient, portfolio: int, status: int = 201, **body: Any
) -> dict[str, Any]:
    response = await client.post(f"/api/positions/{portfolio}/rebalance", json=body)
    assert response.status_code == status, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def show(client: httpx2.AsyncClient, portfolio: int, part: str = "") -> dict[str, Any]:
    response = await client.get(f"/api/positions/{portfolio}{part}")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_a_portfolio_is_proposed_to_traded_and_shown(
    client: httpx2.AsyncClient, portfolio: int
) -> None:
    proposal = await rebalance(client, portfolio)
    assert proposal["status"] == "proposed"
    assert len(proposal["orders"]) == 5
    assert proposal["fills"] == []
    assert (await show(client, portfolio))["positions"] == []

    path = f"/api/positions/{portfolio}/rebalance/{proposal['id']}/execute"
    executed = (await client.post(path)).json()

    assert executed["status"] == "executed"
    assert [fill["status"] for fill in executed["fills"]] == ["filled"] * 5
    shown = await show(client, portfolio)
    assert shown["as_of"] == shown["price_date"] == "2025-06-30"
    assert shown["stale"]
    assert shown["cash"] == executed["cash_after"]
    values = [Decimal(line["market_value"]) for line in shown["positions"]]
    assert Decimal(shown["total_value"]) == Decimal(shown["cash"]) + sum(values)
    for line in shown["positions"]:
        assert line["target_weight"] == pytest.approx(0.196)
        assert Decimal(line["stop_price"]) < Decimal(line["price"])
        assert line["distance_to_stop"] > 0.1
    assert (await client.post(path)).status_code == 409


async def test_execute_trades_at_once_and_then_all_is_inside_the_bands(
    client: httpx2.AsyncClient, portfolio: int
) -> None:
    first = await rebalance(client, portfolio, execute=True)
    assert len(first["fills"]) == 5
    second = await rebalance(client, portfolio, execute=True)
    assert second["orders"] == second["fills"] == []
    assert second["reason"].startswith("Every position is inside its bands")
    drift = await show(client, portfolio, "/drift")
    assert not drift["needs_rebalancing"]
    assert drift["max_drift"] < 0.01
    assert len(drift["positions"]) == 5


async def test_a_repeat_with_the_same_key_is_the_same_rebalance(
    client: httpx2.AsyncClient, portfolio: int
) -> None:
    async def once() -> httpx2.Response:
        return await client.post(
            f"/api/positions/{portfolio}/rebalance",
            json={"execute": True},
            headers={"Idempotency-Key": f"rebalance {portfolio}"},
        )

    answers = list(await asyncio.gather(*(once() for _ in range(4))))
    answers.append(await once())
    assert {answer.status_code for answer in answers} <= {201, 409}
    bodies = {answer.text for answer in answers if answer.status_code == 201}
    assert len(bodies) == 1
    trades = (await client.get(f"/api/trades/{portfolio}")).json()
    assert len(trades) == 5


async def test_the_answer_follows_every_change(client: httpx2.AsyncClient, portfolio: int) -> None:
    before = await show(client, portfolio)
    await rebalance(client, portfolio, execute=True)
    traded = await show(client, portfolio)
    response = await client.patch(
        f"/api/portfolios/{portfolio}", json={"use_vix_adjustment": False}
    )
    assert response.status_code == 200, response.text
    await client.patch(f"/api/portfolios/{portfolio}", json={"stop_loss_pct": 0.05})
    changed = await show(client, portfolio)
    await client.post(f"/api/portfolios/{portfolio}/cash", json={"amount": "1000"})
    richer = await show(client, portfolio)

    assert before["positions"] == []
    assert len(traded["positions"]) == 5
    assert changed["stop_threshold"] == 0.05
    assert Decimal(richer["cash"]) == Decimal(changed["cash"]) + 1000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"budget": "0"}, 422),
        ({"budget": "-5"}, 422),
        ({"budget": "1e3"}, 422),
        ({"budget": "100000.01"}, 422),
        ({"budget": True}, 422),
        ({"force": "yes"}, 422),
        ({"unknown": 1}, 422),
    ],
)
async def test_a_bad_request_changes_nothing(
    client: httpx2.AsyncClient, portfolio: int, body: dict[str, Any], status: int
) -> None:
    answer = await rebalance(client, portfolio, status, execute=True, **body)
    assert answer["detail"]
    assert (await client.get(f"/api/trades/{portfolio}")).json() == []


async def test_limits_that_no_portfolio_meets_are_named(client: httpx2.AsyncClient) -> None:
    caps = {"Equity": 0.1, "Commodity": 0.1, "Fixed Income": 0.1}
    portfolio = int((await create_portfolio(client, **FEW, asset_class_caps=caps))["id"])
    answer = await rebalance(client, portfolio, 422)
    assert "Equity" in answer["detail"]
    response = await client.get(f"/api/positions/{portfolio}/drift")
    assert response.status_code == 422


async def test_another_user_s_portfolio_is_absent(
    client: httpx2.AsyncClient, clients: Clients, resources: Resources, portfolio: int
) -> None:
    proposal = await rebalance(client, portfolio)
    foreign = await for_new_user(resources)
    async with clients(foreign) as stranger:
        base = f"/api/positions/{portfolio}"
        answers = [
            await stranger.get(base),
            await stranger.get(f"{base}/drift"),
            await stranger.post(f"{base}/rebalance", json={}),
            await stranger.post(f"{base}/rebalance/{proposal['id']}/execute"),
        ]
        missing = await stranger.get("/api/positions/999999")
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, missing.text)}


async def test_a_proposal_of_another_portfolio_is_absent(
    client: httpx2.AsyncClient, portfolio: int
) -> None:
    other = int((await create_portfolio(client, **FEW))["id"])
    proposal = await rebalance(client, other)
    response = await client.post(f"/api/positions/{portfolio}/rebalance/{proposal['id']}/execute")
    assert response.status_code == 404


async def test_a_closed_portfolio_is_read_and_not_traded(
    client: httpx2.AsyncClient, portfolio: int
) -> None:
    proposal = await rebalance(client, portfolio)
    assert (await client.delete(f"/api/portfolios/{portfolio}")).status_code == 200
    await rebalance(client, portfolio, 409)
    path = f"/api/positions/{portfolio}/rebalance/{proposal['id']}/execute"
    assert (await client.post(path)).status_code == 409
    assert (await show(client, portfolio))["positions"] == []


async def test_a_rebalance_needs_no_body(client: httpx2.AsyncClient, portfolio: int) -> None:
    response = await client.post(f"/api/positions/{portfolio}/rebalance")
    assert response.status_code == 201, response.text
