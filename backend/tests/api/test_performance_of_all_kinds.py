"""Performance of backtests and of series that are sent along, and the days and benchmarks asked
for: over HTTP, beside the answers about portfolios."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import numpy as np
import pytest

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.schemas.performance import (
    BacktestPerformanceRead,
    PerformanceRead,
    SeriesPerformanceRead,
)
from app.services import backtest_running
from tests.app_fixtures import Clients, for_new_user
from tests.small_market import SmallMarket

RULES: dict[str, Any] = {
    "optimizer": "simple",
    "num_positions": 5,
    "max_weight": 0.34,
    "benchmark": "BBB",
    "initial_capital": "100000.00",
    "start": "2025-05-01",
    "market": "us",
    "cash_flows": [{"day": "2025-05-20", "amount": "5000"}],
}


@pytest.fixture(autouse=True, scope="module")
def engine() -> None:
    backtest_running.load_engine()


async def run(client: httpx2.AsyncClient, **changes: object) -> dict[str, Any]:
    response = await client.post("/api/backtests", json=RULES | changes)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


async def got(client: httpx2.AsyncClient, path: str, **asked: object) -> dict[str, Any]:
    response = await client.get(path, params=asked)  # type: ignore[arg-type]
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def sent(client: httpx2.AsyncClient, **series: object) -> dict[str, Any]:
    response = await client.post("/api/performance/series", json=series)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def numbers_of(part: Any) -> list[float]:
    """All of them, in order; a simulation's returns are rounded once more than exact quotients."""
    match part:
        case dict():
            return [number for value in part.values() for number in numbers_of(value)]
        case list():
            return [number for value in part for number in numbers_of(value)]
        case float() | int():
            return [float(part)]
        case _:
            return []


async def test_a_backtest_has_the_figures_of_its_report_and_all_the_others(
    client: httpx2.AsyncClient,
) -> None:
    kept = await run(client)

    answer = await got(client, f"/api/backtests/{kept['id']}/performance", window=10)

    report = kept["report"]
    for name, value in report["metrics"].items():
        if name not in {"reasons", "worst_drawdown"}:
            assert answer["metrics"][name] == value, name
    assert answer["metrics"]["worst_drawdown"] == report["metrics"]["worst_drawdown"]
    assert answer["end_value"] == report["final_value"]
    assert answer["net_flow"] == "5000.00"
    assert (answer["costs"], answer["years"]) == (report["costs"], report["years"])
    assert answer["months"] == report["months"]
    activity = answer["activity"]
    assert activity["turnover"] == pytest.approx(report["turnover"], rel=1e-9)
    assert activity["cost_drag"] == pytest.approx(report["cost_drag"], rel=1e-9)
    assert (activity["bought"], activity["sold"]) == (report["bought"], report["sold"])
    assert 0.0003 < activity["expense_ratio"] < 0.005
    growth = [point["growth"] for point in kept["curve"]]
    assert [point["growth"] for point in answer["series"]] == pytest.approx(growth[1:])
    assert answer["benchmark"]["total_return"] == report["benchmark"]["total_return"]
    assert answer["benchmark"]["same_flows"]["difference"] is not None
    assert answer["rolling"]["window"] == 10
    assert answer["trace"]["command"].startswith(f"etftrader performance --backtest {kept['id']} ")
    BacktestPerformanceRead.model_validate(answer)


async def test_a_part_of_a_backtest_begins_with_its_value_at_the_start(
    client: httpx2.AsyncClient,
) -> None:
    kept = await run(client)
    path = f"/api/backtests/{kept['id']}/performance"

    answer = await got(client, path, start="2025-05-30", end="2025-06-20")

    values = {point["session"]: point["value"] for point in kept["curve"]}
    assert (answer["start"], answer["end"]) == ("2025-05-30", "2025-06-20")
    assert answer["period"] is None
    assert answer["start_value"] == values["2025-05-30"]
    assert answer["end_value"] == values["2025-06-20"]
    assert answer["net_flow"] == "0.00"
    whole = Decimal(answer["end_value"]) / Decimal(answer["start_value"]) - 1
    assert answer["metrics"]["total_return"] == pytest.approx(float(whole))


