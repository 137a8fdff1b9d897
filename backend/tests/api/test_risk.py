import httpx2
import numpy as np
import pytest

from app.core import calendar
from app.market_data.snapshot import MarketSnapshot
from tests.small_market import FIRST, LATEST


async def test_a_held_position_has_its_stop_and_its_part_of_the_risk(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    for ticker in ("AAA", "BBB"):
        order = {"portfolio_id": portfolio_id, "ticker": ticker, "side": "buy", "quantity": "200"}
        assert (await client.post("/api/trades", json=order)).status_code == 201

    answer = (await client.get(f"/api/risk/{portfolio_id}")).json()

    assert [each["ticker"] for each in answer["positions"]] == ["AAA", "BBB"]
    assert all(isinstance(each["stop_price"], str) for each in answer["positions"])
    assert sum(each["share"] for each in answer["contributions"]) == pytest.approx(1.0)
    assert answer["vix"]["date"] == answer["as_of"] == "2025-06-30"
    assert answer["reasons"]["beta"] == "the market has no prices of the benchmark SPY"


async def test_the_history_of_the_index_is_newest_first(client: httpx2.AsyncClient) -> None:
    answer = (await client.get("/api/risk/vix/history", params={"days": 3})).json()

    assert [each["date"] for each in answer["history"]] == [
        "2025-06-30",
        "2025-06-27",
        "2025-06-26",
    ]
    assert answer["current"]["value"] == answer["history"][0]["close"]
    assert answer["current"]["regime"] == answer["history"][0]["regime"]
    assert answer["symbol"] == "VIX"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"days": 0}, 422),
        ({"days": 10_001}, 422),
        ({"days": 10_000}, 200),
        ({"market": "demo"}, 409),
        ({"market": "nowhere"}, 404),
    ],
)
async def test_the_history_of_the_index_has_bounds(
    client: httpx2.AsyncClient, query: dict[str, str | int], status: int
) -> None:
    assert (await client.get("/api/risk/vix/history", params=query)).status_code == status


def series_of(count: int) -> dict[str, object]:
    """Daily returns of the sessions up to the market's latest."""
    days = calendar.sessions(FIRST, LATEST)[-count:]
    returns = np.random.default_rng(5).normal(0.0, 0.01, count)
    return {"dates": [str(day) for day in days], "returns": returns.tolist()}


async def test_a_series_that_is_sent_along_has_the_part_of_it_that_returns_allow(
    client: httpx2.AsyncClient, market: MarketSnapshot
) -> None:
    body = series_of(280) | {"benchmark": "BBB", "name": "Mine", "market": "us"}
    response = await client.post("/api/risk/series", json=body)
    assert response.status_code == 200, response.text
    answer = response.json()

    returns = np.array(body["returns"])
    assert (answer["name"], answer["end"]) == ("Mine", "2025-06-30")
    assert answer["own"]["volatility"] == pytest.approx(returns[-252:].std(ddof=1) * np.sqrt(252))
    historical = answer["own"]["tails"][0]
    assert historical["var"] == pytest.approx(np.quantile(returns[-252:], 0.05))
    closes = market.panel.adjusted[market.row("BBB"), -253:]
    theirs = closes[1:] / closes[:-1] - 1.0
    assert answer["beta"] == pytest.approx(np.polyfit(theirs, returns[-252:], 1)[0])
    assert answer["own"]["reasons"]["volatility_shrunk"] == (
        "only a series of returns is known, not what was held"
    )
    assert answer["trace"]["figures"]["tails.filtered.var"]["source"]


async def test_a_short_series_says_what_is_missing(client: httpx2.AsyncClient) -> None:
    answer = (await client.post("/api/risk/series", json=series_of(40))).json()

    assert answer["own"]["tails"] is None
    assert answer["own"]["reasons"]["tails"] == "40 returns in the last 252 sessions; 63 are needed"
    assert answer["reasons"]["beta"] == "no benchmark was asked for"
    assert answer["prices"] is None


async def test_every_figure_of_an_answer_has_its_definition_and_a_command(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    trace = (await client.get(f"/api/risk/{portfolio_id}")).json()["trace"]

    assert trace["command"] == f"etftrader risk {portfolio_id} --json"
    assert trace["inputs"]["as_of"] == "2025-06-30"
    assert trace["data_version"]
    named = {name.split(".")[0] for name in trace["figures"]}
    assert named >= {
        "var_95", "cvar_99", "beta", "concentration", "contributions", "tails", "coverage",
        "correlations", "factor_risk", "liquidity", "replays", "class_shocks", "factor_shocks",
        "stop_ladder", "volatility_ewma", "portfolio_drawdown",
    }  # fmt: skip


async def test_the_stops_of_the_answer_are_those_of_the_stop_board(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    order = {"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy", "quantity": "200"}
    assert (await client.post("/api/trades", json=order)).status_code == 201

    answer = (await client.get(f"/api/risk/{portfolio_id}")).json()

    assert answer["stops"] == (await client.get(f"/api/risk/{portfolio_id}/stops")).json()
    threshold = answer["stops"]["threshold"]
    for rung in answer["stop_ladder"]:
        assert rung["tickers"] == (["AAA"] if rung["fall"] >= threshold - 1e-9 else [])
    assert answer["liquidity"]["positions"][0]["ticker"] == "AAA"
    assert {each["asset_class"] for each in answer["class_shocks"]} == {
        "Equity",
        "Fixed Income",
        "Commodity",
    }
