"""Gains of closed lots: shared proceeds, the year that makes a gain long, and wash sales."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant.gains import (
    Disposal,
    Purchase,
    Realised,
    Replacement,
    Term,
    gains,
    long_from,
    realise,
)
from app.quant.lots import ClosedLot

SOLD = date(2025, 6, 16)
BOUGHT = date(2024, 1, 2)
SPY, VOO, GLD = 1, 2, 3


def closed(number: int, quantity: str, cost: str, day: date = BOUGHT) -> ClosedLot:
    return ClosedLot(number, day, Decimal(quantity), Decimal(cost))


def sale(
    place: int, proceeds: str, *lots: ClosedLot, day: date = SOLD, scale: Fraction = Fraction(1)
) -> Disposal:
    return Disposal(place, SPY, day, Decimal(proceeds), lots, scale)


def bought(
    place: int, day: date, quantity: str, asset: int = SPY, scale: Fraction = Fraction(1)
) -> Purchase:
    return Purchase(place, asset, day, Decimal(quantity), scale)


def same_bet(one: int, other: int, on: date) -> bool:
    return {one, other} == {SPY, VOO}


def after(days: int) -> date:
    return SOLD + timedelta(days=days)


def only(found: tuple[Realised, ...]) -> Realised:
    (line,) = found
    return line


@pytest.mark.parametrize(
    ("acquired", "long"),
    [
        (date(2024, 1, 15), date(2025, 1, 16)),
        (date(2023, 12, 31), date(2025, 1, 1)),
        (date(2023, 2, 28), date(2024, 3, 1)),
        (date(2024, 2, 28), date(2025, 3, 1)),
        (date(2024, 2, 29), date(2025, 3, 1)),
        (date(2023, 3, 1), date(2024, 3, 2)),
    ],
)
def test_a_gain_is_long_from_the_day_after_a_year(acquired: date, long: date) -> None:
    assert long_from(acquired) == long
    lot = closed(1, "1", "1", acquired)
    terms = [only(realise(sale(2, "2", lot, day=day))).term for day in (long - ONE_DAY, long)]
    assert terms == [Term.SHORT, Term.LONG]


ONE_DAY = timedelta(days=1)


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)))
def test_the_year_has_its_days_and_later_purchases_are_long_later(acquired: date) -> None:
    assert 366 <= (long_from(acquired) - acquired).days <= 367
    assert long_from(acquired) <= long_from(acquired + ONE_DAY)


quantities = st.integers(1, 10**12).map(lambda n: Decimal(n).scaleb(-6))
amounts = st.integers(-(10**6), 10**12).map(lambda n: Decimal(n).scaleb(-2))


@given(amounts, st.lists(st.tuples(quantities, amounts.map(abs)), min_size=1, max_size=8))
def test_the_parts_of_the_proceeds_add_up_and_are_rounded_once(
    proceeds: Decimal, lots: list[tuple[Decimal, Decimal]]
) -> None:
    drawn = tuple(ClosedLot(n, BOUGHT, q, c) for n, (q, c) in enumerate(lots, start=1))
    lines = realise(Disposal(99, SPY, SOLD, proceeds, drawn))
    whole = sum((Fraction(lot.quantity) for lot in drawn), Fraction(0))
    assert [line.lot for line in lines] == list(drawn)
    assert sum((line.proceeds for line in lines), Decimal(0)) == proceeds
    assert sum((line.gain for line in lines), Decimal(0)) == proceeds - sum(
        (lot.cost for lot in drawn), Decimal(0)
    )
    for line in lines[:-1]:
        exact = Fraction(proceeds) * Fraction(line.lot.quantity) / whole
        assert Fraction(line.proceeds) == Fraction(round(exact * 100), 100)


def test_half_a_cent_goes_to_the_even_cent() -> None:
    lines = realise(sale(3, "0.05", closed(1, "1", "0"), closed(2, "1", "0")))
    assert [line.proceeds for line in lines] == [Decimal("0.02"), Decimal("0.03")]


LOSS = sale(9, "800", closed(1, "10", "1000"))
"""Ten shares sold for 200 less than they cost."""


@pytest.mark.parametrize(
    ("purchases", "replaced", "disallowed"),
    [
        ((), (), "0"),
        ((bought(10, after(30), "10"),), ((10, 10),), "200"),
        ((bought(10, after(31), "10"),), (), "0"),
        ((bought(8, after(-30), "10"),), ((8, 10),), "200"),
        ((bought(8, after(-31), "10"),), (), "0"),
        ((bought(10, after(0), "4"),), ((10, 4),), "80"),
        ((bought(10, after(5), "4"), bought(8, after(-5), "3")), ((8, 3), (10, 4)), "140"),
        ((bought(10, after(5), "40"), bought(8, after(-5), "3")), ((8, 3), (10, 7)), "200"),
        ((bought(10, after(5), "10", VOO),), ((10, 10),), "200"),
        ((bought(10, after(5), "10", GLD),), (), "0"),
    ],
)
def test_a_loss_is_washed_by_what_was_bought_within_thirty_days(
    purchases: tuple[Purchase, ...], replaced: tuple[tuple[int, int], ...], disallowed: str
) -> None:
    line = only(gains([LOSS], [bought(1, BOUGHT, "10"), *purchases], same_bet))
    assert line.replaced_by == tuple(Replacement(n, Decimal(q)) for n, q in replaced)
    assert line.disallowed == Decimal(disallowed)
    assert line.gain == -200


def test_a_gain_is_never_washed() -> None:
    gain = sale(9, "1000", closed(1, "10", "1000"))
    assert only(gains([gain], [bought(10, after(1), "10")], same_bet)).replaced_by == ()


def test_shares_sold_soon_after_they_were_bought_do_not_replace_themselves() -> None:
    """Not those sold, nor those of the same purchase that are left (Rev. Rul. 56-602)."""
    purchase = bought(8, after(-5), "25")
    loss = sale(9, "800", closed(8, "10", "1000", after(-5)))
    assert only(gains([loss], [purchase], same_bet)).disallowed == 0


def test_two_lots_sold_at_once_do_not_replace_each_other() -> None:
    purchases = [bought(7, after(-9), "10"), bought(8, after(-5), "10")]
    loss = sale(9, "1000", closed(7, "10", "900", after(-9)), closed(8, "10", "900", after(-5)))
    assert [line.disallowed for line in gains([loss], purchases, same_bet)] == [0, 0]


def test_what_was_sold_before_the_loss_replaces_nothing() -> None:
    purchases = [bought(1, BOUGHT, "10"), bought(7, after(-9), "10")]
    first = sale(8, "1000", closed(7, "6", "100", after(-9)), day=after(-2))
    line = gains([first, LOSS], purchases, same_bet)[1]
    assert line.replaced_by == (Replacement(7, Decimal(4)),)
    assert line.disallowed == 80


def test_what_could_replace_a_sale_is_looked_for_once_however_many_lots_it_closes() -> None:
    asked: list[int] = []

    def is_twin(_: int, other: int, __: date) -> bool:
        asked.append(other)
        return True

    lots = [closed(number, "1", "100", after(-40)) for number in range(1, 51)]
    purchases = [bought(place, after(-1), "1", asset=VOO) for place in range(60, 90)]
    gone = [bought(lot.number, after(-20), "1") for lot in lots]
    lines = gains([sale(100, "4500", *lots)], [*purchases, *gone], is_twin)
    assert asked == [VOO] * 30
    replaced = [line.replaced_by[0].place for line in lines if line.replaced_by]
    assert replaced == list(range(60, 90))


def test_a_bought_share_answers_for_one_loss_only() -> None:
    second = sale(11, "800", closed(2, "10", "1000"), day=after(2))
    lines = gains([LOSS, second], [bought(10, after(1), "15")], same_bet)
    assert [line.disallowed for line in lines] == [200, 100]


def test_a_sale_entered_late_comes_in_the_order_of_its_day() -> None:
    late = sale(12, "800", closed(2, "10", "1000"), day=after(-1))
    lines = gains([LOSS, late], [bought(10, after(1), "10")], same_bet)
    assert [line.place for line in lines] == [12, 9]
    assert [line.disallowed for line in lines] == [200, 0]


def test_shares_are_counted_across_a_split() -> None:
    """Ten old shares sold, two for one afterwards, ten new ones bought: half were replaced."""
    loss = sale(9, "800", closed(1, "10", "1000"), scale=Fraction(2))
    line = only(gains([loss], [bought(10, after(9), "10")], same_bet))
    assert line.replaced_by == (Replacement(10, Decimal(5)),)
    assert line.disallowed == 100


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3000)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(-40, 60), st.integers(1, 60)), max_size=6),
)
def test_no_more_is_disallowed_than_was_lost_nor_for_more_shares_than_were_bought(
    sold: list[tuple[int, int]], purchases: list[tuple[int, int]]
) -> None:
    disposals = [
        sale(100 + n, "1000", closed(n, str(shares), str(cost)), day=after(n))
        for n, (shares, cost) in enumerate(sold)
    ]
    known = [bought(200 + n, after(days), str(q)) for n, (days, q) in enumerate(purchases)]
    lines = gains(disposals, known, same_bet)
    for line in lines:
        loss = max(-Fraction(line.gain), Fraction(0))
        taken = sum((Fraction(each.quantity) for each in line.replaced_by), Fraction(0))
        share = taken / Fraction(line.lot.quantity)
        assert share <= 1
        assert Fraction(line.disallowed) == Fraction(round(loss * share * 100), 100)
    for purchase in known:
        found = [each for line in lines for each in line.replaced_by]
        mine = (each.quantity for each in found if each.place == purchase.place)
        assert sum(mine, Decimal(0)) <= purchase.quantity
