"""Orders over HTTP: what fills, what is refused, what stays right when many come at once."""

import asyncio
import csv
from decimal import Decimal
from io import StringIO
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.services import checking
from tests.app_fixtures import create_portfolio
from tests.small_market import CLOSED, GAPPY, LATEST, SILENT, SmallMarket

CENT = Decimal("0.01")


async def send(client: httpx2.AsyncClient, portfolio_id: int, **fields: Any) -> httpx2.Response:
    body = {"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy", **fields}
    return await client.post("/api/trades", json=body)


async def traded(client: httpx2.AsyncClient, portfolio_id: int, **fields: Any) -> dict[str, Any]:
    response = await send(client, portfolio_id, **fields)
    assert response.status_code == 201, response.text
    trade: dict[str, Any] = response.json()
    return trade


async def last_sequence(client: httpx2.AsyncClient, portfolio_id: int) -> int:
    return int((await client.get(f"/api/portfolios/{portfolio_id}")).json()["last_sequence"])


async def test_a_purchase_fills_above_the_close_and_takes_its_cost_from_cash(
    client: httpx2.AsyncClient, portfolio_id: int, small_market: SmallMarket
) -> None:
    trade = await traded(client, portfolio_id, quantity="10")
    close = Decimal(str(small_market.closes["AAA"][-1]))
    assert Decimal(trade["reference_price"]) == close
    assert Decimal(trade["fill_price"]) > close * Decimal("1.0005")
    gross = (10 * Decimal(trade["fill_price"])).quantize(CENT)
    assert Decimal(trade["net_amount"]) == -(gross + Decimal("1.00"))
    assert Decimal(trade["cash"]) == 100_000 + Decimal(trade["net_amount"])
    assert (trade["sequence"], trade["fee"]) == (2, "1.00")
    assert (trade["as_of"], trade["price_date"]) == (str(LATEST), str(LATEST))
    assert (trade["market"], trade["simulated"], trade["stale"]) == ("us", False, True)


async def test_a_sale_fills_below_the_close(client: httpx2.AsyncClient, portfolio_id: int) -> None:
    await traded(client, portfolio_id, quantity=10)
    sale = await traded(client, portfolio_id, side="sell", quantity=10)
    assert Decimal(sale["fill_price"]) < Decimal(sale["reference_price"]) * Decimal("0.9995")
    assert Decimal(sale["net_amount"]) > 0
    assert (await client.get(f"/api/portfolios/{portfolio_id}")).json()["positions"] == []


async def test_a_carried_close_says_its_date(
    client: httpx2.AsyncClient, portfolio_id: int, small_market: SmallMarket
) -> None:
    trade = await traded(client, portfolio_id, ticker=GAPPY, quantity=1)
    assert trade["price_date"] == str(small_market.sessions[-3])
    assert trade["session"] == str(LATEST)


@pytest.mark.parametrize(("step", "fractional"), [("1", False), ("0.000001", True)])
async def test_a_notional_purchase_is_the_largest_that_costs_no_more(
    client: httpx2.AsyncClient, step: str, *, fractional: bool
) -> None:
    portfolio = await create_portfolio(client, fractional_shares=fractional)
    trade = await traded(client, portfolio["id"], notional="1000.00")
    assert Decimal(trade["net_amount"]) >= -1000
    more = str(Decimal(trade["quantity"]) + Decimal(step))
    assert Decimal((await traded(client, portfolio["id"], quantity=more))["net_amount"]) < -1000


