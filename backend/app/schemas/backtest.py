"""Backtests: as they are asked for, and as they are answered."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, model_validator

from app.models import BacktestSource
from app.quant.backtest.caveats import Warned
from app.quant.backtest.rules import Fills
from app.quant.costs import Side
from app.schemas.base import Day, Exact, Input, Number, Output, Text, exactly
from app.schemas.performance import BenchmarkRead, MetricsRead, PeriodReturnRead, Reasons
from app.schemas.portfolio import MarketName, SettingsIn
from app.schemas.settings import Lax, Schedule, frozen

MAX_CAPITAL = 10**10

Capital = Annotated[Decimal, *exactly(18, 2, gt=0, le=MAX_CAPITAL), Field(examples=["1000000.00"])]
Label = Annotated[Text, Field(min_length=1, max_length=100)]


class CashFlow(Input):
    """Money paid in, or out where it is negative, at the opening of the first session from a day
    on."""

    day: Annotated[Day, Lax]
    amount: Annotated[Decimal, *exactly(18, 2, ge=-MAX_CAPITAL, le=MAX_CAPITAL)]


class BacktestSpec(SettingsIn):
    """What a portfolio may be told, the days to live through, and how. A question that stands
    within the data is asked of the market's own data version."""

    market: MarketName | None = Field(
        None, description="Left out: `us` once it has data, `demo` until then."
    )
    start: Annotated[Day, Lax] | None = Field(
        None, description="Left out: the first session with a year of prices before it."
    )
    end: Annotated[Day, Lax] | None = Field(None, description="Left out: the latest session.")
    initial_capital: Capital = Decimal("1000000.00")
    schedule: Annotated[Schedule, Lax] = Schedule.WEEKLY
    fill: Annotated[Fills, Lax] = Fills.NEXT_OPEN
    cash_yield: Annotated[Number, Field(ge=0, le=1)] = 0.0
    cash_flows: Annotated[
        tuple[CashFlow, ...], BeforeValidator(frozen), Field(max_length=1000)
    ] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError("end must be after start")
        paid_in = sum((flow.amount for flow in self.cash_flows if flow.amount > 0), Decimal(0))
        if self.initial_capital + paid_in > MAX_CAPITAL:
            raise ValueError(f"initial_capital and cash_flows come to more than {MAX_CAPITAL:,}")
        return self


class BacktestCreate(BacktestSpec):
    label: Label | None = Field(None, description="What to call it; no part of what is run.")

    @property
    def spec(self) -> BacktestSpec:
        return BacktestSpec.model_construct(
            self.model_fields_set - {"label"},
            **{name: getattr(self, name) for name in BacktestSpec.model_fields},
        )


class BacktestFilter(Input):
    market: MarketName | None = None
    source: Annotated[BacktestSource, Lax] | None = None
    sweep_id: Annotated[int, Lax, Field(ge=1, le=2**31 - 1)] | None = None
    withdrawn: Annotated[bool, Lax] | None = Field(
        None, description="Left out: those that are not; true: only those that are."
    )
    limit: Annotated[int, Lax, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Lax, Field(ge=0, le=2**31 - 1)] = 0


class Withdrawal(Input):
    reason: Annotated[Text, Field(min_length=1, max_length=500)]


class ExposureRead(Output):
    """Weights of an asset class, and of cash, in the whole portfolio."""

    name: str
    mean: float
    highest: float
    last: float


class CaveatRead(Output):
    code: Warned
    message: str
    figure: float


class BacktestReport(Output):
    metrics: MetricsRead
    benchmark: BenchmarkRead | None
    final_value: Exact
    net_flow: Exact = Field(description="Paid in less paid out, after the initial capital")
    turnover: float | None = Field(
        description="Half of what was bought and sold in a year, over the mean value"
    )
    cost_drag: float | None = Field(description="What trading cost in a year, over the mean value")
    bought: Exact
    sold: Exact
    costs: Exact = Field(description="Fees, and fills worse than their reference price")
    income: Exact = Field(description="Dividends after tax; none where prices contain them")
    interest: Exact
    trades: int
    stops_fired: int
    rebalances: int
    decisions: dict[str, int] = Field(
        description="How often the rules were asked, by what they found"
    )
    exposures: list[ExposureRead]
    years: list[PeriodReturnRead]
    months: list[PeriodReturnRead]
    caveats: list[CaveatRead] = Field(description="What to know before believing it")
    notes: list[str]
    reasons: Reasons


