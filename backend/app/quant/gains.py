"""What the sale of tax lots gained or lost, for how long they were held, and wash sales.

The proceeds of a sale are shared over the lots it closed by their shares, each part rounded
half-even to cents; the last lot takes the rest.

A *wash sale* is a loss where the same asset, or one that moves as it does, was bought within 30
calendar days before or after. Losses are looked at in the order of their sales, and purchases in
the order of their days; share answers share, and each bought share answers for one loss only. What
was bought before the sale counts as far as it was still held after it, and never for a loss on the
very lot that it opened: a sale out of one purchase replaces nothing. The disallowed part of a loss
is stated; the cost of the shares that replaced it is left as it was paid.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, localcontext
from enum import StrEnum
from fractions import Fraction

from app.quant.costs import CENT, EXACT, PRICE_STEP, ZERO
from app.quant.lots import ClosedLot

WASH_WINDOW = timedelta(days=30)

IsTwin = Callable[[int, int, date], bool]
"""Whether two assets were one bet at the close of that day."""


class Term(StrEnum):
    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Purchase:
    """Shares bought. `place` is that of its entry in the ledger and the number of its lot.

    `scale`: how many of the latest shares one share of that day has become by splits.
    """

    place: int
    asset: int
    session: date
    quantity: Decimal
    scale: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Disposal:
    """Shares sold or paid out for `proceeds`, fees taken off; `scale` as of a purchase."""

    place: int
    asset: int
    session: date
    proceeds: Decimal
    closed: tuple[ClosedLot, ...]
    scale: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Replacement:
    """So many shares sold at a loss were replaced by the purchase at that place.

    Counted in shares of the day of the sale.
    """

    place: int
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Realised:
    """What the sale at `place` made of one lot. `disallowed` is the part of a loss washed away."""

    place: int
    asset: int
    sold_on: date
    lot: ClosedLot
    proceeds: Decimal
    replaced_by: tuple[Replacement, ...] = ()
    disallowed: Decimal = ZERO

    @property
    def gain(self) -> Decimal:
        return self.proceeds - self.lot.cost

    @property
    def term(self) -> Term:
        return Term.LONG if self.sold_on >= long_from(self.lot.acquired_on) else Term.SHORT


def long_from(acquired_on: date) -> date:
    """The first day on which a sale is long-term: held for more than one year.

    The year begins on the day after the purchase and is one of calendar months, so shares bought on
    the last day of February are long-term from the first of March on, in leap years too.
    """
    begins = acquired_on + timedelta(days=1)
    if begins.month == 2 and begins.day == 29:
        return date(begins.year + 1, 3, 1)
    return begins.replace(year=begins.year + 1)


def realise(disposal: Disposal) -> tuple[Realised, ...]:
    """One line for each lot that was closed; their proceeds add up to the disposal's."""
    parts = shared(disposal.proceeds, [lot.quantity for lot in disposal.closed])
    return tuple(
        Realised(disposal.place, disposal.asset, disposal.session, lot, part)
        for lot, part in zip(disposal.closed, parts, strict=True)
    )


def shared(amount: Decimal, quantities: Sequence[Decimal]) -> list[Decimal]:
    """The amount in cents shared in proportion, half-even; the last part is what is left."""
    whole = sum(quantities, ZERO)
    with localcontext(EXACT):
        parts = [(amount * quantity / whole).quantize(CENT) for quantity in quantities[:-1]]
    return [*parts, amount - sum(parts, ZERO)] if quantities else []


def gains(
    disposals: Sequence[Disposal], purchases: Sequence[Purchase], is_twin: IsTwin
) -> tuple[Realised, ...]:
    """Every line of all disposals, with its wash sales, in the order of the days and the ledger.

    Purchases and disposals are those of a portfolio's whole life: each answers for others.
    """
    bought = _Bought(purchases, disposals, is_twin)
    ordered = sorted(disposals, key=lambda each: (each.session, each.place))
    return tuple(
        bought.washed(disposal, line) for disposal in ordered for line in realise(disposal)
    )


class _Bought:
    """The purchases, and which of their shares have answered for a loss already.

    Shares are counted in the latest ones, so that a split in between changes nothing.
    """

    def __init__(
        self, purchases: Sequence[Purchase], disposals: Sequence[Disposal], is_twin: IsTwin
    ) -> None:
        self._purchases = sorted(purchases, key=lambda each: (each.session, each.place))
        self._days = [purchase.session for purchase in self._purchases]
        self._is_twin = is_twin
        self._matched: dict[int, Fraction] = {}
        self._asked: Disposal | None = None
        self._found: list[Purchase] = []
        self._sold: Mapping[int, Sequence[tuple[int, Fraction]]] = _sold(disposals)

    def washed(self, disposal: Disposal, line: Realised) -> Realised:
        """The line with what replaced its shares, if it is a loss."""
        if line.gain >= 0:
            return line
        missing = wanted = Fraction(line.lot.quantity) * disposal.scale
        found: list[Replacement] = []
        for purchase in self._candidates(disposal):
            if not missing:
                break
            if purchase.place == line.lot.number:
                continue
            taken = min(missing, self._available(purchase, disposal))
            if taken > 0:
                before = self._matched.get(purchase.place, Fraction(0))
                self._matched[purchase.place] = before + taken
                found.append(Replacement(purchase.place, _shares(taken / disposal.scale)))
                missing -= taken
        disallowed = _cents(Fraction(-line.gain) * (wanted - missing) / wanted)
        if not disallowed:
            return line
        return replace(line, replaced_by=tuple(found), disallowed=disallowed)

    def _candidates(self, disposal: Disposal) -> list[Purchase]:
        """The purchases around a disposal that have shares left, found once for all its lines."""
        if self._asked is not disposal:
            first = bisect_left(self._days, disposal.session - WASH_WINDOW)
            end = bisect_right(self._days, disposal.session + WASH_WINDOW)
            self._asked, self._found = disposal, [
                purchase
                for purchase in self._purchases[first:end]
                if self._available(purchase, disposal) > 0
                and (
                    purchase.asset == disposal.asset
                    or self._is_twin(disposal.asset, purchase.asset, disposal.session)
                )
            ]
        return self._found

    def _available(self, purchase: Purchase, disposal: Disposal) -> Fraction:
        """Shares that answered for no loss yet and, where bought before, were kept at the sale.

        Those that answered count as the first that were sold.
        """
        matched = self._matched.get(purchase.place, Fraction(0))
        whole = Fraction(purchase.quantity) * purchase.scale
        gone = Fraction(0)
        if purchase.place < disposal.place:
            sales = self._sold.get(purchase.place, ())
            gone = sum((shares for place, shares in sales if place <= disposal.place), gone)
        return whole - max(gone, matched)


def _sold(disposals: Sequence[Disposal]) -> dict[int, list[tuple[int, Fraction]]]:
    """For each lot, where and how many of its shares were sold."""
    found: dict[int, list[tuple[int, Fraction]]] = {}
    for disposal in disposals:
        for lot in disposal.closed:
            shares = Fraction(lot.quantity) * disposal.scale
            found.setdefault(lot.number, []).append((disposal.place, shares))
    return found


def _cents(amount: Fraction) -> Decimal:
    """Half-even, as Python rounds fractions."""
    return Decimal(round(amount * 100)) * CENT


def _shares(quantity: Fraction) -> Decimal:
    return Decimal(round(quantity * 10**6)) * PRICE_STEP
