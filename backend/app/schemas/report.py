"""Everything a report is made of, gathered at one moment; and the series that can be exported."""

from datetime import date, datetime

from pydantic import Field

from app.quant.costs import Side
from app.schemas.attribution import AttributionRead, BacktestAttributionRead
from app.schemas.backtest import BacktestRead, EvidenceRead
from app.schemas.base import Exact, Input, Output
from app.schemas.blend import BlendText
from app.schemas.data import MarketStatus
from app.schemas.performance import BacktestPerformanceRead, PerformanceRead, Reasons
from app.schemas.performance_asked import SpanAsked
from app.schemas.risk import BacktestRiskRead, RiskRead


class ReportAsked(SpanAsked):
    """Of which stretch of a portfolio's life, and against what."""

    benchmark: BlendText | None = Field(
        None, description="Left out: the portfolio's own, or the market's"
    )


class NothingAsked(Input):
    """A question without options."""


class Traded(Output):
    """One trade of a portfolio: its value at the fill, and its cost against the price that it was
    decided at, fees included."""

    session: date
    ticker: str
    side: Side
    value: Exact
    cost: Exact


class EpisodeRead(Output):
    """A known crisis that lies within the period, as it was lived through."""

    name: str = Field(examples=["2020"])
    what: str
    start: date = Field(description="The close it begins at")
    end: date
    value: float | None
    benchmark: float | None


class ClassWeights(Output):
    name: str
    weights: list[float]


class WeightsRead(Output):
    """What each session began with: a weight for each session and asset class, and of cash."""

    sessions: list[date]
    classes: list[ClassWeights] = Field(description="The largest on average first, cash last")


class Lived(Output):
    """What portfolios and backtests have in common."""

    episodes: list[EpisodeRead]
    weights: WeightsRead | None
    data: MarketStatus
    made_at: datetime
    reasons: Reasons


class PortfolioFindings(Lived):
    name: str
    performance: PerformanceRead
    attribution: AttributionRead
    risk: RiskRead
    trades: list[Traded]


class BacktestFindings(Lived):
    run: BacktestRead
    performance: BacktestPerformanceRead
    attribution: BacktestAttributionRead
    evidence: EvidenceRead
    risk: BacktestRiskRead


class RollingPoint(Output):
    """Figures of the sessions of a window, which ends with this one."""

    session: date
    total_return: float | None
    volatility: float | None
    sharpe: float | None
    max_drawdown: float | None
    beta: float | None


class ReturnPart(Output):
    """The parts of `positions` add up to the total return, so do those of `factors`; those of
    `asset_classes` to what it is above the benchmark's."""

    account: str = Field(examples=["positions"])
    part: str = Field(examples=["SPY"])
    contribution: float


class FactorExposure(Output):
    """What a session began with; `market`, `unscored` and `cash` are among the factors."""

    session: date
    factor: str
    exposure: float


class ClassWeight(Output):
    """What a session began with; cash is a class."""

    session: date
    asset_class: str
    weight: float


class SeriesRead(Output):
    """A series that can be taken away as a table."""

    name: str
    title: str
    columns: list[str]
