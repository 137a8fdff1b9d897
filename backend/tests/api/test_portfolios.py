"""Opening, listing, changing, paying into and closing portfolios over HTTP."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.quant.factors.registry import REGISTRY
from app.services import checking
from tests.app_fixtures import Clients, create_portfolio, for_new_user
from tests.small_market import SmallMarket

BUY = {"ticker": "AAA", "side": "buy", "quantity": "10"}


async def buy(client: httpx2.AsyncClient, portfolio_id: int, **fields: Any) -> dict[str, Any]:
    body = {"portfolio_id": portfolio_id, **BUY, **fields}
    response = await client.post("/api/trades", json=body)
    assert response.status_code == 201, response.text
    bought: dict[str, Any] = response.json()
    return bought


async def test_a_portfolio_opens_with_its_capital_and_the_configured_rules(
    client: httpx2.AsyncClient,
) -> None:
    created = await create_portfolio(client, name=" Nest egg ", initial_capital="1234.5")
    assert created["name"] == "Nest egg"
    assert created["initial_capital"] == created["cash"] == created["total_value"] == "1234.50"
    assert created["summary"]["pnl"] == "0.00"
    assert created["settings"]["optimizer"] == created["optimizer"] == "mvo"
    assert created["settings"]["num_positions"] == 20
    assert (created["last_sequence"], created["positions"]) == (1, [])
    assert (created["market"], created["simulated"], created["stale"]) == ("us", False, True)
    shown = await client.get(f"/api/portfolios/{created['id']}/")
    assert shown.json() == created


async def test_every_rule_can_be_given_and_comes_back(client: httpx2.AsyncClient) -> None:
    rules = {
        "optimizer": "minvar",
        "num_positions": 8,
        "drift_threshold": 0.1,
        "drift_mode": "relative",
        "asset_class_caps": {"Equity": 0.5},
        "factor_weights": {"momentum": 1.0},
        "universe": {"excluded": ["aaa"]},
        "fractional_shares": True,
        "commission": "2.50",
        "benchmark": "BBB",
    }
    settings = (await create_portfolio(client, **rules))["settings"]
    assert settings["universe"]["excluded"] == ["AAA"]
    assert settings["factor_weights"]["momentum"] == 1.0
    kept = {name: settings[name] for name in rules if name not in {"universe", "factor_weights"}}
    assert kept == {name: rules[name] for name in kept}


async def test_the_list_has_every_portfolio_once_valued_like_its_detail(
    client: httpx2.AsyncClient,
) -> None:
    opened = [await create_portfolio(client) for _ in range(3)]
    await buy(client, opened[0]["id"])
    for _ in range(2):  # the second answer comes from what the first one remembered
        listed = (await client.get("/api/portfolios")).json()
        assert [item["id"] for item in listed] == [each["id"] for each in opened]
        for item in listed:
            detail = (await client.get(f"/api/portfolios/{item['id']}")).json()
            assert item == {name: detail[name] for name in item}
    page = (await client.get("/api/portfolios?limit=1&offset=1")).json()
    assert [item["id"] for item in page] == [opened[1]["id"]]


async def test_the_list_shows_a_change_at_once(client: httpx2.AsyncClient) -> None:
    portfolio = await create_portfolio(client)
    path = f"/api/portfolios/{portfolio['id']}"

    async def item() -> dict[str, Any]:
        found: dict[str, Any] = (await client.get("/api/portfolios")).json()[0]
        return found

    assert (await item())["cash"] == "100000.00"
    bought = await buy(client, portfolio["id"])
    assert (await item())["cash"] == bought["cash"]
    await client.patch(path, json={"name": "Other", "num_positions": 7})
    assert ((await item())["name"], (await item())["num_positions"]) == ("Other", 7)
    await client.delete(f"{path}?liquidate=true")
    assert (await item())["status"] == "closed"


async def test_the_list_is_filtered_by_status(client: httpx2.AsyncClient) -> None:
    kept, closed = [(await create_portfolio(client))["id"] for _ in range(2)]
    assert (await client.delete(f"/api/portfolios/{closed}")).status_code == 200
    for status, expected in (("active", kept), ("closed", closed)):
        listed = (await client.get("/api/portfolios", params={"status": status})).json()
        assert [item["id"] for item in listed] == [expected]
    assert (await client.get("/api/portfolios?status=open")).status_code == 422


async def test_positions_add_up_with_cash_to_the_total_value(
    client: httpx2.AsyncClient, portfolio_id: int, small_market: SmallMarket
) -> None:
    for ticker in ("AAA", "BBB"):
        await buy(client, portfolio_id, ticker=ticker, quantity="100")
    shown = (await client.get(f"/api/portfolios/{portfolio_id}")).json()
    values = [Decimal(position["market_value"]) for position in shown["positions"]]
    assert values == [
        (Decimal(str(small_market.closes[ticker][-1])) * 100).quantize(Decimal("0.01"))
        for ticker in ("AAA", "BBB")
    ]
    assert sum(values) + Decimal(shown["cash"]) == Decimal(shown["total_value"])
    assert Decimal(shown["pnl"]) == Decimal(shown["total_value"]) - 100_000 < 0
    weights = sum(position["weight"] for position in shown["positions"])
    assert weights == pytest.approx(float(sum(values) / Decimal(shown["total_value"])))


async def test_money_paid_in_is_no_profit(client: httpx2.AsyncClient, portfolio_id: int) -> None:
    path = f"/api/portfolios/{portfolio_id}"
    paid = await client.post(f"{path}/cash", json={"amount": 250.5, "note": "Bonus"})
    assert paid.status_code == 201
    assert (paid.json()["kind"], paid.json()["reason"]) == ("deposit", "Bonus")
    taken = await client.post(f"{path}/cash", json={"amount": "-100250.50"})
    assert (taken.json()["cash"], taken.json()["sequence"]) == ("0.00", 3)
    shown = (await client.get(path)).json()
    assert (shown["summary"]["net_deposits"], shown["pnl"]) == ("0.00", "0.00")


async def test_more_cash_than_there_is_cannot_be_taken_out(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    refused = await client.post(
        f"/api/portfolios/{portfolio_id}/cash", json={"amount": "-100000.01"}
    )
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:etftrader:insufficient-cash"
    assert "0.01 USD is missing" in refused.json()["detail"]
    assert (await client.get(f"/api/portfolios/{portfolio_id}")).json()["last_sequence"] == 1


async def test_a_change_leaves_alone_what_it_does_not_name(client: httpx2.AsyncClient) -> None:
    before = await create_portfolio(client, num_positions=9, fractional_shares=True)
    path = f"/api/portfolios/{before['id']}"
    after = (await client.patch(path, json={"drift_threshold": 0.2, "benchmark": "AAA"})).json()
    assert after["settings"] == {
        **before["settings"],
        "drift_threshold": 0.2,
        "benchmark": "AAA",
    }
    cleared = (await client.patch(path, json={"benchmark": None})).json()
    assert cleared["settings"]["benchmark"] is None
    assert (await client.patch(path, json={})).json()["settings"] == cleared["settings"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"min_weight": 0.14}, "20 positions at no less than 14 % need 280 %"),
        ({"num_positions": 5}, "5 positions at no more than 15 % can hold 75 %"),
    ],
)
async def test_limits_that_clash_are_refused_with_the_smallest_way_out(
    client: httpx2.AsyncClient, portfolio_id: int, change: dict[str, Any], said: str
) -> None:
    body = {"name": "Impossible", "initial_capital": "100", "market": "us", **change}
    for refused in (
        await client.post("/api/portfolios", json=body),
        await client.patch(f"/api/portfolios/{portfolio_id}", json=change),
    ):
        assert refused.status_code == 422
        assert refused.json()["type"] == "urn:etftrader:limits-clash"
        assert said in refused.json()["detail"]
        assert "_weight to " in refused.json()["detail"]
    assert [item["id"] for item in (await client.get("/api/portfolios")).json()] == [portfolio_id]


async def test_a_name_is_taken_by_an_open_portfolio_in_whatever_case(
    client: httpx2.AsyncClient,
) -> None:
    first = await create_portfolio(client, name="Growth")
    second = await create_portfolio(client, name="Income")
    body = {"name": "GROWTH", "initial_capital": "100", "market": "us"}
    for refused in (
        await client.post("/api/portfolios", json=body),
        await client.patch(f"/api/portfolios/{second['id']}", json={"name": "growth"}),
    ):
        assert refused.status_code == 409
        assert refused.json()["type"] == "urn:etftrader:name-taken"
    await client.delete(f"/api/portfolios/{first['id']}")
    assert (await client.post("/api/portfolios", json=body)).status_code == 201


async def test_of_many_who_take_a_name_at_once_one_gets_it(client: httpx2.AsyncClient) -> None:
    body = {"name": "Contended", "initial_capital": "100", "market": "us"}
    answers = await asyncio.gather(*(client.post("/api/portfolios", json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_a_portfolio_with_positions_is_closed_only_by_selling_them(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    await buy(client, portfolio_id)
    path = f"/api/portfolios/{portfolio_id}"
    kept = await client.delete(path)
    assert kept.status_code == 409
    assert "liquidate=true" in kept.json()["detail"]
    closed = (await client.delete(f"{path}?liquidate=true")).json()
    assert (closed["status"], closed["positions"], closed["last_sequence"]) == ("closed", [], 3)
    assert closed["total_value"] == closed["cash"]


async def test_a_closed_portfolio_can_be_read_and_not_changed(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    path = f"/api/portfolios/{portfolio_id}"
    await client.delete(path)
    for refused in (
        await client.delete(path),
        await client.patch(path, json={"num_positions": 8}),
        await client.post(f"{path}/cash", json={"amount": "1"}),
        await client.post("/api/trades", json={"portfolio_id": portfolio_id, **BUY}),
    ):
        assert refused.status_code == 409
        assert refused.json()["type"] == "urn:etftrader:portfolio-closed"
    assert (await client.get(path)).status_code == 200


async def test_somebody_elses_portfolio_is_as_absent_as_none(
    client: httpx2.AsyncClient, clients: Clients, resources: Resources, portfolio_id: int
) -> None:
    async with clients(await for_new_user(resources)) as stranger:
        assert (await stranger.get("/api/portfolios")).json() == []
        for number in (portfolio_id, 2**31 - 1):
            path = f"/api/portfolios/{number}"
            answers = (
                await stranger.get(path),
                await stranger.patch(path, json={"num_positions": 8}),
                await stranger.delete(path),
                await stranger.post(f"{path}/cash", json={"amount": "1"}),
                await stranger.post("/api/trades", json={"portfolio_id": number, **BUY}),
                await stranger.get(f"/api/trades/{number}"),
            )
            assert {answer.status_code for answer in answers} == {404}
            assert len({answer.text for answer in answers}) == 1


NAME, CAPITAL = {"name": "Fine"}, {"initial_capital": "100"}


@pytest.mark.parametrize(
    "body",
    [
        NAME,
        CAPITAL,
        {**NAME, "initial_capital": "0"},
        {**NAME, "initial_capital": "-5"},
        {**NAME, "initial_capital": "1.001"},
        {**NAME, "initial_capital": "1000000000000.01"},
        {**NAME, "initial_capital": "1e999999999"},
        {**NAME, "initial_capital": "NaN"},
        {**NAME, "initial_capital": True},
        {**NAME, "initial_capital": None},
        {**CAPITAL, "name": "   "},
        {**CAPITAL, "name": "x" * 101},
        {**CAPITAL, "name": "nul\x00"},
        {**CAPITAL, "name": "\ud800"},
        {**CAPITAL, "name": 7},
        {**CAPITAL, **NAME, "colour": "scarlet"},
        {**CAPITAL, **NAME, "num_positions": "8"},
        {**CAPITAL, **NAME, "num_positions": 0},
        {**CAPITAL, **NAME, "optimizer": "magic"},
        {**CAPITAL, **NAME, "drift_threshold": 2},
        {**CAPITAL, **NAME, "fractional_shares": 1},
        {**CAPITAL, **NAME, "benchmark": "NOPE"},
        {**CAPITAL, **NAME, "factor_weights": {"momentum": 0, "quality": 0}},
        {**CAPITAL, **NAME, "universe": {"planets": ["Mars"]}},
        [],
        "text",
    ],
)
async def test_bad_input_opens_nothing_and_is_not_echoed(
    client: httpx2.AsyncClient, body: Any
) -> None:
    if isinstance(body, dict) and "factor_weights" in body:
        body = {**body, "factor_weights": dict.fromkeys(FACTORS, 0)}
    sent = {"market": "us", **body} if isinstance(body, dict) else body
    headers = {"content-type": "application/json"}
    refused = await client.post("/api/portfolios", content=json.dumps(sent), headers=headers)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    for echo in ("1e999999999", "NaN", "magic", "Mars", "NOPE", "scarlet", "xxx"):
        assert echo not in refused.text
    assert (await client.get("/api/portfolios")).json() == []


async def test_a_factor_that_nothing_is_known_for_is_refused(client: httpx2.AsyncClient) -> None:
    body = {**CAPITAL, **NAME, "market": "us", "factor_weights": {"carry": 0.5}}
    refused = await client.post("/api/portfolios", json=body)
    assert refused.status_code == 422
    assert "distributions" in refused.json()["detail"]
    body["factor_weights"] = {"trend": 0.5, "beta": 0.1, "reversal": 1}
    created = await client.post("/api/portfolios", json=body)
    assert created.json()["settings"]["factor_weights"]["trend"] == 0.5


FACTORS = tuple(REGISTRY)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b'{"name": "x", "initial_capital": NaN}', 422),
        (b'{"name": "x", "initial_capital": 1e400}', 422),
        (b'{"name": "x", "name": "y", "initial_capital": 5}', 422),
        (b'{"name": "x"', 422),
        (b'{"name": "' + b"x" * 300_000 + b'"}', 413),
    ],
)
async def test_hostile_bodies_are_refused(
    client: httpx2.AsyncClient, raw: bytes, status: int
) -> None:
    headers = {"content-type": "application/json"}
    refused = await client.post("/api/portfolios", content=raw, headers=headers)
    assert refused.status_code == status
    assert (await client.get("/api/portfolios")).json() == []


@pytest.mark.parametrize("amount", ["0", "0.001", "1000000000000.01", "x", None, False])
async def test_an_amount_that_is_none_moves_no_money(
    client: httpx2.AsyncClient, portfolio_id: int, amount: object
) -> None:
    path = f"/api/portfolios/{portfolio_id}"
    refused = await client.post(f"{path}/cash", json={"amount": amount})
    assert refused.status_code == 422
    assert (await client.get(path)).json()["last_sequence"] == 1


async def test_null_is_refused_where_it_says_nothing(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    for field in ("name", "num_positions", "commission", "optimizer", "universe"):
        refused = await client.patch(f"/api/portfolios/{portfolio_id}", json={field: None})
        assert refused.status_code == 422, field


async def test_a_market_without_prices_or_name_opens_no_portfolio(
    client: httpx2.AsyncClient,
) -> None:
    body = {"name": "Early", "initial_capital": "100"}
    demo = await client.post("/api/portfolios", json={**body, "market": "demo"})
    assert (demo.status_code, demo.json()["type"]) == (409, "urn:etftrader:no-market-data")
    mars = await client.post("/api/portfolios", json={**body, "market": "mars"})
    assert mars.status_code == 404
    assert (await client.post("/api/portfolios", json=body)).json()["market"] == "us"


async def test_all_books_are_what_their_ledgers_say(
    client: httpx2.AsyncClient, resources: Resources, portfolio_id: int
) -> None:
    await buy(client, portfolio_id)
    async with unit_of_work(resources.sessions) as session:
        report = await checking.check(session)
    assert report.findings == ()
    assert report.entries >= 2


async def test_money_of_an_earlier_day_is_booked_for_it_or_refused_by_its_day(
    client: httpx2.AsyncClient, portfolio_id: int, small_market: SmallMarket
) -> None:
    path = f"/api/portfolios/{portfolio_id}/cash"
    latest = str(small_market.sessions[-1])
    fee = await client.post(
        path, json={"amount": "-9.50", "kind": "fee", "date": latest, "source": "Bank"}
    )
    assert fee.status_code == 201, fee.text
    booked = fee.json()
    assert (booked["kind"], booked["session"], booked["source"]) == ("fee", latest, "Bank")
    assert (booked["ticker"], booked["cash"]) == (None, "99990.50")
    for body, kind in (
        ({"amount": "1", "date": "2024-05-02"}, "before-the-opening"),
        ({"amount": "1", "date": "2199-01-01"}, "in-the-future"),
        ({"amount": "1", "kind": "dividend", "ticker": "NONE"}, "unknown-ticker"),
    ):
        refused = await client.post(path, json=body)
        assert (refused.status_code, refused.json()["type"]) == (422, f"urn:etftrader:{kind}")
    for body in ({"amount": "1", "kind": "fee"}, {"amount": "1", "kind": "dividend"}):
        assert (await client.post(path, json=body)).status_code == 422
