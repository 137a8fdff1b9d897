"""What is drawn: bars, splits and dividends, and orders relative to what there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from hypothesis import strategies as st

from app.models import ActionKind
from tests.statemachine.exact import BUY, NONE, SELL, Bar, Lot, Picks, cents, whole
from tests.statemachine.tape import LETTERS, RATIOS, Happening, Tape

FIRST = tuple(Bar.at(Fraction(price, 100)) for price in (4_000, 9_731, 1_203))
LOWEST, HIGHEST = Fraction(2), Fraction(2_000)

Move: TypeAlias = tuple[int, int, int, int] | None
"""Open against the last close and close against the open in percent; how far high and low reach
beyond them, in thousandths. None: no bar that day."""


def moves() -> st.SearchStrategy[Move]:
    change = st.sampled_from([0, 1, -1, 3, -3, 7, -7, 15, -14, -14])
    wick = st.sampled_from([0, 5, 30])
    bars = st.tuples(change, change, wick, wick)
    return st.one_of(st.none(), bars, bars, bars, bars)


def moved(price: Fraction, percent: int) -> Fraction:
    return cents(price * (100 + percent) / 100)


def next_bar(tape: Tape, etf: int, move: Move, news: Happening | None) -> Bar | None:
    """The bar after the latest, in new shares where they are split on that day."""
    if move is None:
        return None
    last = tape.last(etf, tape.latest).price
    if news is not None and news.etf == etf and news.kind == ActionKind.SPLIT:
        last /= news.meant
    change, then, above, below = move
    first = min(max(moved(last, change), LOWEST), HIGHEST)
    close = min(max(moved(first, then), LOWEST), HIGHEST)
    high = cents(max(first, close) * (1000 + above) / 1000)
    low = cents(min(first, close) * (1000 - below) / 1000)
    return Bar(first, high, low, close)


@dataclass(frozen=True, slots=True)
class News:
    etf: int
    kind: ActionKind
    value: str

    def happening(self, number: int, day: int) -> Happening:
        meant = RATIOS[self.value] if self.kind == ActionKind.SPLIT else Fraction(self.value)
        return Happening(number, self.etf, day, self.kind, self.value, meant)


def news() -> st.SearchStrategy[News]:
    etf = st.integers(0, len(LETTERS) - 1)
    splits = st.builds(News, etf, st.just(ActionKind.SPLIT), st.sampled_from(list(RATIOS)))
    dividends = st.builds(
        News, etf, st.just(ActionKind.DIVIDEND), st.sampled_from(["0.25", "1.234567", "0.005"])
    )
    return splits | dividends


Day: TypeAlias = tuple[tuple[Move, ...], News | None]


def days() -> st.SearchStrategy[Day]:
    each = st.tuples(*[moves()] * len(LETTERS))
    return st.tuples(each, st.one_of(st.none(), st.none(), news()))


@dataclass(frozen=True, slots=True)
class Drawn:
    """An order before it is known what there is: see `Books.resolved`. Prices are percentages
    from the last close."""

    etf: int
    side: str
    size: str
    amount: int
    limit: int | None = None
    stop: int | None = None
    good_till_cancelled: bool = False
    next_open: bool = False


def wishes() -> st.SearchStrategy[Drawn]:
    percent = st.integers(-12, 12)
    etf = st.integers(0, len(LETTERS) - 1)
    amount = st.integers(1, 120)
    buys = st.tuples(st.just(BUY), st.sampled_from(["shares", "notional", "micros"]))
    sells = st.tuples(
        st.just(SELL),
        st.sampled_from(["part", "all", "lots", "lots", "shares", "notional", "micros"]),
    )
    prices = st.one_of(
        st.just((None, None)),
        st.tuples(percent, st.none()),
        st.tuples(st.none(), percent),
        st.tuples(percent, percent),
    )

    def made(
        etf: int,
        sized: tuple[str, str],
        amount: int,
        priced: tuple[int | None, int | None],
        how: tuple[bool, bool],
    ) -> Drawn:
        return Drawn(etf, *sized, amount, *priced, *how)

    how = st.sampled_from([(False, False), (True, False), (False, True), (True, True)])
    at_once = st.just((False, False))
    market = st.builds(made, etf, buys | sells, amount, st.just((None, None)), at_once)
    return market | st.builds(made, etf, buys | sells, amount, prices, how)


def picked(lots: Sequence[Lot], amount: int, step: Fraction) -> Picks:
    """Some lots, the newest first, a part of each; now and then one that is not there."""
    found = [
        (lot.number, whole(lot.quantity * (amount % 3 + 1) / 3, step) or lot.quantity)
        for lot in reversed(lots)
        if amount % 5 or lot is lots[0]
    ]
    if amount % 17 == 0:
        found.append((lots[-1].number + 1, step))
    return tuple(found) or ((1, NONE + step),)
