"""Factor research. What cannot be computed is null, and `reasons` says why by field."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from app.quant.factors.registry import REGISTRY
from app.quant.factors.settings import FACTORS
from app.quant.periods import Period
from app.quant.research.forward import Entry
from app.quant.research.study import HORIZONS, QUANTILES
from app.schemas.base import Input, Output
from app.schemas.market import AsOf
from app.schemas.performance import Reasons
from app.schemas.trace import Trace

COMPOSITE = "composite"
FactorName = StrEnum("FactorName", {name: name for name in (*REGISTRY, COMPOSITE)})  # type: ignore[misc]
OtherName = StrEnum("OtherName", {name: name for name in REGISTRY})  # type: ignore[misc]

Horizon = Annotated[int, Field(ge=1, le=504)]


def _ascending(horizons: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(horizons)))


def _once_each(names: tuple[OtherName, ...]) -> tuple[OtherName, ...]:
    return tuple(dict.fromkeys(names))


class FactorQuestion(Input):
    """How a factor is examined."""

    model_config = ConfigDict(strict=False)

    market: Annotated[str, Field(pattern="^[a-z]{1,32}$", examples=["demo"])] | None = Field(
        None, description="`us` or `demo`; left out: `us` once it has data, `demo` until then."
    )
    period: Period = Field(
        Period.ALL, description="Sessions with a score, counted back from the last close"
    )
    horizons: Annotated[
        tuple[Horizon, ...],
        AfterValidator(_ascending),
        Field(min_length=1, max_length=8, description="In sessions; as often as needed"),
    ] = HORIZONS
    quantiles: int = Field(QUANTILES, ge=2, le=20)
    others: Annotated[
        tuple[OtherName, ...],
        AfterValidator(_once_each),
        Field(max_length=8, description="Factors it is examined together with"),
    ] = tuple(OtherName(name) for name in FACTORS)
    entry: Entry = Field(
        Entry.NEXT_CLOSE, description="At which price of the session after the score to enter"
    )
    capital: Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)] = Field(
        1_000_000.0, description="USD on each side of the spread: what market impact depends on"
    )
    series: bool = Field(
        default=False, description="Also answer rank IC and spread of every session"
    )


class AverageRead(Output):
    """A mean over sessions. Its error allows for returns that overlap, `low` to `high` is its 95 %
    interval."""

    sessions: int
    lags: int = Field(description="Of the autocovariances that the error counts")
    mean: float | None
    deviation: float | None = Field(description="Standard deviation over the sessions")
    ratio: float | None = Field(description="Mean over deviation, not annualised")
    error: float | None
    t: float | None
    low: float | None
    high: float | None
    reasons: Reasons


class QuantileRead(Output):
    number: int = Field(description="1 has the lowest scores")
    etfs: float | None
    returns: AverageRead
    excess: AverageRead
    reasons: Reasons


class MonotonicityRead(Output):
    rank_correlation: float | None
    p_value: float | None = Field(description="Small: returns rise at every step")
    reasons: Reasons


class NetOfCostRead(Output):
    """Of sessions with a portfolio of a horizon before, whose positions are traded into today's."""

    net: AverageRead
    traded: float | None = Field(description="Both sides together, as a multiple of the capital")
    cost: float | None
    break_even: float | None = Field(description="0.001: 10 basis points of the value traded")
    reasons: Reasons


class CoefficientRead(Output):
    factor: str
    alone: AverageRead
    together: AverageRead


class InteractionRead(Output):
    other: str
    cells: list[list[float | None]] = Field(
        description="By third of the other factor, then of this one; lowest first"
    )
    spreads: list[AverageRead] = Field(description="By third of the other factor")
    difference: AverageRead


class HorizonRead(Output):
    horizon: int
    sessions: int
    incomplete: int
    too_few: int
    ended: int
    ic: AverageRead
    ic_positive: float | None
    quantiles: list[QuantileRead]
    spread: AverageRead
    spread_yearly: float | None
    monotonicity: MonotonicityRead
    after_costs: NetOfCostRead
    coefficients: list[CoefficientRead] = Field(
        description="Fama and MacBeth: the return of one standard deviation more of the factor"
    )
    interactions: list[InteractionRead]
    reasons: Reasons


class LagRead(Output):
    lag: int
    sessions: int
    autocorrelation: float | None
    turnover_bottom: float | None
    turnover_top: float | None
    reasons: Reasons


class PersistenceRead(Output):
    half_life: float | None
    lags: list[LagRead]
    reasons: Reasons


class CorrelationsRead(Output):
    factors: list[str]
    matrix: list[list[float | None]]


class PartHorizonRead(Output):
    horizon: int
    ic: AverageRead
    spread: AverageRead


class AssetClassRead(Output):
    """ETFs of one class, ranked among themselves."""

    asset_class: str
    sessions: int = Field(description="With enough ETFs for a figure")
    etfs: float | None
    horizons: list[PartHorizonRead]


class RegimeRead(Output):
    """Sessions on whose close the volatility index was in one regime."""

    regime: str = Field(examples=["high"])
    sessions: int
    spells: int = Field(description="How many times in a row of sessions it came")
    etfs: float | None
    horizons: list[PartHorizonRead]


class SessionRead(Output):
    """By horizon, in their order; null where there is no figure."""

    session: date
    ic: list[float | None]
    spread: list[float | None]


class FactorResearchRead(AsOf):
    factor: str
    about: str
    period: Period
    start: date = Field(description="The first session whose scores are examined")
    end: date = Field(description="The last")
    entry: Entry
    quantiles: int
    sessions: int
    etfs: float | None
    unfilled: int
    horizons: list[HorizonRead]
    persistence: PersistenceRead
    correlations: CorrelationsRead
    asset_classes: list[AssetClassRead]
    regimes: list[RegimeRead]
    series: list[SessionRead] | None = Field(description="Null unless asked for")
    notes: list[str]
    trace: Trace
