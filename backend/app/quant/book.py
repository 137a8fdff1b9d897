"""A portfolio's book, the market it trades in, and the orders that take it from one to another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from app.quant.costs import CENT, EXACT, ZERO, CostModel, Side
from app.quant.errors import QuantError
from app.quant.sizing import Quote


@dataclass(frozen=True, slots=True)
class Book:
    """Cash and shares of a portfolio; no entry for a ticker means none of it."""

    cash: Decimal
    shares: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Market:
    """What can be traded at which price.

    `blocked` says of a quoted ticker why no order may be made in it ("its price is stale"); `notes`
    says of a wanted one why it is wanted ("rank 3 of 766").
    """

    quotes: Mapping[str, Quote]
    costs: CostModel
    blocked: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProposedOrder:
    """One order, and what it does if it fills as the cost model says.

    `value` is quantity at the reference price, `estimated_cost` what trading at a worse price and
    the fees take, `net` the signed change of cash; all in cents.
    """

    ticker: str
    side: Side
    quantity: Decimal
    reference_price: Decimal
    value: Decimal
    estimated_cost: Decimal
    net: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class DroppedOrder:
    """An order that would bring a name to its target but is not made, and why."""

    ticker: str
    side: Side
    value: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """Orders in the order of their execution, and the book before and after them."""

    orders: tuple[ProposedOrder, ...]
    dropped: tuple[DroppedOrder, ...]
    before: Book
    after: Book


def order_for(
    ticker: str, side: Side, quantity: Decimal, *, market: Market, reason: str
) -> ProposedOrder:
    """One order as the cost model would fill it."""
    quote = market.quotes[ticker]
    fill = quote.fill(side, quantity, market.costs)
    with localcontext(EXACT):
        value = (quantity * quote.reference).quantize(CENT)
    return ProposedOrder(
        ticker, side, quantity, quote.reference, value, fill.cost, fill.net, reason
    )


def total_value(book: Book, quotes: Mapping[str, Quote]) -> Decimal:
    """Cash and shares at their reference prices, unrounded."""
    unpriced = sorted(ticker for ticker in book.shares if ticker not in quotes)
    if unpriced:
        raise QuantError(f"There is no price for {', '.join(unpriced)}.")
    with localcontext(EXACT):
        held = (shares * quotes[ticker].reference for ticker, shares in book.shares.items())
        return book.cash + sum(held, ZERO)


def weights_of(book: Book, quotes: Mapping[str, Quote]) -> dict[str, float]:
    """Each position's fraction of the portfolio's value; empty when that is not positive."""
    total = total_value(book, quotes)
    if total <= 0:
        return {}
    return {
        ticker: float(shares * quotes[ticker].reference / total)
        for ticker, shares in sorted(book.shares.items())
        if shares
    }
