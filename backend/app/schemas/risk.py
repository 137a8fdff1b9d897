"""Risk. What cannot be computed is null, and `reasons` says why by field."""

from datetime import date as Day  # noqa: N812 the field of this name hides the type

from pydantic import Field

from app.quant.stop_loss import VixRegime
from app.schemas.base import Exact, Output
from app.schemas.market import AsOf
from app.schemas.performance import Reasons
from app.schemas.risk_parts import (
    ClassShockRead,
    Concentration,
    CorrelationsRead,
    FactorRiskRead,
    FactorShockRead,
    LiquidityRead,
    ReplayRead,
    RiskContribution,
    SeriesRiskRead,
    StopRung,
)
from app.schemas.stop import StopsRead
from app.schemas.trace import Trace

REGIMES = "low, normal or high by its close; unknown without a fresh one"


class VixRead(Output):
    """The volatility index as of the market's latest session, and the stop that follows from it."""

    value: float | None = Field(description="The last close; null where there is none")
    date: Day | None = Field(description="The session of that close")
    sessions_old: int | None = Field(description="How many sessions before as_of that was")
    stale: bool = Field(description="Unknown or too old to decide anything")
    regime: VixRegime = Field(description=REGIMES)
    threshold: float = Field(description="The fall that stops a position out", examples=[0.12])
    warning: str | None = Field(description="Why the index does not decide the threshold, if so")


class PositionRisk(Output):
    """One position against its stop. Falls are positive fractions of the price they start from."""

    ticker: str = Field(examples=["SPY"])
    name: str | None
    weight: float = Field(description="Its part of the portfolio's total value")
    market_value: Exact
    price: Exact
    price_date: Day
    stale_price: bool = Field(description="Not of as_of: the stop does not act on it")
    drawdown: float | None = Field(description="Fall from the entry price, or the highest close")
    stop_price: Exact = Field(description="A close at or below it sells the position")
    distance_to_stop: float | None = Field(description="Threshold less drawdown")
    at_risk: bool = Field(description="Within the last fifth of the way to the stop")
    reasons: Reasons


class HoldingRisk(AsOf):
    """The risk of holding the weights of as_of, measured over their ETFs' last 252 sessions.

    Value at risk and CVaR are daily returns of the portfolio: losses are negative. Null where it is
    not known what was held; then `own`, of the returns that were made, is all there is.
    """

    total_value: Exact | None
    cash_weight: float | None = Field(description="Null for a portfolio that is worth nothing")
    vix: VixRead
    trailing_stop: bool = Field(description="Falls count from the highest close since entry")
    positions: list[PositionRisk] | None = Field(description="By ticker")
    at_risk: list[str] = Field(description="Tickers close to their stop, or past it")
    stop_ladder: list[StopRung] | None = Field(description="What would fire after which fall")
    portfolio_drawdown: float | None = Field(
        description="Fall of the time-weighted growth from its highest, as a positive fraction"
    )
    observations: int = Field(description="Sessions on which every position had a return")
    volatility: float | None = Field(description="Yearly")
    benchmark: str = Field(description="What beta is measured against", examples=["SPY"])
    beta: float | None
    beta_error: float | None = Field(description="Its HAC standard error")
    var_95: float | None
    var_99: float | None
    cvar_95: float | None
    cvar_99: float | None
    concentration: Concentration
    contributions: list[RiskContribution] | None = Field(description="By ticker")
    held: SeriesRiskRead = Field(description="Of today's weights held through their ETFs' past")
    own: SeriesRiskRead = Field(description="Of the returns that were really made")
    correlations: CorrelationsRead | None
    factor_risk: FactorRiskRead | None
    liquidity: LiquidityRead | None
    replays: list[ReplayRead] | None = Field(description="Past crises, oldest first")
    class_shocks: list[ClassShockRead] | None
    factor_shocks: list[FactorShockRead] | None
    reasons: Reasons
    trace: Trace


class RiskRead(HoldingRisk):
    portfolio_id: int
    total_value: Exact
    positions: list[PositionRisk] = Field(description="By ticker")
    stops: StopsRead = Field(description="Every stop, and whether it would fire now")


class BacktestRiskRead(HoldingRisk):
    """Of what a backtest held at its end, and of the returns it made; as_of is its last session."""

    backtest_id: int
    notes: list[str]


class SeriesRiskAnswer(Output):
    """The part of it that a series of returns allows."""

    name: str | None
    prices: AsOf | None = Field(description="Of the benchmark; null without one")
    start: Day
    end: Day
    drawdown: float | None = Field(description="At the end, as a positive fraction")
    benchmark: str | None
    beta: float | None = Field(description="Over the last 252 sessions of the series")
    beta_error: float | None
    own: SeriesRiskRead
    reasons: Reasons
    trace: Trace


class VixOnDate(Output):
    date: Day
    close: float
    regime: VixRegime


class VixHistory(AsOf):
    symbol: str = Field(examples=["VIX"])
    current: VixRead
    history: list[VixOnDate] = Field(description="Newest first, up to as_of")
