"""Resting orders meet the bars of later sessions.

An order sees the bars after the last session that anything happened to it in, each of them once.
In one session the splits come first, then sales, then purchases, each in the order in which they
were accepted. What cannot be filled for lack of cash or shares at that moment is ended with the
reason; of what a session's volume does not allow the rest keeps waiting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal, localcontext
from fractions import Fraction

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import InsufficientCash, InsufficientShares, Refused
from app.core.money import ZERO, plain, price_of, to_micros
from app.market_data.snapshot import MarketSnapshot
from app.models import EtfPrice, LedgerEntry, OrderOrigin, OrderState, Portfolio, TimeInForce
from app.quant.costs import EXACT, TOO_LARGE, CostModel, Order, Side
from app.quant.errors import QuantError
from app.quant.fills import Bar, Met, fill_within, meet, volume_cap
from app.quant.lots import LotMethod
from app.schemas.settings import PortfolioSettings
from app.services import ledger, pricing, strategy, valuation
from app.services.desk import entry_of
from app.services.entry import Booked, Entry
from app.services.lot_book import LotBook
from app.services.order_life import OrderLife, ReasonCode
from app.services.projection import Book, apply

Bars = Mapping[date, Mapping[int, Bar]]
"""The bars of each session, by ETF."""


@dataclass(slots=True)
class SessionDesk:
    """One session of one portfolio: its orders meet the bars, its book follows.

    `lots` are followed where an order chose which ones it sells, and None otherwise; `first` is the
    place in the ledger of the first entry.
    """

    market: MarketSnapshot
    rules: PortfolioSettings
    day: date
    now: datetime
    book: Book
    lots: LotBook | None
    first: int
    entries: list[Entry] = field(default_factory=list)

    def after(self, order: OrderLife, bar: Bar | None) -> OrderLife:
        """The order at the end of the session."""
        order = self._in_new_shares(order)
        closed_on = self.market.etfs[self.market.row_of_id[order.etf_id]].closed_on
        if order.is_open and closed_on is not None and closed_on <= self.day:
            return self._ended(order, ReasonCode.ETF_CLOSED, f"The ETF was closed on {closed_on}.")
        met = meet(order.wish, bar) if order.is_open and bar is not None else None
        if met is not None:
            order = self._met(order, met)
        if order.is_open and expires(order, self.market) == self.day:
            order = order.changed(
                OrderState.EXPIRED, ReasonCode.EXPIRED, session=self.day, at=self.now
            )
        return order

    def _in_new_shares(self, order: OrderLife) -> OrderLife:
        """The order in the shares of this session: a split changes its quantity and its prices."""
        row = self.market.row_of_id[order.etf_id]
        ratio = valuation.shares_per_share(self.market, row, (order.seen_until, self.day))
        if ratio == 1:
            return order
        step = strategy.order_settings(self.rules).step
        left = int(Fraction(order.remaining) * ratio / Fraction(step)) * step
        if not left:
            why = "A split left less than the smallest quantity that can be traded."
            return self._ended(order, ReasonCode.SPLIT_ADJUSTED, why)
        if order.picks is not None:
            why = "A split changed the lots that were chosen: choose them again."
            return self._ended(order, ReasonCode.SPLIT_ADJUSTED, why)
        adjusted = replace(
            order,
            quantity=order.filled_quantity + left,
            limit_price=_per_new_share(order.limit_price, ratio),
            stop_price=_per_new_share(order.stop_price, ratio),
        )
        amounts = (adjusted.quantity, adjusted.limit_price, adjusted.stop_price)
        if not all(amount is None or 0 < amount < TOO_LARGE for amount in amounts):
            why = "After a split its price or quantity is none that an order can have."
            return self._ended(order, ReasonCode.SPLIT_ADJUSTED, why)
        return adjusted.changed(
            order.state,
            ReasonCode.SPLIT_ADJUSTED,
            session=self.day,
            at=self.now,
            message=f"A split gave {plain(to_micros(_decimal(ratio)).normalize())} shares for one.",
        )

    def _met(self, order: OrderLife, met: Met) -> OrderLife:
        if met.triggered:
            order = replace(order, triggered_on=self.day).changed(
                order.state, ReasonCode.TRIGGERED, session=self.day, at=self.now
            )
        if met.reference is None:
            return order
        before = self.market.panel.sessions[self.market.column(self.day) - 1].item()
        row = self.market.row_of_id[order.etf_id]
        traded = pricing.how_it_trades(self.market, row, before)
        cap = volume_cap(
            traded.median_value,
            met.reference,
            Decimal(repr(self.rules.max_volume_share)),
            strategy.order_settings(self.rules).step,
        )
        wished = self._wished(order)
        quantity = wished if cap is None else min(wished, cap)
        if not quantity:
            return order
        wanted = Order(order.side, quantity, met.reference, traded.liquidity)
        order = self._filled(order, wanted, met.limit)
        if order.is_open and order.origin is OrderOrigin.STOP and not self._held(order):
            return self._ended(order, ReasonCode.INSUFFICIENT_SHARES, "The position is sold.")
        return order

    def _wished(self, order: OrderLife) -> Decimal:
        """A stop sells what is left of its position; any other order all that was ordered."""
        held = self._held(order)
        if order.origin is OrderOrigin.STOP and held:
            return min(order.remaining, held)
        return order.remaining

    def _held(self, order: OrderLife) -> Decimal:
        holding = self.book.holdings.get(order.etf_id)
        return holding.quantity if holding else ZERO

    def _filled(self, order: OrderLife, wanted: Order, limit: Decimal | None) -> OrderLife:
        costs: CostModel = pricing.cost_model(self.rules)
        fill = fill_within(wanted, costs, limit)
        if not fill.gross:
            return self._ended(order, ReasonCode.REFUSED, "It is worth less than a cent.")
        picks = order.remaining_picks(fill.quantity)
        after = order.filled(fill.quantity, fill.price, session=self.day, at=self.now)
        entry = entry_of(fill, after, self.day, self.day, picks=picks)
        try:
            book = apply(self.book, entry)
            if self.lots is not None:
                self.lots.book(entry, self.first + len(self.entries))
        except InsufficientCash as error:
            return self._ended(order, ReasonCode.INSUFFICIENT_CASH, str(error))
        except (InsufficientShares, QuantError) as error:
            return self._ended(order, ReasonCode.INSUFFICIENT_SHARES, str(error))
        except Refused as error:
            return self._ended(order, ReasonCode.REFUSED, str(error))
        self.book = book
        self.entries.append(entry)
        return after

    def _ended(self, order: OrderLife, code: ReasonCode, message: str) -> OrderLife:
        """Rejected, or where it was filled in part or its ETF is gone, cancelled."""
        given_up = {ReasonCode.ETF_CLOSED, ReasonCode.SPLIT_ADJUSTED}
        untouched = not order.filled_quantity and code not in given_up
        state = OrderState.REJECTED if untouched else OrderState.CANCELLED
        return order.changed(state, code, session=self.day, at=self.now, message=message)


async def fill(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    waiting: Sequence[OrderLife],
    *,
    day: date,
    bars: Mapping[int, Bar],
    now: datetime,
) -> tuple[tuple[Booked, ...], tuple[OrderLife, ...]]:
    """Let the orders see the session `day`: what was booked, and the orders that still wait.

    The caller holds the lock on the portfolio and has booked the corporate actions up to `day`.
    """
    etf_ids = {order.etf_id for order in waiting}
    holdings = await ledger.read_holdings(session, portfolio.id, etf_ids)
    desk = SessionDesk(
        market=market,
        rules=strategy.settings_of(portfolio),
        day=day,
        now=now,
        book=Book(portfolio.cash, holdings),
        lots=await _lots(session, portfolio, waiting),
        first=portfolio.last_sequence + 1,
    )
    sales_first = sorted(waiting, key=lambda order: order.side is Side.BUY)
    after = [desk.after(order, bars.get(order.etf_id)) for order in sales_first]
    changed = [order for order in after if order.changes]
    booked = await ledger.book_all(
        session, portfolio, desk.entries, now=now, holdings=holdings, orders=changed
    )
    still = {order.id: replace(order.saved(), seen=day) for order in after if order.is_open}
    left = (still[order.id] for order in waiting if order.id in still)
    return booked, tuple(left)


def next_day(market: MarketSnapshot, waiting: Sequence[OrderLife], bars: Bars) -> date | None:
    """The first session in which something happens to one of the orders; None: in none so far."""
    if not waiting:
        return None
    first = market.column(min(order.seen_until for order in waiting)) + 1
    days: list[date] = market.panel.sessions[first:].tolist()
    for day in days:
        of_day = bars.get(day, {})
        if any(
            order.seen_until < day and _is_touched(market, order, day, of_day.get(order.etf_id))
            for order in waiting
        ):
            return day
    return None


async def read_bars(
    session: AsyncSession, portfolio: Portfolio, waiting: Sequence[OrderLife], *, until: date
) -> dict[date, dict[int, Bar]]:
    """The stored bars that the orders have not seen, up to `until`; refused ones are not stored.

    Left out are sessions up to the last one that something was booked for: a bar that comes late
    must not trade with what the portfolio got, or gave away, after it.
    """
    if not waiting:
        return {}
    booked = select(func.max(LedgerEntry.session)).where(LedgerEntry.portfolio_id == portfolio.id)
    seen = min(order.seen_until for order in waiting)
    seen = max(seen, await session.scalar(booked) or seen)
    query = select(
        EtfPrice.etf_id,
        EtfPrice.session,
        EtfPrice.open,
        EtfPrice.high,
        EtfPrice.low,
        EtfPrice.close,
    ).where(
        EtfPrice.etf_id.in_({order.etf_id for order in waiting}),
        EtfPrice.session > seen,
        EtfPrice.session <= until,
    )
    bars: dict[date, dict[int, Bar]] = {}
    for etf_id, day, *prices in await session.execute(query):
        first, high, low, last = map(price_of, prices)
        bars.setdefault(day, {})[etf_id] = Bar.printed((first, high, low, last))
    return bars


def expires(order: OrderLife, market: MarketSnapshot) -> date | None:
    """The session at whose end a `day` order expires; None while there is none, or for `gtc`."""
    column = market.column(order.session) + 1
    if order.time_in_force is TimeInForce.GTC or column >= len(market.panel.sessions):
        return None
    day: date = market.panel.sessions[column].item()
    return day


def _is_touched(market: MarketSnapshot, order: OrderLife, day: date, bar: Bar | None) -> bool:
    row = market.row_of_id[order.etf_id]
    closed_on = market.etfs[row].closed_on
    return (
        expires(order, market) == day
        or (closed_on is not None and closed_on <= day)
        or (bar is not None and meet(order.wish, bar) is not None)
        or valuation.shares_per_share(market, row, (order.seen_until, day)) != 1
    )


async def _lots(
    session: AsyncSession, portfolio: Portfolio, waiting: Sequence[OrderLife]
) -> LotBook | None:
    if all(order.picks is None for order in waiting):
        return None
    sold = {order.etf_id for order in waiting if order.side is Side.SELL}
    open_lots = await ledger.read_lots(session, portfolio.id, sold)
    method = LotMethod(portfolio.settings.get("lot_method", LotMethod.FIFO))
    return LotBook(open_lots, method)


def _per_new_share(price: Decimal | None, ratio: Fraction) -> Decimal | None:
    if price is None:
        return None
    with localcontext(EXACT):
        return to_micros(price * ratio.denominator / ratio.numerator)


def _decimal(ratio: Fraction) -> Decimal:
    with localcontext(EXACT):
        return Decimal(ratio.numerator) / Decimal(ratio.denominator)
