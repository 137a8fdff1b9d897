"""What money and shares must come to, in fractions: closed forms that share nothing with the code.

Prices and shares have six decimals, money two; each result is rounded once, half to even, which is
what `round` does to a `Fraction`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

NONE = Fraction(0)
MICRO = Fraction(1, 10**6)
BUY, SELL = "buy", "sell"


def cents(value: Fraction) -> Fraction:
    return round(value, 2)


def micros(value: Fraction) -> Fraction:
    return round(value, 6)


def whole(value: Fraction, step: Fraction) -> Fraction:
    """The largest multiple of `step` that is not more than `value`."""
    return value // step * step


def decimal(value: Fraction) -> Decimal:
    """A fraction of a power of ten as the decimal that it is."""
    found = Decimal(value.numerator) / Decimal(value.denominator)
    assert Fraction(found) == value
    return found


@dataclass(frozen=True, slots=True)
class Costs:
    """A fraction of the reference price against the trader, and a fee for each order."""

    slippage: Fraction
    commission: Fraction


@dataclass(frozen=True, slots=True)
class Fill:
    """`net` is the signed change of cash."""

    side: str
    quantity: Fraction
    price: Fraction
    gross: Fraction
    fee: Fraction

    @property
    def net(self) -> Fraction:
        return -(self.gross + self.fee) if self.side == BUY else self.gross - self.fee


def fill(
    side: str,
    quantity: Fraction,
    reference: Fraction,
    costs: Costs,
    limit: Fraction | None = None,
) -> Fill:
    """price = reference·(1 ± slippage), never worse than the limit; gross = quantity·price."""
    move = costs.slippage if side == BUY else -costs.slippage
    price = max(micros(reference * (1 + move)), MICRO)
    if limit is not None:
        price = min(price, limit) if side == BUY else max(price, limit)
    return Fill(side, quantity, price, cents(quantity * price), cents(costs.commission))


def most_for(cash: Fraction, reference: Fraction, costs: Costs, step: Fraction) -> Fraction:
    """The largest purchase that costs at most `cash`.

    gross ≤ g is quantity·price ≤ g + half a cent; a tie rounds to the even cent, so it is tried.
    """
    if cash <= 0:
        return NONE
    price = fill(BUY, step, reference, costs).price
    room = cash - cents(costs.commission)
    if room < 0:
        return NONE
    quantity = whole((room + Fraction(1, 200)) / price, step)
    while quantity > 0 and -fill(BUY, quantity, reference, costs).net > cash:
        quantity -= step
    return quantity


def most_of(amount: Fraction, reference: Fraction, costs: Costs, step: Fraction) -> Fraction:
    """The largest sale whose gross is at most `amount`."""
    price = fill(SELL, step, reference, costs).price
    quantity = whole((amount + Fraction(1, 200)) / price, step)
    while quantity > 0 and fill(SELL, quantity, reference, costs).gross > amount:
        quantity -= step
    return quantity


@dataclass(frozen=True, slots=True)
class Bar:
    open: Fraction
    high: Fraction
    low: Fraction
    close: Fraction

    @classmethod
    def at(cls, price: Fraction) -> "Bar":
        return cls(price, price, price, price)


@dataclass(frozen=True, slots=True)
class Met:
    """A reference price to fill from, or None; whether the bar set off the stop."""

    reference: Fraction | None
    triggered: bool


NOT_MET = Met(None, triggered=False)


def meet(
    side: str, limit: Fraction | None, stop: Fraction | None, *, triggered: bool, bar: Bar
) -> Met:
    """What a bar does to a waiting order.

    Prices of a sale are mirrored (negated), so that "better" is always lower and a stop is always
    reached from below: the rules are written once, for a purchase.
    """
    sign = 1 if side == BUY else -1
    first = sign * bar.open
    best, worst = sorted((sign * bar.low, sign * bar.high))
    bound = None if limit is None else sign * limit
    trigger = None if stop is None or triggered else sign * stop

    def limited() -> Fraction | None:
        if bound is None or first <= bound:
            return bar.open
        return limit if best <= bound else None

    if trigger is None:
        return Met(limited(), triggered=False)
    if first >= trigger:
        return Met(limited(), triggered=True)
    if worst >= trigger:
        return Met(stop if bound is None else None, triggered=True)
    return NOT_MET


@dataclass(frozen=True, slots=True)
class Lot:
    number: int
    acquired_on: date
    quantity: Fraction
    cost: Fraction


Picks = tuple[tuple[int, Fraction], ...]
"""So many shares of each numbered lot."""

ORDER: Mapping[str, Callable[[Lot], tuple[Fraction | int, ...]]] = {
    "fifo": lambda lot: (lot.acquired_on.toordinal(), lot.number),
    "lifo": lambda lot: (-lot.acquired_on.toordinal(), -lot.number),
    "hifo": lambda lot: (-lot.cost / lot.quantity, lot.acquired_on.toordinal(), lot.number),
}


def chosen(lots: Sequence[Lot], quantity: Fraction, method: str) -> Picks:
    picks = []
    for lot in sorted(lots, key=ORDER[method]):
        taken = min(lot.quantity, quantity)
        if taken:
            picks.append((lot.number, taken))
        quantity -= taken
    assert not quantity
    return tuple(picks)


def closed(lots: Sequence[Lot], picks: Picks) -> tuple[Lot, ...] | None:
    """The lots that are left after their proportional cost is gone; None: one is not there."""
    left = {lot.number: lot for lot in lots}
    for number, quantity in picks:
        lot = left.get(number)
        if lot is None or lot.quantity < quantity:
            return None
        rest = lot.quantity - quantity
        cost = lot.cost - cents(lot.cost * quantity / lot.quantity)
        left[number] = replace(lot, quantity=rest, cost=cost)
    return tuple(lot for lot in left.values() if lot.quantity)


def scaled(lots: Sequence[Lot], after: Fraction) -> tuple[Lot, ...]:
    """The lots once a split has made them `after` shares together.

    Each keeps its proportion, rounded down to millionths, the last that is left takes what is over;
    the cost of those that vanish goes to it too.
    """
    before = sum((lot.quantity for lot in lots), NONE)
    if not after:
        return ()
    new = [replace(lot, quantity=whole(lot.quantity * after / before, MICRO)) for lot in lots]
    kept = [lot for lot in new if lot.quantity] or [replace(new[-1], cost=NONE)]
    last = kept[-1]
    kept[-1] = replace(
        last,
        quantity=last.quantity + after - sum((lot.quantity for lot in kept), NONE),
        cost=last.cost + sum((lot.cost for lot in lots), NONE) - sum((k.cost for k in kept), NONE),
    )
    return tuple(kept)