async def test_a_notional_sale_brings_no_more(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    await traded(client, portfolio_id, quantity=50)
    sale = await traded(client, portfolio_id, side="sell", notional="500")
    assert Decimal(sale["net_amount"]) + Decimal(sale["fee"]) <= 500
    more = (Decimal(sale["quantity"]) + 1) * Decimal(sale["fill_price"])
    assert more > 500


async def test_cash_equal_to_the_cost_is_enough_and_one_cent_less_is_not(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    cost = -Decimal((await traded(client, portfolio_id, quantity=7))["net_amount"])
    short = await create_portfolio(client, initial_capital=str(cost - CENT))
    refused = await send(client, short["id"], quantity=7)
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:etftrader:insufficient-cash"
    assert ": 0.01 USD is missing" in refused.json()["detail"]
    exact = await create_portfolio(client, initial_capital=str(cost))
    assert (await traded(client, exact["id"], quantity=7))["cash"] == "0.00"


async def test_a_limit_is_kept(client: httpx2.AsyncClient, portfolio_id: int) -> None:
    free = await traded(client, portfolio_id, quantity=5)
    limit = {"order_type": "limit", "quantity": 5}
    at = await traded(client, portfolio_id, **limit, limit_price=free["fill_price"])
    assert at["fill_price"] == free["fill_price"]
    close = Decimal(free["reference_price"])
    within = await traded(client, portfolio_id, **limit, limit_price=str(close))
    assert within["fill_price"] == str(close)


async def test_a_limit_that_the_close_does_not_meet_waits(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    order = await traded(
        client, portfolio_id, quantity=5, order_type="limit", limit_price="1.50", side="buy"
    )
    assert (order["state"], order["filled_quantity"]) == ("accepted", "0")
    assert (order["fill_price"], order["sequence"]) == (None, None)
    assert "a price of 1.50 or less" in order["waiting"]
    assert order["cash"] == "100000.00"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"ticker": "NOPE", "quantity": 1}, "unknown-ticker"),
        ({"ticker": SILENT, "quantity": 1}, "no-price"),
        ({"ticker": CLOSED, "quantity": 1}, "not-traded"),
        ({"quantity": "1.5"}, "whole-shares-only"),
        ({"quantity": "999999999999"}, "insufficient-cash"),
        ({"notional": "1.00"}, "too-small"),
        ({"side": "sell", "quantity": 1}, "insufficient-shares"),
        ({"side": "sell", "notional": "5000"}, "insufficient-shares"),
        ({"quantity": 0}, "invalid-request"),
        ({"quantity": "-3"}, "invalid-request"),
        ({"quantity": "NaN"}, "invalid-request"),
        ({"quantity": "Infinity"}, "invalid-request"),
        ({"quantity": "1e999999999"}, "invalid-request"),
        ({"quantity": "0.0000001"}, "invalid-request"),
        ({"quantity": "1000000000000"}, "invalid-request"),
        ({"quantity": True}, "invalid-request"),
        ({"quantity": [1]}, "invalid-request"),
        ({}, "invalid-request"),
        ({"quantity": 1, "notional": "100"}, "invalid-request"),
        ({"quantity": 1, "side": "hold"}, "invalid-request"),
        ({"quantity": 1, "ticker": "../etc"}, "invalid-request"),
        ({"quantity": 1, "order_type": "limit"}, "invalid-request"),
        ({"quantity": 1, "limit_price": "5"}, "invalid-request"),
        ({"quantity": 1, "order_type": "stop"}, "invalid-request"),
        ({"quantity": 1, "price": "5"}, "invalid-request"),
    ],
)
async def test_what_cannot_be_traded_is_refused_whole_and_not_echoed(
    client: httpx2.AsyncClient, portfolio_id: int, fields: dict[str, Any], kind: str
) -> None:
    refused = await send(client, portfolio_id, **fields)
    assert (refused.status_code, refused.json()["type"]) == (422, f"urn:etftrader:{kind}")
    assert refused.headers["content-type"] == "application/problem+json"
    for echo in ("1e99", "NaN", "Infinity", "../etc", "NOPE", "hold"):
        assert f'"{echo}' not in refused.text
    assert await last_sequence(client, portfolio_id) == 1


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_shares_worth_less_than_a_cent_are_not_traded(
    client: httpx2.AsyncClient, side: str
) -> None:
    portfolio = await create_portfolio(client, fractional_shares=True)
    await traded(client, portfolio["id"], quantity="1")
    refused = await send(client, portfolio["id"], side=side, quantity="0.000100")
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:etftrader:too-small")
    assert "less than a cent" in refused.json()["detail"]
    assert await last_sequence(client, portfolio["id"]) == 2


async def test_dust_does_not_keep_a_portfolio_open(client: httpx2.AsyncClient) -> None:
    portfolio = await create_portfolio(client, fractional_shares=True)
    await traded(client, portfolio["id"], quantity="1.000001")
    await traded(client, portfolio["id"], side="sell", quantity="1")
    closed = await client.delete(f"/api/portfolios/{portfolio['id']}?liquidate=true")
    assert (closed.status_code, closed.json()["positions"]) == (200, [])


