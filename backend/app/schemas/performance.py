"""Performance. What cannot be computed is null, and `reasons` says why by field."""

from datetime import date
from typing import Annotated

from pydantic import Field

from app.quant.benchmarks import Rebalanced
from app.quant.periods import Period
from app.quant.returns import Outcome
from app.schemas.base import Exact, Output
from app.schemas.market import AsOf
from app.schemas.trace import Trace

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


class MoneyWeightedRead(Output):
    """The return of the investor's money, deposits and withdrawals with their dates included."""

    outcome: Outcome | None = Field(description="How many yearly rates explain the flows")
    rate: float | None = Field(description="Yearly (XIRR), if exactly one rate explains the flows")
    over_period: float | None = Field(description="What that rate makes of the days with money")
    rates: list[float] = Field(description="Every yearly rate that explains the flows, ascending")
    reasons: Reasons


class SameFlowsRead(Output):
    """The same money, paid in and out on the same days, invested in the benchmark at no cost."""

    end_value: Exact
    profit: Exact
    difference: Exact = Field(description="The end value measured, less this one")
    money_weighted: MoneyWeightedRead


class BenchmarkPart(Output):
    ticker: str
    name: str | None
    weight: float


class ComparedRead(BenchmarkRead):
    """The benchmark: one ETF, or a blend, whose `ticker` is what was asked for."""

    parts: list[BenchmarkPart]
    rebalanced: Rebalanced | None = Field(
        description="When a blend is put back to its weights; null for one ETF"
    )
    carried: int = Field(
        description="Sessions on which a close of it was missing and an older one was taken: a "
        "return of nothing, and then one of several sessions"
    )
    same_flows: SameFlowsRead | None


class RollingRead(Output):
    """Each list has one entry per window, dated by the session it ends with: null where a return
    within it is unknown, or the figure has no value."""

    window: int = Field(description="Sessions of a window")
    sessions: list[date]
    total_return: list[float | None]
    volatility: list[float | None]
    sharpe: list[float | None]
    max_drawdown: list[float | None]
    beta: list[float | None]


class DrawdownRead(Output):
    depth: float = Field(description="Negative: -0.2 is a fall of 20 %")
    peak: date = Field(description="The last session at the peak")
    trough: date
    recovery: date | None = Field(description="The first session back at the peak; null if none")
    sessions_to_trough: int
    sessions_to_recovery: int | None = Field(description="From the trough; null without recovery")
    sessions: int = Field(description="From the peak to the recovery, or to the end without one")


class PeriodReturnRead(Output):
    period: str = Field(examples=["2024", "2024-05"])
    value: float | None
    benchmark: float | None


class ActivityRead(Output):
    """What was traded and what it cost, and what the held funds charge."""

    bought: Exact | None
    sold: Exact | None
    turnover: float | None = Field(
        description="Half of what was bought and sold in a year, over the mean value"
    )
    cost_drag: float | None = Field(description="What trading cost in a year, over the mean value")
    expense_ratio: float | None = Field(
        description="Of the held funds, weighted by what was held; cash included, at nothing"
    )
    expenses_yearly: Exact | None = Field(description="The same in money per year")
    reasons: Reasons


class PerformancePoint(Output):
    """One close. A return is null where no capital was at work, or the benchmark had no price.

    The comparison begins at the close of the opening session, the first a portfolio can buy at.
    """

    session: date
    value: Exact | None = Field(description="Null where only returns are known")
    cash: Exact | None
    external_flow: Exact | None = Field(description="Paid in (positive) or out in the session")
    carried: bool = Field(description="A close was missing and an older one was used")
    daily_return: float | None
    growth: float = Field(description="What one unit has become since the start")
    drawdown: float = Field(description="Of that growth from its highest; 0 or negative")
    benchmark_return: float | None
    benchmark_growth: float | None = Field(description="Null without a benchmark")
    benchmark_drawdown: float | None = Field(description="Null without a benchmark")
    benchmark_value: Exact | None = Field(
        description="Of the same cash flows invested in the benchmark; null without one"
    )


class SpanRead(Output):
    """The stretch of sessions that an answer is about."""

    period: Period | None = Field(description="Null where the days were given")
    start: date = Field(
        description="The close the period begins at; for a whole life, the session before it"
    )
    end: date = Field(description="The last close: as_of, or where a closed portfolio ended")
    complete: bool = Field(description="What is measured is as old as the period is long")


class PeriodRead(AsOf, SpanRead):
    portfolio_id: int
    replayed_until: date | None = Field(description="Null for a portfolio that was never replayed")
    replay_note: str | None = Field(description="Which part of the period was replayed, if any")


class FiguresRead(Output):
    """Everything that is said about a stretch of sessions, whatever it is of."""

    start_value: Exact | None
    end_value: Exact | None
    net_flow: Exact | None = Field(description="Paid in less paid out during the period")
    profit: Exact | None = Field(description="end_value - start_value - net_flow")
    costs: Exact | None = Field(description="Fees, and fills worse than their reference price")
    metrics: MetricsRead
    money_weighted: MoneyWeightedRead
    benchmark: ComparedRead | None
    rolling: RollingRead | None
    drawdowns: list[DrawdownRead] = Field(description="The deepest, deepest first")
    drawdown_count: int = Field(description="How many there were in all")
    years: list[PeriodReturnRead]
    months: list[PeriodReturnRead]
    activity: ActivityRead
    series: list[PerformancePoint] = Field(description="Oldest first, without the start")
    reasons: Reasons
    trace: Trace


class PerformanceRead(PeriodRead, FiguresRead):
    """Of a portfolio."""


class BacktestPerformanceRead(AsOf, SpanRead, FiguresRead):
    backtest_id: int
    label: str | None
    withdrawn: bool = Field(description="It was taken out of the list; see the backtest")


class SeriesPerformanceRead(SpanRead, FiguresRead):
    """Of a series that was sent along."""

    name: str | None
    prices: AsOf | None = Field(description="The market of the benchmark; null without one")
