"""Exact money in 64-bit integers: cents of cash, millionths of a share, millionths of a dollar.

Compiled twins of the decimal arithmetic elsewhere, with its one rounding rule: half to even, once.
A product of two such numbers may need 128 bits and is never formed whole. A quotient is estimated
in floats, then set right by its remainder: that is small, so it is right even though the product
that leads to it wraps around.

Arguments are integers from 0 to below 2**62.
"""

from app.quant.backtest.units import CENT_MICROS, SHARE
from app.quant.compiled import exactly

LIMB = 31
LIMB_MASK = (1 << LIMB) - 1


@exactly
def product(a: int, b: int) -> tuple[int, int]:
    """a·b as high·2**62 + low, low below 2**62."""
    a_high, a_low = a >> LIMB, a & LIMB_MASK
    b_high, b_low = b >> LIMB, b & LIMB_MASK
    lowest = a_low * b_low
    middle = a_high * b_low + b_high * a_low + (lowest >> LIMB)
    low = ((middle & LIMB_MASK) << LIMB) | (lowest & LIMB_MASK)
    return a_high * b_high + (middle >> LIMB), low


@exactly
def compare_products(a: int, b: int, c: int, d: int) -> int:
    """The sign of a·b - c·d."""
    left_high, left_low = product(a, b)
    right_high, right_low = product(c, d)
    if left_high != right_high:
        return 1 if left_high > right_high else -1
    if left_low != right_low:
        return 1 if left_low > right_low else -1
    return 0


@exactly
def quotient(a: int, b: int, c: int) -> tuple[int, int]:
    """a·b divided by c > 0, rounded down, and the remainder. The quotient is below 2**62."""
    estimate = int(float(a) * float(b) / float(c))
    remainder = a * b - estimate * c
    off = remainder // c
    return estimate + off, remainder - off * c


@exactly
def half_even(a: int, b: int, c: int) -> int:
    """a·b divided by c > 0, rounded half to even."""
    whole, remainder = quotient(a, b, c)
    twice = remainder - (c - remainder)
    if twice > 0 or (twice == 0 and whole & 1):
        return whole + 1
    return whole


@exactly
def cents_of(quantity: int, price: int) -> int:
    """Millionths of a share at millionths of a dollar, in cents, rounded half to even."""
    micros, rest = value_of(quantity, price)
    cents = micros // CENT_MICROS
    left = micros - cents * CENT_MICROS
    above_half = left > CENT_MICROS // 2 or (left == CENT_MICROS // 2 and rest > 0)
    at_half = left == CENT_MICROS // 2 and rest == 0
    if above_half or (at_half and cents & 1):
        return cents + 1
    return cents


@exactly
def value_of(quantity: int, price: int) -> tuple[int, int]:
    """Millionths of a share at millionths of a dollar: millionths of a dollar, rounded down, and
    the rest in millionths of these."""
    shares = quantity // SHARE
    micros, rest = quotient(quantity - shares * SHARE, price, SHARE)
    return shares * price + micros, rest


@exactly
def price_micros(price: float) -> int:
    """A price above zero in millionths of a dollar."""
    return round(price * SHARE)