async def test_many_trades_at_once_leave_cash_exact(
    client: httpx2.AsyncClient, resources: Resources, portfolio_id: int
) -> None:
    await traded(client, portfolio_id, quantity=100)
    orders = [{"side": side, "quantity": n + 1} for n in range(12) for side in ("buy", "sell")]
    trades = await asyncio.gather(*(traded(client, portfolio_id, **order) for order in orders))
    history = (await client.get(f"/api/trades/{portfolio_id}")).json()
    assert sorted(trade["sequence"] for trade in trades) == list(range(3, 27))
    cash = 100_000 + sum(Decimal(trade["net_amount"]) for trade in history)
    shown = (await client.get(f"/api/portfolios/{portfolio_id}")).json()
    assert Decimal(shown["cash"]) == cash
    assert Decimal(shown["positions"][0]["quantity"]) == 100
    async with unit_of_work(resources.sessions) as session:
        assert (await checking.check(session)).findings == ()


async def test_of_two_who_spend_the_last_cash_at_once_one_does(client: httpx2.AsyncClient) -> None:
    portfolio = await create_portfolio(client, initial_capital="1000")
    answers = await asyncio.gather(
        *(send(client, portfolio["id"], notional="900") for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422]


async def test_the_history_is_filtered_and_paged(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    for order in (
        {"quantity": 9},
        {"ticker": "BBB", "quantity": 2},
        {"side": "sell", "quantity": 4},
    ):
        await traded(client, portfolio_id, **order)

    async def sequences(**query: Any) -> list[int]:
        answer = await client.get(f"/api/trades/{portfolio_id}", params=query)
        assert answer.status_code == 200, answer.text
        return [trade["sequence"] for trade in answer.json()]

    assert await sequences() == [2, 3, 4]
    assert await sequences(ticker="aaa") == [2, 4]
    assert await sequences(side="sell") == [4]
    assert await sequences(limit=1, offset=1) == [3]
    assert await sequences(start_date=LATEST, end_date=LATEST) == [2, 3, 4]
    assert await sequences(end_date="2025-06-27") == []


async def test_a_trade_in_the_history_is_the_trade_that_was_answered(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    headers = {"Idempotency-Key": f"same-{portfolio_id}"}
    body = {"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy", "quantity": "3"}
    answered = (await client.post("/api/trades", json=body, headers=headers)).json()
    (listed,) = (await client.get(f"/api/trades/{portfolio_id}")).json()
    assert listed == {name: answered[name] for name in listed}
    assert listed["idempotency_key"] == f"same-{portfolio_id}"


@pytest.mark.parametrize(
    "query",
    [
        "start_date=2025-02-01&end_date=2025-01-01",
        "start_date=2999-01-01",
        "end_date=2999-01-01",
        "start_date=2025-13-01",
        "start_date=yesterday",
        "limit=0",
        "limit=1001",
        "offset=-1",
        "side=hold",
        "colour=red",
    ],
)
async def test_a_history_that_cannot_be_is_refused(
    client: httpx2.AsyncClient, portfolio_id: int, query: str
) -> None:
    assert (await client.get(f"/api/trades/{portfolio_id}?{query}")).status_code == 422


async def test_the_history_comes_as_a_table_to_who_accepts_csv(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    headers = {"Idempotency-Key": "=1+1"}
    body = {"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy", "quantity": "3"}
    trade = (await client.post("/api/trades", json=body, headers=headers)).json()
    answer = await client.get(f"/api/trades/{portfolio_id}", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(StringIO(answer.text))
    assert row["net_amount"] == trade["net_amount"]
    assert row["quantity"] == "3.000000"
    assert row["idempotency_key"] == "'=1+1"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET amount = amount + 1 WHERE portfolio_id = :id",
        "DELETE FROM ledger_entries WHERE portfolio_id = :id",
        "TRUNCATE ledger_entries",
    ],
)
async def test_the_ledger_is_never_rewritten(
    resources: Resources, portfolio_id: int, statement: str
) -> None:
    named = {"id": portfolio_id} if ":id" in statement else {}
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        async with unit_of_work(resources.sessions) as session:
            await session.execute(text(statement), named)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE portfolios SET cash = -0.01 WHERE id = :id",
        "UPDATE portfolios SET cash = 'NaN' WHERE id = :id",
        "UPDATE positions SET quantity = 0 WHERE portfolio_id = :id",
        "UPDATE positions SET quantity = 'NaN' WHERE portfolio_id = :id",
    ],
)
async def test_the_database_refuses_less_than_nothing(
    client: httpx2.AsyncClient, resources: Resources, portfolio_id: int, statement: str
) -> None:
    await traded(client, portfolio_id, quantity=1)
    with pytest.raises(DBAPIError, match="violates check constraint"):
        async with unit_of_work(resources.sessions) as session:
            await session.execute(text(statement), {"id": portfolio_id})
