"""Tax lots: no share and no cent is lost or invented, whatever is bought, sold and split.

The properties compare with a second book kept in whole cents, whole millionths and fractions.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant import lots
from app.quant.lots import ClosedLot, Lot, LotMethod, LotsShort, LotTooSmall, NoSuchLot, Pick

MONDAY = date(2025, 6, 2)


def lot(number: int, quantity: str, cost: str, day: date = MONDAY) -> Lot:
    return Lot(number, day, Decimal(quantity), Decimal(cost))


Rank: TypeAlias = Callable[[Lot], Any]


def shares(found: Sequence[Lot] | Sequence[ClosedLot]) -> Fraction:
    return sum((Fraction(each.quantity) for each in found), Fraction(0))


def cost(found: Sequence[Lot] | Sequence[ClosedLot]) -> Fraction:
    return sum((Fraction(each.cost) for each in found), Fraction(0))


millionths = st.integers(1, 10**13).map(lambda n: Decimal(n).scaleb(-6))
cents = st.integers(0, 10**12).map(lambda n: Decimal(n).scaleb(-2))
days = st.integers(0, 900).map(lambda n: MONDAY + timedelta(days=n))


@st.composite
def open_lots(draw: st.DrawFn) -> tuple[Lot, ...]:
    """One to eight lots, numbered in the order of the ledger and bought on any days."""
    drawn = draw(st.lists(st.tuples(millionths, cents, days), min_size=1, max_size=8))
    return tuple(Lot(n, day, q, c) for n, (q, c, day) in enumerate(drawn, start=1))


def part(of: Sequence[Lot], share: Fraction) -> Decimal:
    """That share of all shares in whole millionths, at least one."""
    return Decimal(max(int(shares(of) * 10**6 * share), 1)).scaleb(-6)


SHARE = st.fractions(0, 1)


@given(open_lots(), SHARE, st.sampled_from(LotMethod))
def test_a_sale_closes_what_is_sold_and_keeps_the_rest_to_the_cent(
    before: tuple[Lot, ...], share: Fraction, method: LotMethod
) -> None:
    quantity = part(before, share)
    left, closed = lots.close(before, lots.choose(before, quantity, method))
    assert shares(closed) == Fraction(quantity)
    assert shares(left) + shares(closed) == shares(before)
    assert cost(left) + cost(closed) == cost(before)
    assert all(each.quantity > 0 and each.cost >= 0 for each in left)
    assert all(each.quantity > 0 and each.cost >= 0 for each in closed)


@given(open_lots(), SHARE, st.sampled_from(LotMethod))
def test_a_part_of_a_lot_takes_its_proportional_cost_rounded_half_even(
    before: tuple[Lot, ...], share: Fraction, method: LotMethod
) -> None:
    known = {each.number: each for each in before}
    picks = lots.choose(before, part(before, share), method)
    for taken in lots.close(before, picks)[1]:
        whole = known[taken.number]
        exact = Fraction(whole.cost) * Fraction(taken.quantity) / Fraction(whole.quantity)
        assert Fraction(taken.cost) == Fraction(round(exact * 100), 100)
        assert taken.acquired_on == whole.acquired_on


@given(open_lots(), SHARE)
def test_every_method_leaves_a_part_of_one_lot_only(
    before: tuple[Lot, ...], share: Fraction
) -> None:
    """All lots before the last one chosen are closed whole, and none comes better in its order."""
    ranks: dict[LotMethod, Rank] = {
        LotMethod.FIFO: lambda each: (each.acquired_on, each.number),
        LotMethod.LIFO: lambda each: (date.max - each.acquired_on, -each.number),
        LotMethod.HIFO: lambda each: -Fraction(each.cost) / Fraction(each.quantity),
    }
    known = {each.number: each for each in before}
    for method, rank in ranks.items():
        picks = lots.choose(before, part(before, share), method)
        assert all(pick.quantity == known[pick.number].quantity for pick in picks[:-1])
        chosen = {pick.number for pick in picks}
        last = max(rank(known[number]) for number in chosen)
        assert all(rank(each) >= last for each in before if each.number not in chosen)


@given(open_lots(), st.fractions(Fraction(1, 50), 50), days)
def test_a_split_changes_shares_in_proportion_and_no_cost(
    before: tuple[Lot, ...], ratio: Fraction, ex_date: date
) -> None:
    old = [each for each in before if each.acquired_on < ex_date] or list(before)
    after = Decimal(int(shares(old) * ratio * 10**6)).scaleb(-6)
    if not after:
        return
    added = after - sum((each.quantity for each in old), Decimal(0))
    found = lots.split(before, added, ex_date=ex_date)
    numbers = {each.number for each in old}
    assert shares(found) == shares(before) + Fraction(added)
    assert cost(found) == cost(before)
    assert [each for each in found if each.number not in numbers] == [
        each for each in before if each.number not in numbers
    ]
    exact_ratio = Fraction(after) / shares(old)
    for each in found:
        if each.number in numbers:
            (was,) = (other for other in old if other.number == each.number)
            assert each.quantity > 0
            assert each.acquired_on == was.acquired_on
            off = Fraction(each.quantity) - Fraction(was.quantity) * exact_ratio
            assert -Fraction(1, 10**6) < off < Fraction(len(old), 10**6)


@given(open_lots(), SHARE, days)
def test_shares_taken_away_are_taken_exactly_whatever_lots_are_old(
    before: tuple[Lot, ...], share: Fraction, ex_date: date
) -> None:
    taken = part(before, share)
    found = lots.split(before, -taken, ex_date=ex_date)
    assert shares(found) == shares(before) - Fraction(taken)
    assert all(each.quantity > 0 and each.cost >= 0 for each in found)


@given(st.data())
def test_any_sequence_of_purchases_sales_and_splits_conserves_shares_and_cost(
    data: st.DataObject,
) -> None:
    held: tuple[Lot, ...] = ()
    have, paid, taken = Fraction(0), Fraction(0), Fraction(0)
    for number in range(1, data.draw(st.integers(1, 30)) + 1):
        step = data.draw(st.sampled_from(["buy", "buy", *LotMethod, "pick", "split"]))
        day = MONDAY + timedelta(days=number)
        if step == "buy" or not held:
            bought = Lot(number, day, data.draw(millionths), data.draw(cents))
            held = (*held, bought)
            have, paid = have + Fraction(bought.quantity), paid + Fraction(bought.cost)
        elif step == "split":
            ratio = data.draw(st.sampled_from([Fraction(2), Fraction(1, 10), Fraction(3, 2)]))
            after = Decimal(max(int(have * ratio * 10**6), 1)).scaleb(-6)
            held = lots.split(held, after - _total(held), ex_date=day)
            have = Fraction(after)
        else:
            picks = _picks(data, held, step)
            held, closed = lots.close(held, picks)
            have -= sum((Fraction(pick.quantity) for pick in picks), Fraction(0))
            taken += cost(closed)
        assert shares(held) == have
        assert cost(held) + taken == paid
        assert all(each.quantity > 0 and each.cost >= 0 for each in held)
    _, closed = (
        lots.close(held, lots.choose(held, _total(held), LotMethod.FIFO)) if held else ((), ())
    )
    assert taken + cost(closed) == paid


def _total(held: Sequence[Lot]) -> Decimal:
    return sum((each.quantity for each in held), Decimal(0))


def _picks(data: st.DataObject, held: tuple[Lot, ...], step: str) -> tuple[Pick, ...]:
    share = data.draw(SHARE)
    if step == "pick":
        chosen = data.draw(st.sampled_from(held))
        return (Pick(chosen.number, part([chosen], share)),)
    return lots.choose(held, part(held, share), LotMethod(step))


THREE = (
    lot(2, "10", "100.00", date(2025, 1, 2)),
    lot(5, "10", "150.00", date(2025, 3, 3)),
    lot(7, "10", "120.00", date(2025, 2, 3)),
)


@pytest.mark.parametrize(
    ("method", "numbers"),
    [(LotMethod.FIFO, [2, 7]), (LotMethod.LIFO, [5, 7]), (LotMethod.HIFO, [5, 7])],
)
def test_each_method_has_its_order(method: LotMethod, numbers: list[int]) -> None:
    """By day, not by place in the ledger: lot 7 was entered late for a day before that of lot 5."""
    picks = lots.choose(THREE, Decimal(15), method)
    assert [pick.number for pick in picks] == numbers
    assert [pick.quantity for pick in picks] == [10, 5]


def test_highest_cost_is_per_share_and_equal_ones_are_closed_oldest_first() -> None:
    dear = lot(4, "1", "20.00", date(2025, 5, 5))
    same = lot(3, "2", "40.00", date(2025, 4, 4))
    picks = lots.choose((*THREE, dear, same), Decimal(3), LotMethod.HIFO)
    assert picks == (Pick(3, Decimal(2)), Pick(4, Decimal(1)))


def test_the_last_share_takes_the_cents_that_are_left() -> None:
    left: tuple[Lot, ...] = (lot(1, "3", "100.00"),)
    costs = []
    for _ in range(3):
        left, (closed,) = lots.close(left, [Pick(1, Decimal(1))])
        costs.append(closed.cost)
    assert left == ()
    assert costs == [Decimal("33.33"), Decimal("33.34"), Decimal("33.33")]


def test_one_sale_may_pick_the_same_lot_twice() -> None:
    left, closed = lots.close(THREE, [Pick(2, Decimal(4)), Pick(2, Decimal(6))])
    assert [each.number for each in left] == [5, 7]
    assert [each.cost for each in closed] == [Decimal("40.00"), Decimal("60.00")]


def test_what_is_not_there_cannot_be_closed() -> None:
    with pytest.raises(LotsShort, match="31 shares are to be sold and the lots have 30"):
        lots.choose(THREE, Decimal(31), LotMethod.FIFO)
    with pytest.raises(NoSuchLot, match="Lot 3 is not among"):
        lots.close(THREE, [Pick(3, Decimal(1))])
    with pytest.raises(LotTooSmall, match=r"Lot 2 has only 10 shares"):
        lots.close(THREE, [Pick(2, Decimal("10.000001"))])
    with pytest.raises(NoSuchLot):
        lots.close(THREE, [Pick(2, Decimal(10)), Pick(2, Decimal(1))])


def test_shares_bought_on_the_ex_date_are_new_already() -> None:
    found = lots.split(THREE, Decimal(20), ex_date=date(2025, 3, 3))
    assert [each.quantity for each in found] == [20, 10, 20]


def test_a_split_learned_of_after_the_old_lots_were_sold_falls_to_those_that_are_left() -> None:
    (found,) = lots.split(THREE[1:2], Decimal(5), ex_date=date(2025, 1, 1))
    assert (found.quantity, found.cost) == (Decimal(15), Decimal("150.00"))


def test_what_the_old_lots_do_not_have_is_taken_from_all() -> None:
    """A split corrected after the shares it had given were sold."""
    found = lots.split(THREE, Decimal(-12), ex_date=date(2025, 1, 3))
    assert [each.quantity for each in found] == [6, 6, 6]
    assert cost(found) == cost(THREE)


def test_a_reverse_split_leaves_the_cost_of_a_lot_that_vanishes_to_the_last() -> None:
    dust = lot(1, "0.000001", "7.00")
    found = lots.split((dust, lot(2, "10", "100.00")), Decimal("-9.000001"), ex_date=date.max)
    assert found == (lot(2, "1.000000", "107.00"),)


def test_a_split_that_leaves_no_share_leaves_no_lot() -> None:
    assert lots.split(THREE, Decimal(-30), ex_date=date.max) == ()
