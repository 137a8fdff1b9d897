"""From target weights to orders: the one place where statistics become money.

Sales come before purchases, largest first, so that no prefix of the list takes cash below zero.
Quantities are rounded down, to whole shares or to 6 decimals; a position that is closed is sold to
its last fraction. Everything is sized at the prices and fees the cost model fills at, in cents.

When cash is short, every purchase is reduced to the same share of what it lacks: the largest, in
millionths, that cash pays for. While that leaves a purchase under the minimum trade, the
smallest one is given up and its money goes to the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, localcontext

from app.quant.book import (
    Book,
    DroppedOrder,
    Market,
    Proposal,
    ProposedOrder,
    order_for,
    total_value,
)
from app.quant.costs import CENT, EXACT, ZERO, Side
from app.quant.errors import QuantError
from app.quant.sizing import MICRO, WHOLE, largest, rounded_down

MILLIONTHS = 1_000_000
ENTERS = "enters the target set"
# Weights are floats: a set that adds up to 1 may exceed it by rounding.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """`min_trade` is a fraction of the portfolio's value."""

    min_trade: Decimal = Decimal("0.005")
    fractional: bool = False

    @property
    def step(self) -> Decimal:
        return MICRO if self.fractional else WHOLE


def propose(
    targets: Mapping[str, float], book: Book, market: Market, settings: OrderSettings
) -> Proposal:
    """The orders that bring `book` to `targets`, fractions of its value; the rest stays cash.

    Raises QuantError where a held name has no quote or the targets are no weights.
    """
    with localcontext(EXACT):
        gaps = _gaps(targets, book, market)
        minimum = settings.min_trade * total_value(book, market.quotes)
        sales, kept = _sales(gaps, book, market, settings=settings, minimum=minimum)
        cash = book.cash + sum((order.net for order in sales), ZERO)
        desk = _Desk(market, settings, minimum, "because cash is short")
        bought, given_up = desk.buy([gap for gap in gaps if gap.amount > 0], cash)
        return _proposal(book, (*sales, *bought), (*kept, *given_up))


def deploy(
    budget: Decimal,
    targets: Mapping[str, float],
    book: Book,
    market: Market,
    *,
    settings: OrderSettings,
) -> Proposal:
    """Spend at most `budget`, cash the book already has, on what names lack to their targets.

    Nothing is sold. Raises QuantError where the budget is not positive or more than the cash.
    """
    if not budget > 0:
        raise QuantError("The amount to invest must be positive.")
    if budget > book.cash:
        raise QuantError(
            f"Investing {budget} needs {budget - book.cash} more than the cash of {book.cash}."
        )
    with localcontext(EXACT):
        gaps = [gap for gap in _gaps(targets, book, market) if gap.amount > 0]
        minimum = settings.min_trade * total_value(book, market.quotes)
        desk = _Desk(market, settings, minimum, "by the amount to invest")
        return _proposal(book, *desk.buy(gaps, budget))


@dataclass(frozen=True, slots=True)
class _Gap:
    """What a name lacks to its target in money; negative where it has too much."""

    ticker: str
    amount: Decimal
    reason: str
    closes: bool = False

    @property
    def side(self) -> Side:
        return Side.BUY if self.amount > 0 else Side.SELL

    def dropped(self, value: Decimal, reason: str) -> DroppedOrder:
        return DroppedOrder(self.ticker, self.side, abs(value).quantize(CENT), reason)


def _gaps(targets: Mapping[str, float], book: Book, market: Market) -> list[_Gap]:
    """One gap for each name that is not at its target exactly, the largest first."""
    if not all(weight >= 0.0 for weight in targets.values()):
        raise QuantError("Target weights must be numbers of zero or more.")
    if sum(targets.values()) > 1.0 + ROUNDING:
        raise QuantError(f"Target weights add up to {sum(targets.values()):.4f}, more than 1.")
    total = total_value(book, market.quotes)
    gaps = [_gap(t, targets.get(t, 0.0), book, market, total) for t in {*targets, *book.shares}]
    return sorted(
        (gap for gap in gaps if gap.amount), key=lambda gap: (-abs(gap.amount), gap.ticker)
    )


def _gap(ticker: str, target: float, book: Book, market: Market, total: Decimal) -> _Gap:
    quote = market.quotes.get(ticker)
    shares = book.shares.get(ticker, ZERO)
    held = shares * quote.reference if quote else ZERO
    with localcontext(rounding=ROUND_DOWN):  # A weight of 1e-200 must not round a gap up.
        amount = Decimal(repr(float(target))) * total - held
    if target == 0.0:
        return _Gap(ticker, -held, "left the target set", closes=True)
    if not shares:
        note = market.notes.get(ticker)
        return _Gap(ticker, amount, f"enters the target set: {note}" if note else ENTERS)
    points = f"{abs(amount) / total * 100:.1f}" if total else "0.0"
    return _Gap(ticker, amount, f"{points} points {'under' if amount > 0 else 'over'} target")


