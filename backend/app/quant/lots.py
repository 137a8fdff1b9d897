"""Tax lots: what is left of each purchase, and which of them a sale closes.

A lot has the shares of one purchase and what was paid for them, fees included. Closing a part of it
takes the proportional part of its cost away, rounded half-even to cents; the last share takes the
rest, so no cent is lost or invented whatever the order of the sales.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, localcontext
from enum import StrEnum
from fractions import Fraction
from typing import Any

from app.quant.costs import CENT, EXACT, PRICE_STEP, ZERO
from app.quant.errors import QuantError


class LotMethod(StrEnum):
    """Which lots a sale closes first: the oldest, the newest, or those that cost most per share."""

    FIFO = "fifo"
    LIFO = "lifo"
    HIFO = "hifo"


class NoSuchLot(QuantError):
    def __init__(self, number: int) -> None:
        super().__init__(f"Lot {number} is not among the open lots of this ETF.")


class LotTooSmall(QuantError):
    def __init__(self, number: int, has: Decimal) -> None:
        super().__init__(f"Lot {number} has only {has.normalize():f} shares.")


class LotsShort(QuantError):
    """The lots together have fewer shares than are to be closed."""

    def __init__(self, wanted: Decimal, has: Decimal) -> None:
        super().__init__(
            f"{wanted.normalize():f} shares are to be sold and the lots have {has.normalize():f}."
        )


@dataclass(frozen=True, slots=True)
class Lot:
    """`number` is the place in the ledger of the purchase that opened it."""

    number: int
    acquired_on: date
    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Pick:
    """So many shares out of one lot."""

    number: int
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class ClosedLot:
    """What a sale took out of one lot, and what that part had cost."""

    number: int
    acquired_on: date
    quantity: Decimal
    cost: Decimal


_FIRST: Mapping[LotMethod, Callable[[Lot], tuple[Any, ...]]] = {
    LotMethod.FIFO: lambda lot: (lot.acquired_on, lot.number),
    LotMethod.LIFO: lambda lot: (-lot.acquired_on.toordinal(), -lot.number),
    LotMethod.HIFO: lambda lot: (
        -Fraction(lot.cost) / Fraction(lot.quantity),
        lot.acquired_on,
        lot.number,
    ),
}


def choose(lots: Sequence[Lot], quantity: Decimal, method: LotMethod) -> tuple[Pick, ...]:
    """The lots that a sale of `quantity` closes by the method; raises LotsShort."""
    picks: list[Pick] = []
    missing = quantity
    for lot in sorted(lots, key=_FIRST[method]):
        if missing <= 0:
            break
        picks.append(Pick(lot.number, min(lot.quantity, missing)))
        missing -= picks[-1].quantity
    if missing > 0:
        raise LotsShort(quantity, quantity - missing)
    return tuple(picks)


def close(
    lots: Sequence[Lot], picks: Sequence[Pick]
) -> tuple[tuple[Lot, ...], tuple[ClosedLot, ...]]:
    """The lots that are left and what was taken; raises NoSuchLot or LotTooSmall."""
    left = {lot.number: lot for lot in lots}
    closed: list[ClosedLot] = []
    for pick in picks:
        lot = left.get(pick.number)
        if lot is None:
            raise NoSuchLot(pick.number)
        if pick.quantity > lot.quantity:
            raise LotTooSmall(lot.number, lot.quantity)
        cost = _part(lot, pick.quantity)
        closed.append(ClosedLot(lot.number, lot.acquired_on, pick.quantity, cost))
        if pick.quantity == lot.quantity:
            del left[lot.number]
        else:
            left[lot.number] = replace(
                lot, quantity=lot.quantity - pick.quantity, cost=lot.cost - cost
            )
    return tuple(left.values()), tuple(closed)


def split(lots: Sequence[Lot], added: Decimal, *, ex_date: date) -> tuple[Lot, ...]:
    """The lots after a split added so many shares (fewer than none in a reverse split).

    Lots acquired before the ex-date share them in proportion, rounded down to millionths, the last
    one taking what is over; where none of them is left, or fewer shares than are taken away, all
    lots do. A lot too small to keep a share leaves its cost to the last.
    """
    old = [lot for lot in lots if lot.acquired_on < ex_date]
    before = sum((lot.quantity for lot in old), ZERO)
    if not old or before + added < 0:
        old = list(lots)
        before = sum((lot.quantity for lot in old), ZERO)
    numbers = {lot.number for lot in old}
    after = before + added
    if not old or after <= 0:
        return tuple(lot for lot in lots if lot.number not in numbers)
    scaled: dict[int, Lot] = {}
    over, cost_over = after, ZERO
    for lot in old:
        with localcontext(EXACT):
            quantity = lot.quantity * after // (before * PRICE_STEP) * PRICE_STEP
        over -= quantity
        if quantity:
            scaled[lot.number] = replace(lot, quantity=quantity)
        else:
            cost_over += lot.cost
    last = scaled[max(scaled)] if scaled else replace(old[-1], quantity=ZERO, cost=ZERO)
    scaled[last.number] = replace(last, quantity=last.quantity + over, cost=last.cost + cost_over)
    kept = (scaled.get(lot.number) if lot.number in numbers else lot for lot in lots)
    return tuple(lot for lot in kept if lot is not None)


def _part(lot: Lot, quantity: Decimal) -> Decimal:
    if quantity == lot.quantity:
        return lot.cost
    with localcontext(EXACT):
        return (lot.cost * quantity / lot.quantity).quantize(CENT)
