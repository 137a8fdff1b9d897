from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from app.quant.backtest import exact

LARGE = st.integers(0, 2**62 - 1)
DIVISOR = st.integers(1, 2**50)
AMOUNT = st.integers(0, 10**13)
PRICE = st.integers(1, 10**10)


@given(LARGE, LARGE, LARGE, LARGE)
def test_products_beyond_64_bits_are_compared_exactly(a: int, b: int, c: int, d: int) -> None:
    difference = a * b - c * d
    assert exact.compare_products(a, b, c, d) == (difference > 0) - (difference < 0)
    assert exact.compare_products(a, b, b, a) == 0


@given(AMOUNT, AMOUNT, DIVISOR)
def test_a_quotient_is_rounded_down_and_its_remainder_is_what_is_left(
    a: int, b: int, c: int
) -> None:
    if a * b // c < 2**61:
        assert exact.quotient(a, b, c) == divmod(a * b, c)


@given(st.integers(0, 10**12), st.integers(0, 10**9), st.integers(1, 10**12))
def test_rounding_is_half_to_even(a: int, b: int, c: int) -> None:
    assert exact.half_even(a, b, c) == round(Fraction(a * b, c))


@given(st.integers(0, 10**8), st.integers(0, 10**6))
def test_ties_go_to_the_even_neighbour(whole: int, shift: int) -> None:
    assert exact.half_even(2 * whole + 1, shift * 2 + 1, 2) == round(
        Fraction((2 * whole + 1) * (shift * 2 + 1), 2)
    )


@given(AMOUNT, PRICE)
def test_cents_are_those_of_the_decimal_arithmetic(quantity: int, price: int) -> None:
    exactly = Decimal(quantity).scaleb(-6) * Decimal(price).scaleb(-6)
    assert exact.cents_of(quantity, price) == int(
        exactly.quantize(Decimal("0.01"), ROUND_HALF_EVEN).scaleb(2)
    )


@given(AMOUNT, PRICE)
def test_a_value_is_split_into_micros_and_a_rest(quantity: int, price: int) -> None:
    micros, rest = exact.value_of(quantity, price)
    assert Fraction(micros) + Fraction(rest, 10**6) == Fraction(quantity * price, 10**6)
    assert micros == floor(Fraction(quantity * price, 10**6))
