"""Fills of 100,000 random orders against fractions, with ties on purpose."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from app.quant.costs import CostModel, Order, PerOrder, Proportional, Side
from tests.statemachine import exact

TRIPLES = 100_000
SLIPPAGES = ("0", "0.0005", "0.0033", "0.000001")

Triple = tuple[Decimal, Decimal, Decimal, Decimal]
"""Quantity, reference price, fee and slippage."""


def test_no_fill_differs_from_its_closed_form_in_fractions() -> None:
    wrong = [
        (side, *triple)
        for triple in triples(Random(20_261_122))
        for side in Side
        if not agrees(side, *triple)
    ]
    assert wrong == []


def agrees(side: Side, quantity: Decimal, price: Decimal, fee: Decimal, slippage: Decimal) -> bool:
    model = CostModel((Proportional(slippage),), (PerOrder(fee),))
    got = model.fill(Order(side, quantity, price))
    costs = exact.Costs(Fraction(slippage), Fraction(fee))
    want = exact.fill(side, Fraction(quantity), Fraction(price), costs)
    signs = got.net <= 0 if side is Side.BUY else got.net == got.gross - got.fee
    said = tuple(Fraction(each) for each in (got.price, got.gross, got.fee, got.net))
    return signs and said == (want.price, want.gross, want.fee, want.net)


def triples(random: Random) -> Iterator[Triple]:
    """A quarter each of: whole shares, fractions, values on half a cent, prices on half a step."""
    for number in range(TRIPLES):
        slippage = Decimal(random.choice(SLIPPAGES))
        quantity = Decimal(random.randint(1, 10 ** random.randint(1, 7)))
        price = Decimal(random.randint(1, 10 ** random.randint(2, 10))) / 10**6
        fee = Decimal(random.randint(0, 5_000)) / 1_000
        match number % 4:
            case 1:
                quantity /= 10**6
            case 2:
                # An odd number of halves times an odd number of cents ends in half a cent.
                quantity = Decimal(2 * random.randint(0, 10**5) + 1) / 2
                price = Decimal(2 * random.randint(1, 10**5) + 1) / 100
                slippage = Decimal(0)
            case 3:
                # 0.0005 of an odd number of thousandths is half a millionth.
                price = Decimal(2 * random.randint(1, 10**6) + 1) / 1_000
                slippage = Decimal("0.0005")
        yield quantity, price, fee, slippage


@pytest.mark.parametrize(
    ("quantity", "gross"), [("0.5", "0.00"), ("1.5", "0.02"), ("2.5", "0.02"), ("3.5", "0.04")]
)
def test_half_a_cent_goes_to_the_even_cent(quantity: str, gross: str) -> None:
    fill = CostModel((), ()).fill(Order(Side.BUY, Decimal(quantity), Decimal("0.01")))
    assert (fill.gross, fill.net) == (Decimal(gross), -Decimal(gross))