def _sales(
    gaps: Sequence[_Gap],
    book: Book,
    market: Market,
    *,
    settings: OrderSettings,
    minimum: Decimal,
) -> tuple[list[ProposedOrder], list[DroppedOrder]]:
    orders: list[ProposedOrder] = []
    dropped: list[DroppedOrder] = []
    cash = book.cash
    for gap in gaps:
        if gap.amount > 0 or gap.ticker not in book.shares:
            continue
        objection = market.blocked.get(gap.ticker)
        held = book.shares[gap.ticker]
        quote = market.quotes[gap.ticker]
        quantity = held if gap.closes else rounded_down(-gap.amount, quote.reference, settings.step)
        if objection is None:
            objection = _too_small(quantity * quote.reference, 0 if gap.closes else minimum)
        if objection is None:
            order = order_for(gap.ticker, Side.SELL, quantity, market=market, reason=gap.reason)
            if cash + order.net >= 0:
                orders.append(order)
                cash += order.net
                continue
            objection = f"selling it costs {-order.net} more than it brings, which cash lacks"
        dropped.append(gap.dropped(gap.amount, objection))
    return orders, dropped


def _too_small(value: Decimal, minimum: Decimal | int) -> str | None:
    if value == 0:
        return "one share is worth more than the gap"
    if value <= CENT:  # At half its price, the worst fill there is, it trades for nothing.
        return "worth no more than a cent"
    if value < minimum:
        return f"worth {value:,.2f}, under the minimum trade of {minimum:,.2f}"
    return None


@dataclass(frozen=True, slots=True)
class _Desk:
    """Sizes purchases together; `shortage` says why one is smaller than its gap."""

    market: Market
    settings: OrderSettings
    minimum: Decimal
    shortage: str

    def buy(
        self, gaps: Sequence[_Gap], cash: Decimal
    ) -> tuple[list[ProposedOrder], list[DroppedOrder]]:
        dropped = [gap.dropped(gap.amount, why) for gap in gaps if (why := self._objection(gap))]
        gone = {order.ticker for order in dropped}
        wanted = [gap for gap in gaps if gap.ticker not in gone]
        while wanted:
            part = self._affordable_part(wanted, cash)
            smallest = min(wanted, key=lambda gap: self._value(gap, part))
            value = self._value(smallest, part)
            if value > CENT and value >= self.minimum:
                break
            wanted.remove(smallest)
            why = f"{value:,.2f} after it is reduced {self.shortage}, {self._required()}"
            dropped.append(smallest.dropped(smallest.amount, why))
        return [self._order(gap, part) for gap in wanted], dropped

    def _objection(self, gap: _Gap) -> str | None:
        if gap.ticker not in self.market.quotes:
            return "there is no price"
        blocked = self.market.blocked.get(gap.ticker)
        return blocked or _too_small(self._value(gap, MILLIONTHS), self.minimum)

    def _required(self) -> str:
        if not self.minimum:
            return "not a share or a cent"
        return f"under the minimum trade of {self.minimum:,.2f}"

    def _affordable_part(self, wanted: Sequence[_Gap], cash: Decimal) -> int:
        """The largest part of all gaps, in millionths, that `cash` pays for with its costs.

        Nor may they be worth more than `cash`: rounding each to cents could give the rest away.
        """

        def fits(part: int) -> bool:
            if sum((self._value(gap, part) for gap in wanted), ZERO) > cash:
                return False
            return -sum((self._net(gap, part) for gap in wanted), ZERO) <= cash

        return MILLIONTHS if fits(MILLIONTHS) else largest(MILLIONTHS, fits)

    def _net(self, gap: _Gap, part: int) -> Decimal:
        quantity = self._quantity(gap, part)
        if not quantity:
            return ZERO
        return self.market.quotes[gap.ticker].fill(Side.BUY, quantity, self.market.costs).net

    def _quantity(self, gap: _Gap, part: int) -> Decimal:
        amount = gap.amount * part / MILLIONTHS
        return rounded_down(amount, self.market.quotes[gap.ticker].reference, self.settings.step)

    def _value(self, gap: _Gap, part: int) -> Decimal:
        return self._quantity(gap, part) * self.market.quotes[gap.ticker].reference

    def _order(self, gap: _Gap, part: int) -> ProposedOrder:
        reason = gap.reason
        if part < MILLIONTHS:
            percent = Decimal(part) / MILLIONTHS
            reason = f"{reason}; reduced to {percent:.1%} {self.shortage}"
        quantity = self._quantity(gap, part)
        return order_for(gap.ticker, Side.BUY, quantity, market=self.market, reason=reason)


def _proposal(
    book: Book, orders: Sequence[ProposedOrder], dropped: Sequence[DroppedOrder]
) -> Proposal:
    shares, cash = dict(book.shares), book.cash
    for order in orders:
        change = order.quantity if order.side is Side.BUY else -order.quantity
        shares[order.ticker] = shares.get(order.ticker, ZERO) + change
        cash += order.net
    left = {ticker: quantity for ticker, quantity in shares.items() if quantity}
    return Proposal(tuple(orders), tuple(dropped), book, Book(cash, left))