class CurvePoint(Output):
    session: date
    value: Exact
    cash: Exact
    holdings: int
    reduced: bool = Field(description="Exposure was reduced after a deep fall")
    growth: float = Field(description="What one unit has become since the start")
    drawdown: float = Field(description="Of that growth from its highest; 0 or negative")
    benchmark_growth: float | None


class BacktestPosition(Output):
    ticker: str
    name: str | None
    asset_class: str | None
    quantity: Exact
    cost_basis: Exact
    price: Exact
    value: Exact
    weight: float
    target_weight: float
    opened_on: date


class BacktestTrade(Output):
    session: date
    decided_on: date
    ticker: str
    side: Side
    quantity: Exact
    ordered_quantity: Exact = Field(description="Before cash or the daily volume cut it")
    reference_price: Exact
    price: Exact
    value: Exact
    fee: Exact
    net_amount: Exact
    cost: Exact = Field(description="Against trading at the reference price without fees")
    reason: str
    of_daily_value: float | None = Field(
        description="Its value over the average daily value traded; null where that is unknown"
    )


class BacktestDetails(Output):
    curve: list[CurvePoint]
    positions: list[BacktestPosition] = Field(description="What is held at the end")
    trades: list[BacktestTrade]


class Headline(Output):
    total_return: float | None
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float | None


class BacktestItem(Output):
    """A kept run in one line."""

    id: int
    market: str
    label: str | None
    source: BacktestSource
    sweep_id: int | None
    member: int | None
    first_session: date
    last_session: date
    data_version: UUID
    code_version: str
    headline: Headline
    created_at: datetime
    withdrawn_at: datetime | None
    withdrawn_reason: str | None


class BacktestRead(BacktestItem):
    spec: dict[str, Any] = Field(description="Everything that was asked for, defaults included")
    settings_hash: str = Field(description="The same for the same specification")
    repeated: bool = Field(description="It was run before on the same data: no further try")
    report: BacktestReport | None = Field(description="Null for a member of a sweep")
    curve: list[CurvePoint] | None
    positions: list[BacktestPosition] | None
    trades: list[BacktestTrade] | None


class IntervalRead(Output):
    low: float
    high: float
    confidence: float


class EvidenceRead(Output):
    """Whether a run can be believed, given all that was tried; Sharpe ratios are per year."""

    backtest_id: int
    market: str
    observations: int
    trials: int = Field(description="Runs made on this market, withdrawn ones too")
    distinct_trials: int = Field(description="Of these, counting nearly equal ones once")
    sharpe: float | None
    psr: float | None = Field(description="Probability that the true Sharpe ratio is above zero")
    expected_maximum: float | None = Field(
        description="The best Sharpe ratio that so many distinct trials show without skill"
    )
    dsr: float | None = Field(
        description="Deflated Sharpe ratio: probability that the true one is above that"
    )
    min_track_record: float | None = Field(
        description="Sessions that the Sharpe ratio needs to be above zero with confidence"
    )
    pbo: float | None = Field(description="Probability of backtest overfitting (CSCV)")
    confidence: float
    sharpe_interval: IntervalRead | None
    cagr_interval: IntervalRead | None
    drawdown_interval: IntervalRead | None
    reasons: Reasons


class DifferenceRead(Output):
    """First run less second, per year."""

    value: float | None
    error: float | None = Field(description="Its HAC standard error")
    lags: int
    p_value: float | None
    interval: IntervalRead | None
    reasons: Reasons


class ComparisonRead(Output):
    first: BacktestItem
    second: BacktestItem
    risk_free_rate: float = Field(description="Of the first run; both Sharpe ratios are over it")
    sessions: int = Field(description="That both runs have; only these are compared")
    only_first: int
    only_second: int
    correlation: float | None
    mean: DifferenceRead
    sharpe: DifferenceRead
    reasons: Reasons
