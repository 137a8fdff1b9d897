"""What made a return: parts that add up to it. What has no value is null, with its reason."""

from datetime import date
from uuid import UUID

from pydantic import Field

from app.schemas.base import Output
from app.schemas.blend import BlendPart, BlendText
from app.schemas.market import AsOf
from app.schemas.performance import PeriodRead, Reasons, SpanRead
from app.schemas.performance_asked import SpanAsked
from app.schemas.trace import Trace


class AttributionAsked(SpanAsked):
    """`benchmark` is what asset classes are held against, its weights restored every session; left
    out: its own, or the market's."""

    benchmark: BlendText | None = None

    @property
    def options(self) -> str:
        """As they are typed."""
        values = self.model_dump(mode="json", exclude_none=True)
        return "".join(f" --{name} {value}" for name, value in values.items())


class PositionPart(Output):
    ticker: str = Field(examples=["SPY"])
    name: str | None
    asset_class: str | None
    contribution: float = Field(description="Its dividends included, its trading costs not")


class FactorPart(Output):
    name: str = Field(examples=["momentum"])
    contribution: float
    exposure: float = Field(description="The mean over the sessions")
    latest_exposure: float = Field(description="With which the last session began")


class ExposurePoint(Output):
    """What one session began with: `market` is the weight of all that had a score."""

    session: date
    market: float
    factors: dict[str, float]
    unscored: float = Field(description="The weight of what was held without a score")
    cash: float


class FactorAttribution(Output):
    """`market`, the factors, `selection`, `cash` and `costs` add up to the total.

    Selection is what the ETFs earned beyond exposures times factor returns: of an ETF without a
    score all of it, and all of a session without factor returns.
    """

    market: float
    market_exposure: float = Field(description="The mean over the sessions")
    factors: list[FactorPart]
    selection: float
    cash: float
    costs: float
    unscored_weight: float = Field(description="The mean weight of what was held without a score")
    unexplained_sessions: int = Field(description="Sessions without factor returns")
    exposures: list[ExposurePoint] = Field(description="Oldest first")


class ClassPart(Output):
    """One asset class, or cash; the weights are means over the sessions."""

    asset_class: str = Field(examples=["Fixed income"])
    weight: float
    benchmark_weight: float
    allocation: float
    selection: float
    interaction: float


class ClassAttribution(Output):
    """All effects, `trading`, `interest` and `costs` add up to `active`."""

    benchmark: list[BlendPart]
    classes: list[ClassPart]
    allocation: float
    selection: float
    interaction: float
    trading: float = Field(description="What trades within a session made")
    interest: float = Field(description="Interest on cash, and rounding")
    costs: float
    benchmark_return: float
    active: float = Field(description="The total less the benchmark's return")


class Parts(Output):
    """What made the period's return, told four ways.

    The contributions of `positions`, `cash` and `costs` add up to `total`; so do the parts of
    `factors`; those of `asset_classes` add up to what `total` is above the benchmark. Days are
    linked by Carino's factors. What cannot be told is null, and `reasons` says why.
    """

    total: float | None = Field(description="The period's time-weighted return")
    positions: list[PositionPart] | None = Field(
        description="Every ETF held during the period, the largest contribution first"
    )
    cash: float | None = Field(description="What neither positions nor costs explain")
    costs: float | None = Field(description="Fees, spread, slippage and impact; 0 or negative")
    factors: FactorAttribution | None
    asset_classes: ClassAttribution | None
    reasons: Reasons
    trace: Trace


class AttributionRead(PeriodRead, Parts):
    """What made a portfolio's return in a period."""


class BacktestAttributionRead(AsOf, SpanRead, Parts):
    """What made the return of a kept run, lived through again on the same prices."""

    backtest_id: int
    data_version: UUID = Field(description="Of the prices that the run was made on")
