"""What can be said of a kept backtest when not everything of it was kept, or the prices changed."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest
from app.schemas.backtest import BacktestSpec
from app.schemas.performance import BacktestPerformanceRead
from app.schemas.performance_asked import PerformanceAsked
from app.services import backtest_performance, backtest_runs, backtesting
from app.services.backtest_runs import Ask
from tests.services.past_books import NOW

SPEC: dict[str, Any] = {
    "optimizer": "simple",
    "num_positions": 5,
    "max_weight": 0.34,
    "benchmark": "BBB",
    "start": "2025-05-01",
    "market": "us",
}


@pytest.fixture
async def kept(market: MarketSnapshot, resources: Resources) -> Backtest:
    spec = backtesting.resolved(market, resources.settings, BacktestSpec.model_validate(SPEC))
    columns = await backtest_runs.make(market, Ask(resources.owner_id, spec), now=NOW)
    return Backtest(id=7, **columns)


async def measured(market: MarketSnapshot, kept: Backtest) -> BacktestPerformanceRead:
    return await backtest_performance.measure(market, kept, PerformanceAsked(window=10), now=NOW)


async def test_of_a_member_of_a_sweep_the_returns_are_measured_and_the_rest_says_why(
    market: MarketSnapshot, kept: Backtest
) -> None:
    whole = await measured(market, kept)
    kept.details = None

    answer = await measured(market, kept)

    reasons = answer.metrics.reasons
    assert reasons.pop("money_weighted_return") == "only returns are known, no values and flows"
    assert reasons == whole.metrics.reasons
    assert answer.metrics.sharpe == whole.metrics.sharpe
    assert answer.metrics.beta == whole.metrics.beta
    assert (answer.drawdowns, answer.months) == (whole.drawdowns, whole.months)
    assert answer.rolling == whole.rolling
    assert answer.end_value is None
    assert answer.costs is None
    assert answer.activity.turnover is None
    assert answer.benchmark is not None
    assert answer.benchmark.same_flows is None
    assert "same_flows" in answer.benchmark.reasons
    assert [point.value for point in answer.series] == [None] * 40


async def test_on_other_prices_the_costs_of_funds_are_unknown_and_the_trace_names_both_versions(
    market: MarketSnapshot, kept: Backtest
) -> None:
    changed = replace(market, data_version=uuid4())

    answer = await measured(changed, kept)

    assert answer.activity.expense_ratio is None
    assert "other prices" in answer.activity.reasons["expense_ratio"]
    assert answer.activity.turnover is not None
    assert answer.trace.data_version == changed.data_version
    assert answer.trace.inputs["data_version_of_run"] == str(market.data_version)


async def test_the_costs_of_funds_lie_between_those_of_the_cheapest_and_the_dearest(
    market: MarketSnapshot, kept: Backtest
) -> None:
    answer = await measured(market, kept)
    held = {trade["ticker"] for trade in _trades(kept)}
    ratios = [float(market.facts.expense_ratio[market.row(ticker)]) for ticker in held]
    assert answer.activity.expense_ratio is not None
    assert 0.5 * min(ratios) < answer.activity.expense_ratio < max(ratios)
    assert answer.activity.expenses_yearly is not None


def _trades(kept: Backtest) -> list[dict[str, Any]]:
    trades: list[dict[str, Any]] = backtest_performance.details_of(kept)["trades"]
    return trades
