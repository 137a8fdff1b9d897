"""Risk of kept backtests: of what they held at their end, and of the returns they made."""

from typing import Any

import httpx2
import numpy as np
import pytest
from sqlalchemy import text

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.market_data.snapshot import MarketSnapshot
from app.services import backtest_running, backtest_runs

BODY: dict[str, Any] = {
    "optimizer": "simple",
    "num_positions": 5,
    "max_weight": 0.34,
    "benchmark": "BBB",
    "initial_capital": "100000.00",
    "start": "2025-05-01",
    "end": "2025-05-30",
    "market": "us",
}


@pytest.fixture(autouse=True, scope="module")
def engine() -> None:
    """As it is once the server has warmed up: before, every run is a job."""
    backtest_running.load_engine()


@pytest.fixture
async def made(client: httpx2.AsyncClient) -> dict[str, Any]:
    response = await client.post("/api/backtests", json=BODY)
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def risk_of(client: httpx2.AsyncClient, backtest_id: int) -> dict[str, Any]:
    response = await client.get(f"/api/backtests/{backtest_id}/risk")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_it_is_the_risk_of_what_was_held_at_the_end_of_the_run(
    client: httpx2.AsyncClient, made: dict[str, Any], market: MarketSnapshot
) -> None:
    found = await risk_of(client, made["id"])

    assert (found["as_of"], found["stale"]) == ("2025-05-30", True)
    assert found["total_value"] == made["curve"][-1]["value"]
    positions = {each["ticker"]: each["market_value"] for each in found["positions"]}
    assert positions == {each["ticker"]: each["value"] for each in made["positions"]}
    end = int(np.searchsorted(market.panel.sessions, np.datetime64("2025-05-30"))) + 1
    weights = np.array([each["weight"] for each in found["positions"]])
    rows = [market.row(each["ticker"]) for each in found["positions"]]
    closes = market.panel.adjusted[rows, end - 253 : end]
    daily = weights @ (closes[:, 1:] / closes[:, :-1] - 1.0)
    assert found["volatility"] == pytest.approx(daily.std(ddof=1) * np.sqrt(252))
    assert found["var_95"] == pytest.approx(np.quantile(daily, 0.05))
    assert found["trace"]["command"] == f"etftrader risk --backtest {made['id']} --json"


async def test_its_own_returns_are_too_few_for_a_figure_and_it_says_so(
    client: httpx2.AsyncClient, made: dict[str, Any]
) -> None:
    found = await risk_of(client, made["id"])

    assert found["own"]["tails"] is None
    assert found["own"]["reasons"]["tails"] == (
        "20 returns in the last 252 sessions; 63 are needed"
    )
    assert found["portfolio_drawdown"] == pytest.approx(-made["curve"][-1]["drawdown"])


async def test_a_member_of_a_sweep_has_only_its_series(
    client: httpx2.AsyncClient, made: dict[str, Any], resources: Resources
) -> None:
    async with unit_of_work(resources.sessions) as session:
        row = await backtest_runs.found(session, resources.owner_id, made["id"])
        long = np.random.default_rng(1).normal(0.0, 0.01, 400)
        member = await session.scalar(
            text("""
                INSERT INTO backtests (owner_id, market, source, spec, settings_hash, data_version,
                    code_version, first_session, last_session, returns, headline, created_at)
                SELECT owner_id, market, source, spec, decode(md5(random()::text), 'hex'),
                    data_version, code_version, first_session, last_session, :returns, headline,
                    created_at
                FROM backtests WHERE id = :id RETURNING id
                """),
            {"id": row.id, "returns": long.astype("<f8").tobytes()},
        )
    assert member is not None

    found = await risk_of(client, member)

    assert found["own"]["observations"] == 252
    assert found["own"]["volatility"] == pytest.approx(long[-252:].std(ddof=1) * np.sqrt(252))
    assert {each["coverage"]["forecasts"] for each in found["own"]["tails"][:4]} == {148}
    reason = "a member of a sweep keeps no positions: run it alone"
    for name in ("positions", "volatility", "contributions", "replays", "liquidity"):
        assert found[name] is None
        assert found["reasons"][name] == reason


async def test_another_users_backtest_is_not_there(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/api/backtests/2147483647/risk")).status_code == 404
