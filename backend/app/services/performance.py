"""How a portfolio did over a period, alone and against a benchmark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.money import ZERO, to_cents
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.quant import metrics
from app.quant.covariance import carried
from app.quant.measured import Missing, number
from app.quant.metrics import RELATIVE
from app.quant.panel import CARRY_SESSIONS, FloatArray
from app.quant.periods import Period
from app.quant.returns import growth, money_weighted
from app.schemas.performance import (
    BenchmarkRead,
    MetricsRead,
    PerformancePoint,
    PerformanceRead,
)
from app.schemas.settings import PortfolioSettings
from app.services import freshness, history, strategy
from app.services.history import Stretch


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark's returns over the sessions of a stretch, NaN where it had no price."""

    ticker: str
    returns: FloatArray


async def measure(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    period: Period,
    benchmark: str | None,
    now: datetime,
) -> PerformanceRead:
    """The metrics and daily series of a period.

    Raises `UnknownTicker` for a benchmark asked for that the market does not have; without one the
    portfolio's own or the market's is taken, and its absence is a reason.
    """
    if benchmark is not None:
        market.row(benchmark)
    settings = strategy.settings_of(portfolio)
    lived = await history.read(session, market, portfolio)
    stretch = history.stretch(lived, period)
    against = benchmark_over(market, benchmark or benchmark_of(market, settings), stretch)
    end_value = stretch.days[-1].total
    net_flow = sum((day.external_flow for day in stretch.days), ZERO)
    return PerformanceRead(
        **period_fields(market, portfolio, stretch, now),
        start_value=to_cents(stretch.start_value),
        end_value=end_value,
        net_flow=to_cents(net_flow),
        profit=end_value - stretch.start_value - net_flow,
        costs=to_cents(sum((day.costs for day in stretch.days), ZERO)),
        metrics=_metrics(stretch, settings.risk_free_rate, against),
        benchmark=_benchmark(market, stretch, settings.risk_free_rate, against),
        series=_series(stretch, None if isinstance(against, Missing) else against.returns),
        reasons={"benchmark": against.reason} if isinstance(against, Missing) else {},
    )


def period_fields(
    market: MarketSnapshot, portfolio: Portfolio, stretch: Stretch, now: datetime
) -> dict[str, Any]:
    """The fields of `schemas.performance.PeriodRead`."""
    return {
        **freshness.as_of(market, now),
        "portfolio_id": portfolio.id,
        "period": stretch.period,
        "start": stretch.start,
        "end": stretch.end,
        "complete": stretch.complete,
        "replayed_until": stretch.replayed_until,
        "replay_note": stretch.replay_note,
    }


def benchmark_of(market: MarketSnapshot, settings: PortfolioSettings) -> str:
    return settings.benchmark or market.benchmark


def benchmark_over(market: MarketSnapshot, ticker: str, stretch: Stretch) -> Benchmark | Missing:
    """Daily returns from closes carried at most 5 sessions.

    A portfolio buys at a close, so the comparison begins at the close of its opening session.
    """
    row = market.row_of.get(ticker)
    if row is None:
        return Missing(f"the market has no prices of the benchmark {ticker}")
    end = market.column(stretch.end) + 1
    sessions = len(stretch.dates)
    first = end - sessions
    known = carried(market.panel.adjusted[[row], max(first - CARRY_SESSIONS, 0) : end])[0]
    known = known[-sessions:]
    closes = np.concatenate((np.full(sessions - len(known), np.nan), known))
    if stretch.first == 0:
        closes[0] = np.nan
    return Benchmark(ticker, closes[1:] / closes[:-1] - 1.0)


def _metrics(stretch: Stretch, rf: float, benchmark: Benchmark | Missing) -> MetricsRead:
    found = metrics.compute(
        stretch.returns,
        stretch.dates,
        rf=rf,
        benchmark=None if isinstance(benchmark, Missing) else benchmark.returns,
    )
    reasons = found.reasons()
    if isinstance(benchmark, Missing):
        reasons |= dict.fromkeys(RELATIVE, benchmark.reason)
    rate = money_weighted(_flows(stretch)).rate
    if isinstance(rate, Missing):
        reasons["money_weighted_return"] = rate.reason
    values = {each.name: _known(getattr(found, each.name)) for each in fields(found)}
    return MetricsRead(**values, money_weighted_return=number(rate), reasons=reasons)


def _known(value: Any) -> Any:
    return None if isinstance(value, Missing) else value


def _flows(stretch: Stretch) -> list[tuple[date, Decimal]]:
    """As the investor sees them: what goes into the portfolio is negative."""
    return [
        (stretch.start, -stretch.start_value),
        *((day.session, -day.external_flow) for day in stretch.days),
        (stretch.end, stretch.days[-1].total),
    ]


def _benchmark(
    market: MarketSnapshot, stretch: Stretch, rf: float, benchmark: Benchmark | Missing
) -> BenchmarkRead | None:
    if isinstance(benchmark, Missing):
        return None
    found = metrics.compute(benchmark.returns, stretch.dates, rf=rf)
    shown = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown")
    return BenchmarkRead(
        ticker=benchmark.ticker,
        name=market.etfs[market.row_of[benchmark.ticker]].name,
        **{name: _known(getattr(found, name)) for name in shown},
        reasons={name: why for name, why in found.reasons().items() if name in shown},
    )


def _series(stretch: Stretch, benchmark: FloatArray | None) -> list[PerformancePoint]:
    mine = _path(stretch.returns)
    nothing: Sequence[None] = [None] * len(stretch.days)
    theirs = [nothing, nothing, nothing] if benchmark is None else _path(benchmark)
    return [
        PerformancePoint(
            session=day.session,
            value=day.total,
            cash=day.cash,
            external_flow=to_cents(day.external_flow),
            carried=day.carried,
            daily_return=daily,
            growth=grown,
            drawdown=fallen,
            benchmark_return=their_daily,
            benchmark_growth=their_growth,
            benchmark_drawdown=their_fall,
            benchmark_value=None,
        )
        for day, daily, grown, fallen, their_daily, their_growth, their_fall in zip(
            stretch.days, *mine, *theirs, strict=True
        )
    ]


def _path(returns: FloatArray) -> list[list[float | None]]:
    """Daily returns, growth of one unit and drawdown, as columns."""
    wealth = growth(returns)
    return [
        [None if math.isnan(each) else each for each in returns.tolist()],
        wealth.tolist(),
        drawdowns(wealth).tolist(),
    ]


def drawdowns(wealth: FloatArray) -> FloatArray:
    """Of growth that began at 1, from its highest so far; 0 or negative."""
    return wealth / np.maximum(np.maximum.accumulate(wealth), 1.0) - 1.0
