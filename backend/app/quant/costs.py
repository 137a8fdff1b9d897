"""What trading costs: one model for the optimizer, the estimate, the paper fill and the backtest.

Two kinds of brick add up to a `CostModel`. A *friction* moves the fill price against the trader, as
a fraction of the reference price: half-spread, slippage, square-root impact. A *fee* is charged
beside the fill, in money: commission, regulatory fees on sales. Every brick says its cost twice:
exactly, in `Decimal`, for one order (`rate`, `charge`), and in floats for arrays of trades
(`rates`, `charges`), where statistics decide and no money changes hands.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from enum import StrEnum
from functools import reduce
from typing import Protocol

import numpy as np

from app.quant.panel import FloatArray

CENT = Decimal("0.01")
PRICE_STEP = Decimal("0.000001")
ZERO = Decimal(0)

IMPACT = Decimal("0.1")

MAX_MOVE = Decimal("0.5")
"""Frictions together never move a price by more than half of it, however absurd the order."""

TOO_LARGE = Decimal(10**12)
"""Quantities and prices are stored as numeric(18,6)."""

# Wide enough that a product of three stored numbers is exact: each result is rounded once.
EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True, slots=True)
class Liquidity:
    """How an ETF trades: daily volatility as a fraction, average daily value in money.

    None where unknown; an average of zero says nothing about impact and counts as unknown.
    """

    daily_volatility: Decimal | None = None
    daily_value: Decimal | None = None

    @classmethod
    def measured(cls, daily_volatility: float, daily_value: float) -> "Liquidity":
        """From statistics: NaN, infinite, zero or negative is unknown."""
        return cls(_known(daily_volatility, 10), _known(daily_value, 2))


UNKNOWN = Liquidity()


@dataclass(frozen=True, slots=True)
class Order:
    """One order before its fill: whole or fractional shares at a reference price."""

    side: Side
    quantity: Decimal
    reference: Decimal
    liquidity: Liquidity = UNKNOWN

    def __post_init__(self) -> None:
        for name, value in (("quantity", self.quantity), ("reference", self.reference)):
            # In this order: what is not finite cannot be compared, what is huge not quantized.
            clean = value.is_finite() and 0 < value < TOO_LARGE
            if not clean or value != value.quantize(PRICE_STEP):
                raise ValueError(
                    f"{name} must be positive, below {TOO_LARGE:f}, with at most 6 decimals"
                )


@dataclass(frozen=True, slots=True)
class Trades:
    """Many trades as statistics, aligned arrays: `value` in money, positive buys, negative sells.

    `daily_volatility`, `daily_value` and `price` are NaN where unknown. Commission per share needs
    `price`.
    """

    value: FloatArray
    daily_volatility: FloatArray
    daily_value: FloatArray
    price: FloatArray


@dataclass(frozen=True, slots=True)
class Fill:
    """What an order did.

    `gross` is quantity times price, rounded once to cents; `net` is the signed change of cash:
    -(gross + fee) for a buy, gross - fee for a sale.
    """

    side: Side
    quantity: Decimal
    reference: Decimal
    price: Decimal
    gross: Decimal
    fee: Decimal
    net: Decimal

    @property
    def cost(self) -> Decimal:
        """Paid against trading at the reference without fees, in cents."""
        with localcontext(EXACT):
            slipped = abs(self.price - self.reference) * self.quantity
            return (slipped + self.fee).quantize(CENT)


class Friction(Protocol):
    """A fraction of the reference price, never negative; a sale moves it as far as a purchase."""

    def rate(self, order: Order) -> Decimal: ...

    def rates(self, trades: Trades) -> FloatArray: ...


class Fee(Protocol):
    """Money beside the fill, never negative. `proportional` is its part that grows with the
    value traded, as a fraction of it: what a quadratic program can weigh."""

    def charge(self, order: Order, gross: Decimal) -> Decimal: ...

    def charges(self, trades: Trades) -> FloatArray: ...

    def proportional(self, trades: Trades) -> FloatArray: ...


@dataclass(frozen=True, slots=True)
class Proportional:
    """The same fraction of every trade: half-spread, slippage, or both together."""

    fraction: Decimal

    def rate(self, order: Order) -> Decimal:  # noqa: ARG002 - every order pays alike
        return self.fraction

    def rates(self, trades: Trades) -> FloatArray:
        return np.full(len(trades.value), float(self.fraction))


@dataclass(frozen=True, slots=True)
class SquareRootImpact:
    """`k·sigma·√(order value / average daily value)` (Almgren et al., 2005; Tóth et al., 2011).

    The order value is quantity times reference. Nothing where volatility or volume is unknown.
    """

    coefficient: Decimal = IMPACT

    def rate(self, order: Order) -> Decimal:
        volatility, daily_value = order.liquidity.daily_volatility, order.liquidity.daily_value
        if not volatility or not daily_value:
            return ZERO
        share = order.quantity * order.reference / daily_value
        return self.coefficient * volatility * share.sqrt()

    def rates(self, trades: Trades) -> FloatArray:
        known = (trades.daily_value > 0.0) & (trades.daily_volatility > 0.0)
        share = np.abs(trades.value) / np.where(known, trades.daily_value, np.inf)
        volatility = np.where(known, trades.daily_volatility, 0.0)
        return float(self.coefficient) * volatility * np.sqrt(share)


@dataclass(frozen=True, slots=True)
class PerOrder:
    """The same commission for every order."""

    amount: Decimal = Decimal(1)

    def charge(self, order: Order, gross: Decimal) -> Decimal:  # noqa: ARG002 - a flat fee
        return self.amount

    def charges(self, trades: Trades) -> FloatArray:
        return np.where(trades.value == 0.0, 0.0, float(self.amount))

    def proportional(self, trades: Trades) -> FloatArray:
        return np.zeros(len(trades.value))


@dataclass(frozen=True, slots=True)
class PerShare:
    """Commission per share, at least `minimum`, at most `cap` times the value; the cap wins."""

    amount: Decimal
    minimum: Decimal = ZERO
    cap: Decimal | None = None

    def charge(self, order: Order, gross: Decimal) -> Decimal:
        least = max(self.minimum, order.quantity * self.amount)
        return least if self.cap is None else min(least, self.cap * gross)

    def charges(self, trades: Trades) -> FloatArray:
        value = np.abs(trades.value)
        least = np.maximum(float(self.minimum), value / trades.price * float(self.amount))
        capped = least if self.cap is None else np.minimum(least, float(self.cap) * value)
        return np.where(trades.value == 0.0, 0.0, capped)

    def proportional(self, trades: Trades) -> FloatArray:
        rates = float(self.amount) / trades.price
        return rates if self.cap is None else np.minimum(rates, float(self.cap))


@dataclass(frozen=True, slots=True)
class SaleFee:
    """A regulatory fee as a fraction of the value sold; buys are free."""

    fraction: Decimal

    def charge(self, order: Order, gross: Decimal) -> Decimal:
        return self.fraction * gross if order.side is Side.SELL else ZERO

    def charges(self, trades: Trades) -> FloatArray:
        return float(self.fraction) * np.maximum(-trades.value, 0.0)

    def proportional(self, trades: Trades) -> FloatArray:
        return np.where(trades.value < 0.0, float(self.fraction), 0.0)


@dataclass(frozen=True, slots=True)
class CostModel:
    """The sum of its bricks. The default: $1 per order, 5 bp of spread and slippage, impact."""

    frictions: tuple[Friction, ...] = (Proportional(Decimal("0.0005")), SquareRootImpact())
    fees: tuple[Fee, ...] = (PerOrder(),)

    def fill(self, order: Order) -> Fill:
        """What `order` fills at: buys above, sales below the reference, never at zero or less.

        Price to 6 decimals, gross and fee to cents, each rounded half-even once from an exact
        value; an estimate and the fill that follows it are the same arithmetic. A small sale can
        bring less than its fee: its net is negative then.
        """
        buys = order.side is Side.BUY
        with localcontext(EXACT):
            move = min(sum((brick.rate(order) for brick in self.frictions), ZERO), MAX_MOVE)
            price = order.reference * (1 + move if buys else 1 - move)
            price = max(price.quantize(PRICE_STEP), PRICE_STEP)
            gross = (order.quantity * price).quantize(CENT)
            fee = sum((brick.charge(order, gross) for brick in self.fees), ZERO).quantize(CENT)
            net = -(gross + fee) if buys else gross - fee
        return Fill(order.side, order.quantity, order.reference, price, gross, fee, net)

    def rates(self, trades: Trades) -> FloatArray:
        """How far each trade moves its price, as a fraction of the reference."""
        return np.minimum(
            _sum([brick.rates(trades) for brick in self.frictions], trades), float(MAX_MOVE)
        )

    def expected(self, trades: Trades) -> FloatArray:
        """Expected cost in money of each trade; nothing for a trade of nothing."""
        fees = _sum([brick.charges(trades) for brick in self.fees], trades)
        return np.abs(trades.value) * self.rates(trades) + fees

    def proportional(self, trades: Trades) -> tuple[FloatArray, FloatArray]:
        """Cost per unit of value of purchases, and of sales, of these sizes, without what is fixed
        per order."""
        rates = self.rates(trades)
        sales = replace(trades, value=-trades.value)
        return (
            _sum([rates, *(brick.proportional(trades) for brick in self.fees)], trades),
            _sum([rates, *(brick.proportional(sales) for brick in self.fees)], trades),
        )


FREE = CostModel(frictions=(), fees=())


def _sum(parts: Sequence[FloatArray], trades: Trades) -> FloatArray:
    return reduce(np.add, parts) if parts else np.zeros(len(trades.value))


def _known(statistic: float, decimals: int) -> Decimal | None:
    if not np.isfinite(statistic) or statistic <= 0.0:
        return None
    return Decimal(f"{float(statistic):.{decimals}f}") or None
