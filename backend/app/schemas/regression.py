"""Regressions of daily returns on published factors."""

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from app.market_data.factor_files import PUBLISHED
from app.quant.attribution.regression import FEWEST, WINDOW
from app.schemas.base import Output
from app.schemas.market import AsOf
from app.schemas.performance import Reasons
from app.schemas.performance_asked import SeriesGiven, SpanAsked
from app.schemas.portfolio import MarketName
from app.schemas.settings import Lax
from app.schemas.trace import Trace

SIX = "mkt_rf,smb,hml,rmw,cma,mom"
_NAME = f"({'|'.join(PUBLISHED)})"


def _once(text: str) -> str:
    names = text.split(",")
    if len(set(names)) < len(names):
        raise ValueError("name each factor once")
    return text


FactorNames = Annotated[
    str,
    StringConstraints(pattern=rf"^{_NAME}(,{_NAME}){{0,{len(PUBLISHED) - 1}}}$"),
    AfterValidator(_once),
    Field(
        description="; ".join(f"{name}: {about}" for name, about in PUBLISHED.items()),
        examples=[SIX],
    ),
]


class RegressionAsked(SpanAsked):
    """Of which stretch, on which factors, and how many sessions a rolling regression is of."""

    factors: FactorNames = SIX
    window: Annotated[int, Lax, Field(ge=FEWEST, le=2520, description="Of rolling regressions")] = (
        WINDOW
    )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.factors.split(","))

    @property
    def options(self) -> str:
        """As they are typed, those left out too: defaults may change."""
        values = self.model_dump(
            mode="json", include=set(RegressionAsked.model_fields), exclude_none=True
        )
        return "".join(f" --{name} {value}" for name, value in values.items())


class EtfRegressionAsked(RegressionAsked):
    """Of an ETF of a market."""

    market: MarketName | None = Field(
        None, description="`us` or `demo`; left out: `us` once it has data, `demo` until then."
    )


class SeriesRegressionIn(RegressionAsked, SeriesGiven):
    """A series, and how it is regressed."""


class Estimate(Output):
    """With its standard error (Newey and West), and the interval that covers it with 95 %."""

    name: str = Field(examples=["mom"])
    value: float
    error: float
    t: float | None
    p_value: float | None
    low: float
    high: float
    reasons: Reasons


class RollingEstimate(Output):
    value: float
    low: float
    high: float


class RollingPoint(Output):
    """The regression of the window that ends with a session; alpha is per year."""

    end: date
    alpha: float
    loadings: dict[str, RollingEstimate]


class Regressed(Output):
    """Daily returns over the risk-free rate, regressed on published factors.

    The factors are as published last, not as they were known then: publishers restate them.
    """

    subject: str = Field(
        description="What the returns are of",
        examples=["MTUM", "portfolio 1", "backtest 1", "series"],
    )
    factors: list[str]
    start: date | None = Field(description="The first session with a return and all factors")
    end: date | None
    published_until: date
    observations: int
    unmatched: int = Field(description="Sessions with a return that lack published factors")
    lags: int | None
    alpha: Estimate | None = Field(description="Per year: 252 times the intercept")
    loadings: list[Estimate] | None
    r_squared: float | None
    adjusted_r_squared: float | None
    residual_volatility: float | None = Field(description="Per year")
    window: int = Field(description="Sessions of a rolling regression")
    rolling: list[RollingPoint] | None = Field(description="Every 21 sessions, oldest first")
    reasons: Reasons
    trace: Trace


class RegressionRead(AsOf, Regressed):
    """Of a portfolio, a backtest or an ETF."""


class SeriesRegressionRead(Regressed):
    """Of a series that was sent along."""