async def test_somebody_elses_backtest_is_absent(clients: Clients, resources: Resources) -> None:
    async with clients(await for_new_user(resources)) as other:
        theirs = (await run(other))["id"]
    async with clients(resources) as mine:
        assert (await mine.get(f"/api/backtests/{theirs}/performance")).status_code == 404


async def test_a_series_of_a_portfolios_values_and_flows_has_the_same_figures(
    client: httpx2.AsyncClient,
) -> None:
    kept = await run(client)
    mine = await got(client, f"/api/backtests/{kept['id']}/performance")
    days = [point["session"] for point in kept["curve"]]

    answer = await sent(
        client,
        dates=days,
        values=[point["value"] for point in kept["curve"]],
        flows=["5000" if day == "2025-05-20" else "0" for day in days],
        benchmark="bbb",
        market="us",
        name="The same",
    )

    for part in ("metrics", "money_weighted", "benchmark", "drawdowns", "years", "months"):
        assert numbers_of(answer[part]) == pytest.approx(numbers_of(mine[part]), rel=1e-9), part
    for name in ("start_value", "end_value", "net_flow", "profit"):
        assert answer[name] == mine[name]
    assert answer["prices"]["as_of"] == mine["as_of"]
    assert answer["costs"] is None
    assert "no trades" in answer["reasons"]["costs"]
    assert "no trades" in answer["activity"]["reasons"]["turnover"]
    SeriesPerformanceRead.model_validate(answer)


async def test_of_returns_alone_what_needs_values_says_so(
    client: httpx2.AsyncClient, small_market: SmallMarket
) -> None:
    days = [day.isoformat() for day in small_market.sessions[-80:]]
    returns = np.random.default_rng(5).normal(0.0, 0.01, 80).tolist()

    answer = await sent(client, dates=days, returns=returns, risk_free_rate=0.01)

    assert answer["start"] == small_market.sessions[-81].isoformat()
    assert answer["metrics"]["observations"] == 80
    assert answer["metrics"]["total_return"] == pytest.approx(np.prod(np.add(1, returns)) - 1)
    assert answer["metrics"]["money_weighted_return"] is None
    why = "only returns are known, no values and flows"
    assert answer["reasons"]["end_value"] == answer["money_weighted"]["reasons"]["rate"] == why
    assert answer["reasons"]["benchmark"] == "no benchmark was asked for"
    assert (answer["prices"], answer["trace"]["data_version"]) == (None, None)
    assert len(answer["rolling"]["sessions"]) == 80 - 63 + 1
    assert answer["trace"]["inputs"]["risk_free_rate"] == 0.01


GOOD: dict[str, Any] = {"dates": ["2025-06-02", "2025-06-03"], "values": ["100", "101"]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"values": None},
        {"returns": [0.1, 0.1]},
        {"values": ["100"]},
        {"values": ["100", "-1"]},
        {"dates": ["2025-06-03", "2025-06-02"]},
        {"dates": ["2025-06-02", "2025-06-02"]},
        {"dates": ["2025-06-02", "2025-07-02"]},
        {"flows": ["0"]},
        {"flows": ["5", "0"]},
        {"benchmark": "AAA:0.5,BBB:0.4"},
        {"benchmark": "AAA:0.5,AAA:0.5"},
        {"benchmark": "NOPE", "market": "us"},
        {"period": "1Y", "start": "2025-06-02"},
        {"start": "2025-06-03"},
        {"end": "2025-06-01"},
        {"window": 4},
        {"rebalanced": "never"},
        {"unknown": 1},
    ],
)
async def test_a_series_that_does_not_fit_is_refused(
    client: httpx2.AsyncClient, small_market: SmallMarket, wrong: dict[str, Any]
) -> None:
    assert (await sent(client, **GOOD))["metrics"]["observations"] == 1
    body = {name: value for name, value in (GOOD | wrong).items() if value is not None}
    response = await client.post("/api/performance/series", json=body)
    assert response.status_code == 422, response.text


SERIES_PATHS = ("/api/performance/series", "/api/risk/series", "/api/performance/series/regression")


