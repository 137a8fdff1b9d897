"""Exact amounts: cents, shares and prices, and the one rounding rule (half-even)."""

from decimal import ROUND_HALF_EVEN, Decimal

CENT = Decimal("0.01")
MICRO = Decimal("0.000001")
"""The smallest share of an ETF and the smallest step of a price."""

ZERO = Decimal(0)


def to_cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_EVEN)


def to_micros(amount: Decimal) -> Decimal:
    """Shares and prices have six decimals."""
    return amount.quantize(MICRO, ROUND_HALF_EVEN)


def price_of(close: float) -> Decimal:
    """The one step from a market statistic to a price that money changes hands at."""
    return to_micros(Decimal(repr(float(close))))


def market_value(quantity: Decimal, price: Decimal) -> Decimal:
    return to_cents(quantity * price)


def plain(value: Decimal) -> str:
    """Digits without exponent, as JSON carries them."""
    return f"{value:f}"
