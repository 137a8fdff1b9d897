"""The fold against exact fractions, and what it refuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InsufficientCash, InsufficientShares
from app.models import EntryKind
from app.quant.costs import CostModel, Side
from app.quant.sizing import Quote
from app.services.entry import Entry
from app.services.projection import EMPTY, Book, TooLarge, apply, fold

DAY = date(2025, 6, 30)
COSTS = CostModel()


def deposit(amount: str) -> Entry:
    return Entry(EntryKind.DEPOSIT, DAY, Decimal(amount), "in", "test")


def trade(side: Side, quantity: Decimal, reference: Decimal, etf_id: int = 1) -> Entry:
    fill = Quote(reference).fill(side, quantity, COSTS)
    return Entry(
        EntryKind.BUY if side is Side.BUY else EntryKind.SELL,
        DAY,
        fill.net,
        "order",
        "test",
        fee=fill.fee,
        etf_id=etf_id,
        quantity=fill.quantity,
        price=fill.price,
    )


def buy(quantity: str, gross: str, fee: str = "0") -> Entry:
    shares, paid = Decimal(quantity), Decimal(gross) + Decimal(fee)
    price = Decimal(gross) / shares
    return Entry(
        EntryKind.BUY, DAY, -paid, "order", "test", Decimal(fee), 1, quantity=shares, price=price
    )


def sell(quantity: str, net: str = "0") -> Entry:
    shares = Decimal(quantity)
    return Entry(
        EntryKind.SELL, DAY, Decimal(net), "o", "test", etf_id=1, quantity=shares, price=shares
    )


def split(added: str, amount: str = "0", price: str | None = None) -> Entry:
    paid_at = Decimal(price) if price else None
    return Entry(
        EntryKind.SPLIT,
        DAY,
        Decimal(amount),
        "split",
        "test",
        etf_id=1,
        quantity=Decimal(added),
        price=paid_at,
    )


@dataclass(frozen=True)
class Wish:
    """Something a user might try, possible or not."""

    kind: str
    etf_id: int
    quantity: Decimal
    reference: Decimal


quantities = st.decimals("0.000001", "5000", places=6)
prices = st.decimals("0.01", "900", places=6)
wishes = st.builds(
    Wish,
    st.sampled_from(["deposit", "withdraw", "buy", "sell", "dividend"]),
    st.integers(1, 3),
    quantities,
    prices,
)


def as_entry(wish: Wish) -> Entry:
    cents = (wish.quantity * 10).quantize(Decimal("0.01")) + Decimal("0.01")
    match wish.kind:
        case "deposit":
            return Entry(EntryKind.DEPOSIT, DAY, cents, "in", "test")
        case "withdraw":
            return Entry(EntryKind.WITHDRAWAL, DAY, -cents, "out", "test")
        case "dividend":
            return Entry(EntryKind.DIVIDEND, DAY, cents, "paid", "test", etf_id=wish.etf_id)
        case _:
            return trade(Side(wish.kind), wish.quantity, wish.reference, wish.etf_id)


@given(st.lists(wishes, max_size=40))
def test_cash_and_shares_are_the_sums_of_what_was_booked_and_never_negative(
    tried: list[Wish],
) -> None:
    book, cash = apply(EMPTY, deposit("20000")), Fraction(20000)
    shares: dict[int, Fraction] = {}
    for wish in tried:
        entry = as_entry(wish)
        try:
            book = apply(book, entry)
        except (InsufficientCash, InsufficientShares):
            continue
        cash += Fraction(entry.amount)
        if entry.kind in {EntryKind.BUY, EntryKind.SELL}:
            sign = 1 if entry.kind == EntryKind.BUY else -1
            assert entry.quantity is not None
            shares[wish.etf_id] = shares.get(wish.etf_id, Fraction(0)) + sign * Fraction(
                entry.quantity
            )
        assert Fraction(book.cash) == cash >= 0
        assert {k: Fraction(h.quantity) for k, h in book.holdings.items()} == {
            k: v for k, v in shares.items() if v
        }
        assert all(held.quantity > 0 and held.cost_basis >= 0 for held in book.holdings.values())


@given(st.lists(wishes, max_size=30))
def test_nothing_is_taken_that_is_not_there_and_everything_that_is(tried: list[Wish]) -> None:
    book = apply(EMPTY, deposit("20000"))
    for wish in tried:
        entry = as_entry(wish)
        held = book.holdings.get(wish.etf_id)
        owned = held.quantity if held else Decimal(0)
        short_of_cash = book.cash + entry.amount < 0
        short_of_shares = entry.kind == EntryKind.SELL and (entry.quantity or 0) > owned
        if short_of_cash or short_of_shares:
            with pytest.raises((InsufficientCash, InsufficientShares)):
                apply(book, entry)
        else:
            book = apply(book, entry)


@given(
    st.lists(st.tuples(quantities, prices), min_size=1, max_size=8),
    st.lists(st.integers(0, 10**12), max_size=8),
)
def test_a_sale_takes_its_part_of_the_basis_to_the_cent_and_the_last_one_the_rest(
    bought: list[tuple[Decimal, Decimal]], parts: list[int]
) -> None:
    book = fold([deposit("100000000"), *(trade(Side.BUY, q, p) for q, p in bought)])
    for part in parts:
        held = book.holdings[1]
        micros = int(held.quantity * 10**6)
        sold = Decimal(min(part % micros + 1, micros - 1) or 1).scaleb(-6)
        if sold == held.quantity:
            break
        exact = Fraction(held.cost_basis) * (1 - Fraction(sold) / Fraction(held.quantity))
        book = apply(book, sell(str(sold)))
        assert abs(Fraction(book.holdings[1].cost_basis) - exact) <= Fraction(1, 200)
    assert apply(book, sell(str(book.holdings[1].quantity))).holdings == {}


def test_cash_equal_to_the_cost_is_enough_and_one_cent_less_is_not() -> None:
    order = buy("3", "99.99", fee="0.01")
    assert apply(Book(Decimal("100.00")), order).cash == 0
    with pytest.raises(InsufficientCash, match=r"0\.01 USD is missing") as refused:
        apply(Book(Decimal("99.99")), order)
    assert refused.value.missing == Decimal("0.01")


def test_the_cost_basis_is_the_average_fill_price_without_fees() -> None:
    book = fold([deposit("1000"), buy("10", "100", fee="1"), buy("10", "200", fee="1")])
    held = book.holdings[1]
    assert [held.quantity, held.cost_basis, held.entry_price] == [20, 300, 15]
    assert apply(book, sell("5")).holdings[1].entry_price == 15


def test_a_holding_keeps_its_first_day_until_it_is_gone() -> None:
    later = date(2025, 7, 1)
    again = Entry(EntryKind.BUY, later, Decimal(-10), "o", "test", etf_id=1, quantity=Decimal(1))
    held = fold([deposit("1000"), buy("10", "100"), again]).holdings[1]
    assert held.opened_on == DAY
    anew = fold([deposit("1000"), buy("10", "100"), sell("10"), again]).holdings[1]
    assert anew.opened_on == later


@pytest.mark.parametrize(
    ("entries", "shares", "basis"),
    [
        ([split("10")], "20", "300"),
        ([split("-9")], "1", "300"),
        # 3 for 2 of 5 shares: 7 stay, half a share of 20 is paid out with its fifteenth of 300.
        ([sell("5"), split("2", "10", "20")], "7", "140"),
    ],
)
def test_a_split_changes_shares_and_leaves_the_basis_of_those_kept(
    entries: Sequence[Entry], shares: str, basis: str
) -> None:
    held = fold([deposit("1000"), buy("10", "300"), *entries]).holdings[1]
    assert (held.quantity, held.cost_basis) == (Decimal(shares), Decimal(basis))


def test_half_a_cent_of_the_basis_goes_to_the_even_cent_where_a_split_pays_out_a_third() -> None:
    """Two thirds of a share of 36.00 are a quarter of 8/3: 771.14 / 4 = 192.785 leaves."""
    reverse = split("-6", amount="24", price="36")
    book = fold([deposit("1000"), buy("8", "771.14"), reverse])
    held = book.holdings[1]
    assert (held.quantity, held.cost_basis) == (Decimal(2), Decimal("578.36"))


def test_a_reverse_split_that_leaves_no_whole_share_is_paid_out() -> None:
    book = fold([deposit("1000"), buy("10", "300"), split("-10", "290", "580")])
    assert book.holdings == {}
    assert book.cash == 990


def test_a_split_cannot_take_more_than_is_held() -> None:
    with pytest.raises(InsufficientShares):
        fold([deposit("1000"), buy("10", "300"), split("-11")])


def test_amounts_beyond_the_columns_are_refused() -> None:
    with pytest.raises(TooLarge):
        fold([deposit("9999999999999999.99"), deposit("0.01")])
