"""Numbers at the edges of what the columns hold: refused with a sentence, never a fault."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.models import EntryKind, Portfolio
from app.services import ledger
from app.services.entry import Entry
from tests.app_fixtures import create_portfolio
from tests.small_market import LATEST

MOST_MONEY = "9999999999999999.99"
MOST_SHARES = "999999999999.999999"
NUMBERS = (
    "0", "-1", "0.000001", "0.01", "1", "1000000000000.00", "999999999999", MOST_SHARES,
    MOST_MONEY, f"-{MOST_MONEY}", "99999999999999999", "1e15", "0.00000000000000000001",
)  # fmt: skip


async def enriched(resources: Resources, portfolio_id: int, amount: str) -> None:
    """Pays in what no single request may."""
    now = datetime(2025, 7, 1, tzinfo=UTC)
    async with unit_of_work(resources.sessions) as session:
        portfolio = await session.get_one(Portfolio, portfolio_id)
        entry = Entry(EntryKind.DEPOSIT, LATEST, Decimal(amount), "A fortune", "user")
        await ledger.book(session, portfolio, entry, now=now)


def must_be_clear(answer: httpx2.Response) -> None:
    assert answer.status_code in {200, 201, 409, 422}, answer.text
    if answer.status_code > 201:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("capital", ["0.01", "1000000000000.00"])
@pytest.mark.parametrize("fractional", [False, True])
async def test_an_order_or_a_payment_of_any_size_is_done_or_refused(
    client: httpx2.AsyncClient, capital: str, *, fractional: bool
) -> None:
    portfolio = await create_portfolio(
        client, initial_capital=capital, fractional_shares=fractional
    )
    about: dict[str, Any] = {"portfolio_id": portfolio["id"], "ticker": "AAA"}
    for number in NUMBERS:
        for side in ("buy", "sell"):
            for size in ("quantity", "notional"):
                order = {**about, "side": side, size: number}
                must_be_clear(await client.post("/api/trades", json=order))
        limit = {**about, "side": "buy", "quantity": "1", "order_type": "limit"}
        must_be_clear(await client.post("/api/trades", json={**limit, "limit_price": number}))
        payment = {"amount": number}
        must_be_clear(await client.post(f"/api/portfolios/{portfolio['id']}/cash", json=payment))
        path = f"/api/positions/{portfolio['id']}/rebalance"
        must_be_clear(await client.post(path, json={"budget": number}))


async def test_a_portfolio_can_be_as_rich_as_its_columns_and_no_richer(
    client: httpx2.AsyncClient, resources: Resources, portfolio_id: int
) -> None:
    await enriched(resources, portfolio_id, "9999999999800000.00")
    cash = f"/api/portfolios/{portfolio_id}/cash"
    assert (await client.post(cash, json={"amount": "99999.99"})).json()["cash"] == MOST_MONEY
    refused = await client.post(cash, json={"amount": "0.01"})
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:etftrader:too-large")
    trade = {"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy"}
    for size in ({"quantity": "200000000000"}, {"notional": MOST_MONEY}, {"quantity": "5"}):
        must_be_clear(await client.post("/api/trades", json={**trade, **size}))
    must_be_clear(await client.post(cash, json={"amount": "200.00"}))
    rebalance = f"/api/positions/{portfolio_id}/rebalance"
    for body in ({}, {"force": True}, {"force": True, "execute": True}):
        must_be_clear(await client.post(rebalance, json=body))
    for path in ("portfolios", "positions", "performance", "risk", "trades"):
        must_be_clear(await client.get(f"/api/{path}/{portfolio_id}"))
    must_be_clear(await client.delete(f"/api/portfolios/{portfolio_id}?liquidate=true"))


@pytest.mark.parametrize("path", ["/api/trades", "/api/portfolios", "/api/backtests"])
@pytest.mark.parametrize("number", ["1e9999999999999999999999", "-1e-9999999999999999999", "1e400"])
async def test_a_number_of_any_exponent_is_refused(
    client: httpx2.AsyncClient, path: str, number: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await client.post(path, content=f'{{"initial_capital":{number}}}', headers=headers)
    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
