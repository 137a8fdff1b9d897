"""Orders over HTTP: listed, followed, cancelled, and nobody else's."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from app.bootstrap import Resources
from tests.app_fixtures import Clients, create_portfolio, for_new_user


async def trade(client: httpx2.AsyncClient, portfolio_id: int, **order: Any) -> dict[str, Any]:
    body = {"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy", "quantity": "10"}
    response = await client.post("/api/trades", json={**body, **order})
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def resting(client: httpx2.AsyncClient, portfolio_id: int, **order: Any) -> str:
    """An order far below the market, which no bar reaches."""
    limit = {"order_type": "limit", "limit_price": "1.00", "time_in_force": "gtc"}
    return str((await trade(client, portfolio_id, **limit, **order))["order_id"])


async def listed(client: httpx2.AsyncClient, portfolio_id: int, **wanted: Any) -> list[Any]:
    response = await client.get(f"/api/orders/{portfolio_id}", params=wanted)
    assert response.status_code == 200, response.text
    orders: list[Any] = response.json()
    return orders


async def test_a_filled_and_a_waiting_order_are_listed_newest_first(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    receipt = await trade(client, portfolio_id)
    waiting = await resting(client, portfolio_id, ticker="BBB")
    newest, oldest = await listed(client, portfolio_id)
    assert (newest["id"], oldest["id"]) == (waiting, receipt["order_id"])
    assert newest["state"] == newest["reason_code"] == "accepted"
    assert (newest["filled_quantity"], newest["fill_price"]) == ("0.000000", None)
    assert (newest["order_type"], newest["limit_price"]) == ("limit", "1.000000")
    assert (newest["session"], newest["ticker"], newest["market"]) == ("2025-06-30", "BBB", "us")
    assert oldest["state"] == "filled"
    assert (oldest["filled_quantity"], oldest["fill_price"]) == (
        "10.000000",
        receipt["fill_price"],
    )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["BBB", "AAA", "AAA"]),
        ({"state": "open"}, ["BBB", "AAA"]),
        ({"state": "filled"}, ["AAA"]),
        ({"state": "rejected"}, []),
        ({"ticker": "bbb"}, ["BBB"]),
        ({"ticker": "AAA", "state": "open"}, ["AAA"]),
        ({"limit": 1}, ["BBB"]),
        ({"limit": 2, "offset": 1}, ["AAA", "AAA"]),
        ({"offset": 3}, []),
    ],
)
async def test_the_list_is_filtered_and_cut(
    client: httpx2.AsyncClient, portfolio_id: int, wanted: dict[str, Any], found: list[str]
) -> None:
    await trade(client, portfolio_id)
    await resting(client, portfolio_id)
    await resting(client, portfolio_id, ticker="BBB")
    assert [order["ticker"] for order in await listed(client, portfolio_id, **wanted)] == found


@pytest.mark.parametrize(
    "wanted", [{"state": "gone"}, {"limit": 0}, {"limit": 1001}, {"offset": -1}, {"side": "buy"}]
)
async def test_a_filter_that_means_nothing_is_refused(
    client: httpx2.AsyncClient, portfolio_id: int, wanted: dict[str, Any]
) -> None:
    response = await client.get(f"/api/orders/{portfolio_id}", params=wanted)
    assert response.status_code == 422


async def test_an_order_is_shown_with_its_life_and_cancelled_once(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    path = f"/api/orders/{portfolio_id}/{await resting(client, portfolio_id)}"
    shown = (await client.get(path)).json()
    assert [event["state"] for event in shown["events"]] == ["new", "accepted"]
    assert [event["number"] for event in shown["events"]] == [1, 2]

    cancelled = await client.delete(path)
    assert cancelled.status_code == 200, cancelled.text
    assert cancelled.json()["state"] == "cancelled"
    assert cancelled.json()["reason_code"] == "cancelled_by_user"
    last = cancelled.json()["events"][-1]
    assert (last["number"], last["state"], last["session"]) == (3, "cancelled", "2025-06-30")
    assert (await client.delete(path)).json() == cancelled.json()
    assert (await client.get(path)).json() == cancelled.json()
    assert await listed(client, portfolio_id, state="open") == []


async def test_many_cancels_at_once_are_one(client: httpx2.AsyncClient, portfolio_id: int) -> None:
    path = f"/api/orders/{portfolio_id}/{await resting(client, portfolio_id)}"
    answers = await asyncio.gather(*(client.delete(path) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len(answers[0].json()["events"]) == 3


async def test_a_cancel_with_a_key_is_answered_from_its_first_time(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    path = f"/api/orders/{portfolio_id}/{await resting(client, portfolio_id)}"
    headers = {"Idempotency-Key": f"cancel {uuid4()}"}
    first = await client.delete(path, headers=headers)
    assert (await client.delete(path, headers=headers)).text == first.text
    other = f"/api/orders/{portfolio_id}/{await resting(client, portfolio_id)}"
    assert (await client.delete(other, headers=headers)).status_code == 422


async def test_a_filled_order_is_too_late_to_cancel(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    receipt = await trade(client, portfolio_id)
    response = await client.delete(f"/api/orders/{portfolio_id}/{receipt['order_id']}")
    assert response.status_code == 409
    assert "filled already" in response.json()["detail"]


async def test_orders_of_a_closed_portfolio_are_cancelled_and_stay_readable(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    path = f"/api/orders/{portfolio_id}/{await resting(client, portfolio_id)}"
    assert (await client.delete(f"/api/portfolios/{portfolio_id}")).status_code == 200
    shown = (await client.get(path)).json()
    assert (shown["state"], shown["reason_code"]) == ("cancelled", "portfolio_closed")
    assert (await client.delete(path)).json() == shown


async def test_foreign_orders_and_those_that_never_were_are_absent_alike(
    client: httpx2.AsyncClient, clients: Clients, resources: Resources, portfolio_id: int
) -> None:
    order_id = await resting(client, portfolio_id)
    mine = int((await create_portfolio(client))["id"])
    async with clients(await for_new_user(resources)) as stranger:
        for method in ("GET", "DELETE"):
            answers = [
                await stranger.request(method, f"/api/orders/{portfolio_id}/{order_id}"),
                await client.request(method, f"/api/orders/{mine}/{order_id}"),
                await client.request(method, f"/api/orders/{mine}/{uuid4()}"),
            ]
            assert [answer.status_code for answer in answers] == [404, 404, 404]
            assert answers[1].text == answers[2].text
        assert (await stranger.get(f"/api/orders/{portfolio_id}")).status_code == 404
    assert (await client.get(f"/api/orders/{portfolio_id}/{order_id}")).json()["state"] == (
        "accepted"
    )


async def test_a_name_that_is_no_order_id_is_refused(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    assert (await client.get(f"/api/orders/{portfolio_id}/first")).status_code == 422


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"quantity": "3400", "limit_price": "30.00"}, "insufficient-cash"),
        ({"side": "sell", "quantity": "11", "limit_price": "900.00"}, "insufficient-shares"),
    ],
)
async def test_an_order_that_could_not_be_filled_as_things_stand_is_not_kept(
    client: httpx2.AsyncClient, portfolio_id: int, order: dict[str, Any], reason: str
) -> None:
    await trade(client, portfolio_id)
    body = {"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy", "order_type": "limit"}
    refused = await client.post("/api/trades", json={**body, **order})
    assert (refused.status_code, refused.json()["type"]) == (422, f"urn:etftrader:{reason}")
    assert len(await listed(client, portfolio_id)) == 1
