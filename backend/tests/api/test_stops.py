"""The stops of a portfolio over HTTP."""

from uuid import uuid4

import httpx2
import pytest

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.market_data.snapshot import MarketSnapshot
from app.schemas.settings import StopAction
from tests.services import lives, stopped


@pytest.fixture
async def fallen_id(resources: Resources, market: MarketSnapshot) -> int:
    return await fallen(resources, market)


async def fallen(
    resources: Resources, market: MarketSnapshot, action: StopAction = StopAction.SELL
) -> int:
    """A portfolio with 100 shares of AAA bought at 500, and 100 of BBB at their close."""
    async with unit_of_work(resources.sessions) as session:
        portfolio = await stopped.holding(
            session,
            market,
            resources.owner_id,
            settings=stopped.rules(stop_action=action),
            AAA="500",
            BBB=str(lives.close(market, "BBB", market.latest_session)),
        )
        return portfolio.id


async def test_the_preview_names_every_position_and_changes_nothing(
    client: httpx2.AsyncClient, fallen_id: int
) -> None:
    path = f"/api/risk/{fallen_id}/stops"
    answer = (await client.get(path)).json()

    aaa, bbb = answer["positions"]
    assert (aaa["ticker"], aaa["reference_price"], aaa["stop_price"]) == (
        "AAA",
        "500.000000",
        "440.000000",
    )
    assert (aaa["breached"], aaa["would_fire"], aaa["block"]) == (True, True, None)
    assert (bbb["ticker"], bbb["would_fire"], bbb["drawdown"]) == ("BBB", False, 0.0)
    assert answer["as_of"] == "2025-06-30"
    assert answer["action"] == "sell"
    assert answer["paused"].endswith("no stop acts by itself until they have caught up.")
    assert answer["drawdown_rule"]["exposure"] == 1.0
    assert (await client.get(path)).json() == answer
    assert (await client.get(f"/api/orders/{fallen_id}?state=open")).json() == []


async def test_a_check_sells_once_and_says_what_it_did(
    client: httpx2.AsyncClient, fallen_id: int
) -> None:
    path = f"/api/risk/{fallen_id}/stops"
    first = await client.post(path)
    again = await client.post(path)

    assert first.status_code == again.status_code == 200
    (order,) = first.json()["orders"]
    assert (order["ticker"], order["state"], order["filled_quantity"]) == (
        "AAA",
        "filled",
        "100.000000",
    )
    assert [row["ticker"] for row in first.json()["cooling_down"]] == ["AAA"]
    assert again.json()["orders"] == []
    assert [row["ticker"] for row in again.json()["positions"]] == ["BBB"]
    (listed,) = (
        await client.get(f"/api/orders/{fallen_id}?state=filled&ticker=AAA&limit=1")
    ).json()
    assert (listed["id"], listed["origin"]) == (order["order_id"], "stop")


async def test_a_check_with_a_key_is_answered_from_memory_when_repeated(
    client: httpx2.AsyncClient, fallen_id: int
) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    path = f"/api/risk/{fallen_id}/stops"
    first = await client.post(path, headers=key)
    again = await client.post(path, headers=key)
    assert first.content == again.content
    assert len(first.json()["orders"]) == 1


async def test_a_portfolio_that_only_alerts_is_told_once(
    client: httpx2.AsyncClient, resources: Resources, market: MarketSnapshot
) -> None:
    quiet = await fallen(resources, market, StopAction.ALERT)
    first = (await client.post(f"/api/risk/{quiet}/stops")).json()
    again = (await client.post(f"/api/risk/{quiet}/stops")).json()

    assert first["orders"] == again["orders"] == again["alerts"] == []
    assert len(first["alerts"]) == 1
    aaa, _ = again["positions"]
    assert (aaa["block"], aaa["breached"]) == ("alerted", True)
    (alert,) = (await client.get("/api/alerts", params={"portfolio_id": quiet})).json()
    assert (alert["kind"], alert["ticker"], alert["message"]) == ("stop", "AAA", *first["alerts"])


async def test_alerts_are_newest_first_and_of_this_user_only(
    client: httpx2.AsyncClient, resources: Resources, market: MarketSnapshot
) -> None:
    mine = [await fallen(resources, market, StopAction.ALERT) for _ in range(3)]
    for portfolio_id in mine:
        await client.post(f"/api/risk/{portfolio_id}/stops")

    found = (await client.get("/api/alerts")).json()
    assert [alert["portfolio_id"] for alert in found] == mine[::-1]
    page = (await client.get("/api/alerts", params={"limit": 1, "offset": 1})).json()
    assert page == found[1:2]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"portfolio_id": 2**31 - 1}, 404),
        ({"portfolio_id": 0}, 422),
        ({"limit": 0}, 422),
        ({"limit": 1001}, 422),
        ({"offset": -1}, 422),
        ({"kind": "stop"}, 422),
    ],
)
async def test_the_list_of_alerts_has_bounds(
    client: httpx2.AsyncClient, query: dict[str, str | int], status: int
) -> None:
    assert (await client.get("/api/alerts", params=query)).status_code == status


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_stops_of_somebody_elses_portfolio_are_absent(
    client: httpx2.AsyncClient, method: str
) -> None:
    answer = await client.request(method, f"/api/risk/{2**31 - 1}/stops")
    assert answer.status_code == 404


async def test_stops_of_a_closed_portfolio_are_shown_and_not_acted_on(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    assert (await client.delete(f"/api/portfolios/{portfolio_id}")).status_code < 300
    assert (await client.get(f"/api/risk/{portfolio_id}/stops")).json()["positions"] == []
    assert (await client.post(f"/api/risk/{portfolio_id}/stops")).status_code == 409


async def test_a_drawdown_rule_that_contradicts_itself_is_refused(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    change = {"drawdown_limit": 0.1, "drawdown_recovery": 0.1}
    answer = await client.patch(f"/api/portfolios/{portfolio_id}", json=change)
    assert answer.status_code == 422
    assert "drawdown_recovery" in answer.json()["detail"]
