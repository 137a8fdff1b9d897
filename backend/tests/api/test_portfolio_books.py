"""Lots, gains and the ledger over HTTP."""

from decimal import Decimal
from typing import Any

import httpx2
import pytest

from app.bootstrap import Resources
from tests.app_fixtures import Clients, for_new_user

PARTS = ("lots", "gains", "ledger")


async def show(client: httpx2.AsyncClient, portfolio_id: int, part: str) -> Any:
    response = await client.get(f"/api/portfolios/{portfolio_id}/{part}")
    assert response.status_code == 200, response.text
    return response.json()


async def trade(client: httpx2.AsyncClient, portfolio_id: int, side: str, shares: int) -> Any:
    body = {"portfolio_id": portfolio_id, "ticker": "AAA", "side": side, "quantity": str(shares)}
    response = await client.post("/api/trades", json=body)
    assert response.status_code == 201, response.text
    return response.json()


async def test_a_new_portfolio_has_no_lots_no_gains_and_one_entry(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    assert (await show(client, portfolio_id, "lots"))["lots"] == []
    gains = await show(client, portfolio_id, "gains")
    assert (gains["lines"], gains["year"], gains["total"]["gain"]) == ([], None, "0")
    (entry,) = (await show(client, portfolio_id, "ledger"))["entries"]
    assert (entry["sequence"], entry["kind"], entry["amount"]) == (1, "deposit", "100000.00")


async def test_a_lot_that_is_sold_in_part_appears_in_all_three(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    bought = await trade(client, portfolio_id, "buy", 10)
    sold = await trade(client, portfolio_id, "sell", 4)
    cost = -Decimal(bought["net_amount"])
    taken = (cost * 4 / 10).quantize(Decimal("0.01"))

    (lot,) = (await show(client, portfolio_id, "lots"))["lots"]
    (line,) = (await show(client, portfolio_id, "gains?year=2025"))["lines"]
    entries = (await show(client, portfolio_id, "ledger"))["entries"]

    assert (lot["lot"], lot["quantity"]) == (2, "6.000000")
    assert Decimal(lot["cost"]) == cost - taken
    assert (line["sequence"], line["lot"], line["term"]) == (3, 2, "short")
    assert Decimal(line["gain"]) == Decimal(sold["net_amount"]) - taken
    # The same day's costs make it a loss; the rest of the same purchase replaces nothing.
    assert Decimal(line["gain"]) < 0
    assert not line["wash_sale"]
    assert [entry["kind"] for entry in entries] == ["deposit", "buy", "sell"]
    assert entries[2]["closed_lots"] == [
        {"lot": 2, "acquired_on": "2025-06-30", "quantity": "4.000000", "cost": str(taken)}
    ]
    assert entries[2]["cash"] == sold["cash"]
    assert (await show(client, portfolio_id, "gains?year=2024"))["lines"] == []


async def test_gains_come_as_csv_where_that_is_asked_for(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    await trade(client, portfolio_id, "buy", 10)
    await trade(client, portfolio_id, "sell", 4)
    path = f"/api/portfolios/{portfolio_id}/gains"
    response = await client.get(path, headers={"Accept": "text/csv"})
    assert response.headers["content-type"].startswith("text/csv")
    head, line = response.text.splitlines()
    assert head.startswith("Description of property,Date acquired,Date sold,Proceeds")
    assert line.startswith("4 sh. AAA,06/30/2025,06/30/2025,")
    assert line.endswith(",Short")


async def test_the_ledger_is_read_page_by_page_from_any_place(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    for amount in ("1", "2", "-3"):
        await client.post(f"/api/portfolios/{portfolio_id}/cash", json={"amount": amount})
    first = await show(client, portfolio_id, "ledger?limit=2")
    assert [entry["sequence"] for entry in first["entries"]] == [1, 2]
    assert first["next_after"] == 2
    rest = await show(client, portfolio_id, f"ledger?limit=2&after={first['next_after']}")
    assert [entry["sequence"] for entry in rest["entries"]] == [3, 4]
    assert [entry["cash"] for entry in rest["entries"]] == ["100003.00", "100000.00"]
    assert rest["next_after"] is None
    beyond = await show(client, portfolio_id, "ledger?after=4")
    assert (beyond["entries"], beyond["next_after"]) == ([], None)


@pytest.mark.parametrize(
    "query", ["gains?year=25", "gains?year=x", "ledger?limit=0", "ledger?after=-1", "ledger?x=1"]
)
async def test_what_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, portfolio_id: int, query: str
) -> None:
    response = await client.get(f"/api/portfolios/{portfolio_id}/{query}")
    assert response.status_code == 422


async def test_somebody_elses_book_is_as_absent_as_none(
    clients: Clients, resources: Resources, portfolio_id: int
) -> None:
    async with clients(await for_new_user(resources)) as stranger:
        for part in PARTS:
            foreign = await stranger.get(f"/api/portfolios/{portfolio_id}/{part}")
            missing = await stranger.get(f"/api/portfolios/2147483647/{part}")
            assert foreign.status_code == missing.status_code == 404
            assert foreign.json()["detail"] == missing.json()["detail"]
