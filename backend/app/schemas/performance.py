"""Performance and attribution. What cannot be computed is null, and `reasons` says why by field."""

from datetime import date
from typing import Annotated

from pydantic import Field

from app.quant.periods import Period
from app.schemas.base import Exact, Output
from app.schemas.market import AsOf

Reasons = Annotated[
    dict[str, str],
    Field(
        description="Why, for each field of this object that is null because it has no value",
        examples=[{"sharpe": "fewer than 2 observations"}],
    ),
]


class DatedReturn(Output):
    value: float
    on: date = Field(description="The session it ended with; of a month, its last session")


class WorstDrawdown(Output):
    depth: float = Field(description="Negative: -0.2 is a fall of 20 %")
    peak: date
    trough: date
    recovery: date | None = Field(description="The first session back at the peak; null if none")
    sessions: int = Field(description="From the peak to the recovery, or to the end without one")


class MetricsRead(Output):
    """Statistics of the period's daily time-weighted returns; losses are negative.

    Yearly figures use 252 sessions, CAGR and the money-weighted return calendar days. The Sharpe
    and Sortino ratios and alpha are over the portfolio's risk-free rate.
    """

    observations: int = Field(description="Sessions with a return: those with capital at work")
    total_return: float | None = Field(
        description="Time-weighted: free of deposits and withdrawals"
    )
    money_weighted_return: float | None = Field(description="Yearly (XIRR), flows included")
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float | None
    worst_drawdown: WorstDrawdown | None
    win_rate: float | None = Field(description="Sessions with a gain, of all")
    best_day: DatedReturn | None
    worst_day: DatedReturn | None
    best_month: DatedReturn | None
    worst_month: DatedReturn | None
    skew: float | None
    kurtosis: float | None = Field(description="Excess kurtosis: 0 for a normal distribution")
    var_95: float | None = Field(description="Historical value at risk of one session")
    var_99: float | None
    cvar_95: float | None = Field(description="Mean return of the sessions at or beyond var_95")
    cvar_99: float | None
    alpha: float | None = Field(description="Yearly, by regression on the benchmark")
    beta: float | None
    tracking_error: float | None
    information_ratio: float | None
    up_capture: float | None
    down_capture: float | None
    reasons: Reasons


class BenchmarkRead(Output):
    ticker: str = Field(examples=["SPY"])
    name: str | None
    total_return: float | None
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    max_drawdown: float | None
    reasons: Reasons


class PerformancePoint(Output):
    """One close. A return is null where no capital was at work, or the benchmark had no price.

    The comparison begins at the close of the opening session, the first a portfolio can buy at.
    """

    session: date
    value: Exact
    cash: Exact
    external_flow: Exact = Field(description="Paid in (positive) or out in the session")
    carried: bool = Field(description="A close was missing and an older one was used")
    daily_return: float | None
    growth: float = Field(description="What one unit has become since the start")
    drawdown: float = Field(description="Of that growth from its highest; 0 or negative")
    benchmark_return: float | None
    benchmark_growth: float | None = Field(description="Null without a benchmark")
    benchmark_drawdown: float | None = Field(description="Null without a benchmark")


class PeriodRead(AsOf):
    """The stretch of sessions that an answer is about."""

    portfolio_id: int
    period: Period
    start: date = Field(
        description="The close the period begins at; for a whole life, the session before it"
    )
    end: date = Field(description="The last close: as_of, or where a closed portfolio ended")
    complete: bool = Field(description="The portfolio is as old as the period is long")
    replayed_until: date | None = Field(description="Null for a portfolio that was never replayed")
    replay_note: str | None = Field(description="Which part of the period was replayed, if any")


class PerformanceRead(PeriodRead):
    start_value: Exact
    end_value: Exact
    net_flow: Exact = Field(description="Paid in less paid out during the period")
    profit: Exact = Field(description="end_value - start_value - net_flow")
    costs: Exact = Field(description="Fees, and fills worse than their reference price")
    metrics: MetricsRead
    benchmark: BenchmarkRead | None
    series: list[PerformancePoint] = Field(description="Oldest first, without the start")
    reasons: Reasons
