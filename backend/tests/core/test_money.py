"""Amounts are rounded half-even, to cents or to millionths."""

from decimal import Decimal

import pytest

from app.core.money import market_value, to_cents, to_micros


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [("0.005", "0.00"), ("0.015", "0.02"), ("-0.125", "-0.12"), ("2.3549999", "2.35")],
)
def test_a_tie_goes_to_the_even_cent(exact: str, rounded: str) -> None:
    assert to_cents(Decimal(exact)) == Decimal(rounded)
    assert market_value(Decimal(1), Decimal(exact)) == Decimal(rounded)


def test_a_tie_goes_to_the_even_millionth() -> None:
    assert to_micros(Decimal("0.0000005")) == 0
    assert to_micros(Decimal("0.0000015")) == Decimal("0.000002")
