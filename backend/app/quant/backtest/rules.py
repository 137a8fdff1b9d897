"""The rules a simulated portfolio lives by, and when it is asked what they want."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from app.quant.construction import ConstructionSettings
from app.quant.costs import CostModel, PerOrder, Proportional, SquareRootImpact
from app.quant.drift import DriftPolicy
from app.quant.errors import QuantError
from app.quant.exposure import ExposurePolicy
from app.quant.orders import OrderSettings
from app.quant.panel import BoolArray, IntArray
from app.quant.stop_loss import StopPolicy


class Fills(StrEnum):
    """Where an order that was decided at a close fills."""

    NEXT_OPEN = "next_open"
    NEXT_CLOSE = "next_close"


@dataclass(frozen=True, slots=True)
class Dividends:
    """Credited on the ex-date or when paid; `withholding` is the fraction kept as tax."""

    on_pay_date: bool = False
    withholding: float = 0.0
    reinvest: bool = False


@dataclass(frozen=True, slots=True)
class TradingRules:
    """`stops_sell` is off where stops only alert. `volume_share` is the part of the median daily
    volume that one order takes in one session; a larger one is cut, or refused. `cash_yield` is the
    yearly interest on cash; what is finer than a millionth is not counted."""

    construction: ConstructionSettings = field(default_factory=ConstructionSettings)
    drift: DriftPolicy = field(default_factory=DriftPolicy)
    orders: OrderSettings = field(default_factory=OrderSettings)
    stops: StopPolicy = field(default_factory=StopPolicy)
    stops_sell: bool = True
    exposure: ExposurePolicy = field(default_factory=ExposurePolicy)
    dividends: Dividends = field(default_factory=Dividends)
    volume_share: float = 0.10
    refuse_oversized: bool = False
    fills: Fills = Fills.NEXT_OPEN
    cash_yield: float = 0.0


@dataclass(frozen=True, slots=True)
class Timetable:
    """The columns of the panel from `first` to `last` are lived through.

    `asks` marks the columns at whose close the rules are asked what they want; with `by_drift` they
    are also asked when the book has left the bands around its last targets. `interest_days` are the
    calendar days since the session before each column. `flows` is money paid in or out at the
    opening of a column, in USD.
    """

    first: int
    last: int
    asks: BoolArray
    interest_days: IntArray
    by_drift: bool = False
    flows: Mapping[int, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Friction:
    """What a cost model takes, brick by brick summed up."""

    fraction: Decimal
    impact: Decimal
    commission: Decimal


def friction_of(costs: CostModel) -> Friction:
    """Raises QuantError for a brick that simulations do not know."""
    fraction = impact = commission = Decimal(0)
    for brick in (*costs.frictions, *costs.fees):
        match brick:
            case Proportional(part):
                fraction += part
            case SquareRootImpact(coefficient):
                impact += coefficient
            case PerOrder(amount):
                commission += amount
            case _:
                raise QuantError(f"Simulations do not know the cost {type(brick).__name__}.")
    return Friction(fraction, impact, commission)
