"""How performance is asked for: over which days, against what, and of which series."""

from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from app.quant.benchmarks import Rebalanced
from app.quant.performance import ROLLING_WINDOW
from app.quant.periods import Period
from app.schemas.base import Day, Input, Number, Text, exactly
from app.schemas.blend import BlendText
from app.schemas.portfolio import MarketName
from app.schemas.settings import Lax, PortfolioSettings, frozen

LONGEST_SERIES = 20_000
EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
"""As files of prices and factors may have them."""
DEFAULT_RATE: float = PortfolioSettings.model_fields["risk_free_rate"].default


class SpanAsked(Input):
    """Without `start` the period counts back from `end`, and that from the last value."""

    period: Annotated[Period | None, Lax] = Field(
        None, description="Left out: the whole life, or from `start` on", examples=["1Y"]
    )
    start: Annotated[Day, Lax] | None = Field(
        None, description="The close to begin at, or the last before it"
    )
    end: Annotated[Day, Lax] | None = Field(None, description="Left out: the last close")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.start is not None and self.period is not None:
            raise ValueError("give either period or start")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError("end must be after start")
        return self


class PerformanceAsked(SpanAsked):
    """Of which stretch, against what, and over how many sessions the rolling figures are."""

    benchmark: BlendText | None = None
    rebalanced: Annotated[Rebalanced, Lax] = Field(
        Rebalanced.DAILY, description="When a blend is put back to its weights"
    )
    window: Annotated[int, Lax, Field(ge=5, le=1260)] = Field(
        ROLLING_WINDOW, description="Sessions of the rolling figures"
    )


Value = Annotated[Decimal, *exactly(18, 6, gt=0)]
Paid = Annotated[Decimal, *exactly(18, 6)]
Return = Annotated[Number, Field(ge=-1, le=1000)]


class SeriesGiven(Input):
    """Daily closes of anything, with what was paid in or out, or its daily returns.

    With `values` the first date is where it begins. Each of the `returns` ended on its date; the
    first begins at the exchange session before.
    """

    name: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    dates: Annotated[tuple[Annotated[Day, Lax], ...], BeforeValidator(frozen)] = Field(
        min_length=2, max_length=LONGEST_SERIES, description="Ascending"
    )
    values: Annotated[tuple[Value, ...], BeforeValidator(frozen)] | None = None
    returns: Annotated[tuple[Return, ...], BeforeValidator(frozen)] | None = None
    flows: Annotated[tuple[Paid, ...], BeforeValidator(frozen)] | None = Field(
        None,
        description="Paid in (positive) or out, one for each of the values, at the start of the "
        "session that ends with it; the first is zero, for its value is where it begins",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = self.values if self.returns is None else self.returns
        if given is None or (self.values is not None and self.returns is not None):
            raise ValueError("give either values or returns")
        if len(given) != len(self.dates):
            raise ValueError(f"there are {len(self.dates)} dates and {len(given)} numbers")
        if any(later <= day for day, later in pairwise(self.dates)):
            raise ValueError("the dates must be ascending, each once")
        if self.dates[0] < EARLIEST or self.dates[-1] > LATEST:
            raise ValueError(f"the dates must lie between {EARLIEST} and {LATEST}")
        _require_daily(self.dates)
        if self.flows is not None:
            if self.values is None or len(self.flows) != len(self.dates):
                raise ValueError("flows need values, and one for each of them")
            if self.flows[0]:
                raise ValueError("the first flow must be zero: the first value is the beginning")
        return self


class SeriesIn(PerformanceAsked, SeriesGiven):
    """A series, and how its performance is asked for."""

    risk_free_rate: Annotated[Number, Field(ge=0, le=1)] = Field(DEFAULT_RATE, description="Yearly")
    market: MarketName | None = Field(
        None, description="Of the benchmark; left out: `us` once it has data, `demo` until then."
    )


MOST_DAYS_BETWEEN = 4


def _require_daily(dates: tuple[date, ...]) -> None:
    """Yearly figures are of 252 sessions a year: other steps would make them wrong."""
    gaps = sorted((later - day).days for day, later in pairwise(dates))
    if gaps[len(gaps) // 2] > MOST_DAYS_BETWEEN:
        raise ValueError("the series is not daily: yearly figures would be wrong")