@pytest.mark.parametrize("path", SERIES_PATHS)
@pytest.mark.parametrize("first", ["0001-01-01", "1899-12-29", "2199-12-31"])
async def test_days_that_no_calendar_reaches_are_refused_in_a_sentence(
    client: httpx2.AsyncClient, path: str, first: str
) -> None:
    days = [day.isoformat() for day in (date.fromisoformat(first) + timedelta(n) for n in range(3))]
    response = await client.post(path, json={"dates": days, "returns": [0.1, 0.1, -0.1]})
    assert response.status_code == 422, response.text
    assert "the dates must lie between 1900-01-01 and 2199-12-31" in response.json()["detail"]


@pytest.mark.parametrize("path", SERIES_PATHS)
@pytest.mark.parametrize(
    "given",
    [
        {"returns": [1000] * 300},
        # Most of it is paid out again every other day, so the values stay small.
        {
            "values": ["0.000001", "999999999999"] * 150,
            "flows": ["0", *(["0", "-999999999998.999999"] * 150)[:299]],
        },
    ],
)
async def test_growth_beyond_all_numbers_is_refused_in_a_sentence(
    client: httpx2.AsyncClient, path: str, given: dict[str, Any]
) -> None:
    days = np.busday_offset("2020-01-01", np.arange(300), roll="forward").astype(str).tolist()
    response = await client.post(path, json={"dates": days, **given})
    assert response.status_code == 422, response.text
    assert "grows beyond all numbers" in response.json()["detail"]


async def test_growth_within_all_numbers_has_every_figure_or_its_reason(
    client: httpx2.AsyncClient,
) -> None:
    """1001 to the 100th is 10^300."""
    days = np.busday_offset("2020-01-01", np.arange(101), roll="forward").astype(str).tolist()
    answer = await sent(client, dates=days, returns=[1000] * 100 + [-1])
    metrics = answer["metrics"]
    assert metrics["total_return"] == metrics["max_drawdown"] == -1.0
    assert {name for name, value in metrics.items() if value is None} == set(metrics["reasons"])
    assert answer["series"][99]["growth"] == pytest.approx(1001.0**100)


async def test_a_portfolio_against_a_blend_says_when_it_is_put_back(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    path = f"/api/performance/{portfolio_id}"
    answer = await got(client, path, benchmark="aaa:0.6,BBB:0.4", rebalanced="daily")

    shown = answer["benchmark"]
    assert (shown["ticker"], shown["rebalanced"]) == ("AAA:0.6,BBB:0.4", "daily")
    assert [(part["ticker"], part["weight"]) for part in shown["parts"]] == [
        ("AAA", 0.6),
        ("BBB", 0.4),
    ]
    assert answer["trace"]["command"].endswith("--benchmark AAA:0.6,BBB:0.4 --rebalanced daily")
    PerformanceRead.model_validate(answer)


async def test_a_day_before_the_first_and_a_start_at_the_last_are_refused(
    client: httpx2.AsyncClient, portfolio_id: int, market: MarketSnapshot
) -> None:
    path, last = f"/api/performance/{portfolio_id}", market.latest_session.isoformat()
    for asked in ({"end": "2001-01-01"}, {"start": last}, {"start": last, "period": "1M"}):
        assert (await client.get(path, params=asked)).status_code == 422, asked


async def test_an_answer_is_that_of_the_books_latest_state(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    """It is kept between questions, and made anew after every change."""
    path = f"/api/performance/{portfolio_id}"
    first = await got(client, path)
    assert await got(client, path) == first
    for amount in ("10.00", "20.00"):
        await client.post(f"/api/portfolios/{portfolio_id}/cash", json={"amount": amount})
        assert (await got(client, path))["series"][-1]["cash"] in {"100010.00", "100030.00"}
    assert (await got(client, path))["net_flow"] == "100030.00"
    changed = {"risk_free_rate": 0.02}
    await client.patch(f"/api/portfolios/{portfolio_id}", json=changed)
    assert (await got(client, path))["trace"]["inputs"]["risk_free_rate"] == 0.02
