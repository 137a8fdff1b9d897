"""When an order meets a bar, at which price, and how much of it at most.

The kind of an order follows from its prices: neither is a market order, a limit alone a limit
order, a stop alone a stop order, both a stop-limit order. Of a bar only four prices are known, not
their order between open and close, so every rule takes the outcome that any path through the bar
allows:

* A market order fills at the open.
* A limit order fills at the open where that is as good as its limit, otherwise at the limit where
  the range reaches it.
* A stop order is set off at the open where that is at the stop or beyond, otherwise at the stop
  where the range reaches it, and fills there.
* A stop-limit order that is set off is a limit order from then on: in the same bar only where it
  was set off at the open, because what follows a touch of the stop inside a bar is not known.

These are references: the cost model's frictions come on top, never beyond a limit. One close is a
bar of a single price (`Bar.at`), so that an order that fills at once follows the same rules.
"""

from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from app.quant.costs import EXACT, CostModel, Fill, Order, Side
from app.quant.sizing import rounded_down


@dataclass(frozen=True, slots=True)
class Bar:
    """The prices of one session in USD: 0 < low <= open, close <= high."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    def __post_init__(self) -> None:
        if not (0 < self.low <= min(self.open, self.close)):
            raise ValueError("a bar needs a positive low that is its lowest price")
        if self.high < max(self.open, self.close):
            raise ValueError("the high of a bar is its highest price")

    @classmethod
    def at(cls, price: Decimal) -> "Bar":
        return cls(price, price, price, price)

    @classmethod
    def printed(cls, prices: tuple[Decimal, Decimal, Decimal, Decimal]) -> "Bar":
        """Open, high, low and close as a source has them, its range in order.

        An open or close outside the range is moved to the edge: nobody else saw that price.
        """
        first, high, low, last = prices
        return cls(min(max(first, low), high), high, low, min(max(last, low), high))


@dataclass(frozen=True, slots=True)
class Wish:
    """What an order waits for; `triggered` where its stop was set off before."""

    side: Side
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    triggered: bool = False


@dataclass(frozen=True, slots=True)
class Met:
    """What a bar did to an order.

    `reference` is the price it fills from, None where its stop was set off and nothing more;
    `limit` the worst price allowed; `triggered` says whether this bar set off the stop.
    """

    reference: Decimal | None
    limit: Decimal | None
    triggered: bool = False


def meet(wish: Wish, bar: Bar) -> Met | None:
    """What the bar does to the order; None where it does nothing."""
    if wish.stop_price is None or wish.triggered:
        reference = _limited(wish, bar)
        return None if reference is None else Met(reference, wish.limit_price)
    if _is_beyond(wish.side, bar.open, wish.stop_price):
        return Met(_limited(wish, bar), wish.limit_price, triggered=True)
    if _is_beyond(wish.side, _worst(wish.side, bar), wish.stop_price):
        reference = wish.stop_price if wish.limit_price is None else None
        return Met(reference, wish.limit_price, triggered=True)
    return None


def fill_within(order: Order, costs: CostModel, limit: Decimal | None) -> Fill:
    """What the order fills at: the cost model's price, or its limit where that would be better.

    Raises ValueError where even the reference is worse than the limit: such an order does not fill.
    """
    fill = costs.fill(order)
    if limit is None or _is_as_good(order.side, fill.price, limit):
        return fill
    if not _is_as_good(order.side, order.reference, limit):
        raise ValueError("the reference price is worse than the limit")
    at_limit = replace(costs, frictions=()).fill(replace(order, reference=limit))
    return replace(at_limit, reference=order.reference)


def volume_cap(
    median_value: Decimal | None, reference: Decimal, share: Decimal, step: Decimal
) -> Decimal | None:
    """The most shares, in multiples of `step`, that one order trades in one session.

    `median_value` is the median value traded in a session, in USD, of which an order may be at most
    the fraction `share`. None where it is unknown or zero, which says nothing: no limit then.
    """
    if not median_value:
        return None
    with localcontext(EXACT):
        return rounded_down(median_value * share, reference, step)


def _limited(wish: Wish, bar: Bar) -> Decimal | None:
    """The reference of a market or limit order; None where the bar stays away from its limit."""
    limit = wish.limit_price
    if limit is None or _is_as_good(wish.side, bar.open, limit):
        return bar.open
    return limit if _is_as_good(wish.side, _best(wish.side, bar), limit) else None


def _is_as_good(side: Side, price: Decimal, limit: Decimal) -> bool:
    return price <= limit if side is Side.BUY else price >= limit


def _is_beyond(side: Side, price: Decimal, stop: Decimal) -> bool:
    """A stop to buy is set off from below, one to sell from above."""
    return price >= stop if side is Side.BUY else price <= stop


def _best(side: Side, bar: Bar) -> Decimal:
    return bar.low if side is Side.BUY else bar.high


def _worst(side: Side, bar: Bar) -> Decimal:
    return bar.high if side is Side.BUY else bar.low
