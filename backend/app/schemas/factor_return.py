"""What a market's factors returned, and whether it was chance."""

from datetime import date
from typing import Annotated

from pydantic import Field

from app.quant.periods import Period
from app.schemas.base import Output
from app.schemas.market import AsOf
from app.schemas.performance import Reasons
from app.schemas.performance_asked import SpanAsked
from app.schemas.portfolio import MarketName
from app.schemas.settings import Lax
from app.schemas.trace import Trace


class FactorReturnsAsked(SpanAsked):
    """Of which market and stretch, and which of its sessions are listed, newest first."""

    market: MarketName | None = Field(
        None, description="`us` or `demo`; left out: `us` once it has data, `demo` until then."
    )
    limit: Annotated[int, Lax, Field(ge=1, le=1000, description="How many at most")] = 252
    offset: Annotated[int, Lax, Field(ge=0, le=2**31 - 1, description="How many to pass over")] = 0

    @property
    def options(self) -> str:
        """As they are typed, but for the market's."""
        values = self.model_dump(mode="json", include={"start", "end"}, exclude_none=True)
        if self.start is None:
            values["period"] = self.period or Period.ALL
        return "".join(f" --{name} {value}" for name, value in values.items())


class Premium(Output):
    """A factor over the period; the market is the first."""

    name: str = Field(examples=["momentum"])
    observations: int = Field(description="Sessions with a return of the factor")
    cumulative: float | None = Field(description="Compounded over the sessions")
    mean: float | None = Field(description="Of a year of 252 sessions")
    volatility: float | None
    error: float | None = Field(description="Of the mean: HAC standard error")
    mean_t: float | None = Field(description="The mean over its error")
    lags: int = Field(description="Sessions that the error allows to remember each other")
    reasons: Reasons


class SessionReturn(Output):
    value: float | None = Field(description="Null where the factor was unknown for every ETF")
    t: float | None = Field(description="Of this session's regression")
    cumulative: float = Field(description="Compounded since the start of the period")


class SessionReturns(Output):
    session: date
    observations: int = Field(description="ETFs that were scored the day before, with a return")
    r_squared: float | None
    factors: dict[str, SessionReturn]


class FactorReturnsRead(AsOf):
    """Daily regressions of the scored ETFs' returns on their scores of the close before.

    `market` is the intercept. A score unknown for one ETF counts as 0, the mean.
    """

    period: Period | None = Field(description="Null for the days from a start on")
    start: date | None = Field(description="The first session of the period with returns")
    end: date | None
    sessions: int
    factors: list[Premium]
    series: list[SessionReturns] = Field(description="Newest first, as many as asked for")
    reasons: Reasons
    trace: Trace
