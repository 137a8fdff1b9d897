"""Orders become fills, and fills become entries of the ledger.

An order is sized, sent to the broker and booked in one transaction, the portfolio's row locked. It
is priced at the close of one session: the market's latest, or for a batch the one it says. What
does not fill at once rests until a later session's bar meets it (`services.resting`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.brokers import BrokerOrder, PaperBroker
from app.core.errors import InsufficientCash, InsufficientShares, Refused
from app.core.money import ZERO, plain, to_micros
from app.market_data.snapshot import MarketSnapshot
from app.models import FillAt, OrderOrigin, OrderState, OrderType, Portfolio, TimeInForce
from app.quant.book import ProposedOrder
from app.quant.costs import CostModel, Side
from app.quant.fills import Bar, meet
from app.quant.lots import Pick
from app.quant.sizing import Quote, affordable_quantity
from app.schemas.settings import Oversized, PortfolioSettings, stored_settings
from app.schemas.trade import TradeCreate
from app.services import ledger, pricing, settling, strategy
from app.services.desk import Batch, Desk, Line, LineStatus, entry_of, filled
from app.services.entry import Booked, Entry
from app.services.lot_book import picked
from app.services.order_life import OrderLife, ReasonCode
from app.services.pricing import Priced, sellable_quantity
from app.services.projection import Holding


class WholeSharesOnly(Refused):
    def __init__(self) -> None:
        super().__init__(
            "This portfolio trades whole shares: give a whole quantity, or set fractional_shares."
        )


class TooSmall(Refused):
    """The amount does not reach for the smallest quantity that can be traded."""


class OrderTooLarge(Refused):
    """More than the part of the daily volume that one session's order may take."""

    def __init__(self, ticker: str, most: Decimal, share: Decimal) -> None:
        super().__init__(
            f"An order in {ticker} may trade at most {plain(most.normalize())} shares a session, "
            f"{share:.0%} of its median daily volume: order less, or set oversized to split."
        )


class LotsDoNotAddUp(Refused):
    def __init__(self) -> None:
        super().__init__("The chosen lots must add up to the quantity that is sold.")


@dataclass(frozen=True, slots=True)
class OrderTicket:
    """What somebody asks for: either a quantity of shares or a notional amount of money.

    Its prices say what kind of order it is; `picks` are the tax lots that a sale closes.
    """

    order_id: UUID
    ticker: str
    side: Side
    quantity: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    fill_at: FillAt = FillAt.CLOSE
    picks: tuple[Pick, ...] | None = None
    idempotency_key: str | None = None
    origin: OrderOrigin = OrderOrigin.USER
    reason: str | None = None

    @property
    def order_type(self) -> OrderType:
        if self.stop_price is None:
            return OrderType.MARKET if self.limit_price is None else OrderType.LIMIT
        return OrderType.STOP if self.limit_price is None else OrderType.STOP_LIMIT

    @property
    def described(self) -> str:
        """Such as "Stop-limit order, stop 95.00, limit 94.50"."""
        kind = self.order_type.replace("_", "-").capitalize()
        stop = "" if self.stop_price is None else f", stop {plain(self.stop_price)}"
        limit = "" if self.limit_price is None else f", limit {plain(self.limit_price)}"
        return f"{kind} order{stop}{limit}"


def ticket_of(body: TradeCreate, order_id: UUID, idempotency_key: str | None) -> OrderTicket:
    """What was sent as the order that it asks for."""
    lots = body.lots
    return OrderTicket(
        order_id=order_id,
        ticker=body.ticker,
        side=body.side,
        quantity=body.quantity,
        notional=body.notional,
        limit_price=body.limit_price,
        stop_price=body.stop_price,
        time_in_force=body.time_in_force,
        fill_at=body.fill_at,
        picks=None if lots is None else tuple(Pick(each.lot, each.quantity) for each in lots),
        idempotency_key=idempotency_key,
    )


@dataclass(frozen=True, slots=True)
class Trade:
    """A fill at its place in the ledger."""

    ticker: str
    side: Side
    booked: Booked


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that was taken, and what of it was traded at once, if anything."""

    ticker: str
    order: OrderLife
    trade: Trade | None


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of one order of a batch; `trade` is None where it was skipped, which `reason`
    explains, as it does where fewer shares were traded than ordered."""

    order: ProposedOrder
    status: LineStatus
    reason: str | None
    trade: Trade | None
    life: OrderLife | None


async def place(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    ticket: OrderTicket,
    *,
    now: datetime,
    holdings: Mapping[int, Holding] | None = None,
) -> Placed:
    """Take one order, and fill at once what the latest close fills.

    `holdings` is what the portfolio has of the ETF, from a caller who read it under the lock.

    Raises a `Refused` that says why: unknown or closed ETF, no price, a quantity this portfolio
    cannot trade, too little cash, more sold than held; `PortfolioClosed` for a closed portfolio.
    """
    portfolio.require_active()
    if await settling.settle(session, market, portfolio, now=now):
        holdings = None
    rules = stored_settings(portfolio.settings)
    etf = pricing.priced(market, ticket.ticker, market.latest_session)
    costs = pricing.cost_model(rules)
    step = strategy.order_settings(rules).step
    quantity = _quantity(ticket, etf, costs, step)
    cap = _cap(etf, rules, quantity, step)
    order = _received(ticket, etf, quantity, market.latest_session, now)

    order, entry = await _filled_at_once(order, etf, cap, PaperBroker(costs), now=now)
    if order.is_open:
        if holdings is None:
            holdings = await ledger.read_holdings(session, portfolio.id, {etf.etf_id})
        _require_means(order, etf.quote, costs, cash=portfolio.cash, held=holdings.get(etf.etf_id))
    booked = await ledger.book_all(
        session, portfolio, [entry] if entry else [], now=now, holdings=holdings, orders=[order]
    )
    trade = Trade(etf.ticker, order.side, booked[0]) if booked else None
    return Placed(etf.ticker, order, trade)


def _received(
    ticket: OrderTicket, etf: Priced, quantity: Decimal, on: date, now: datetime
) -> OrderLife:
    if ticket.picks is not None and picked(ticket.picks) != quantity:
        raise LotsDoNotAddUp
    order = OrderLife(
        id=ticket.order_id,
        etf_id=etf.etf_id,
        side=ticket.side,
        order_type=ticket.order_type,
        time_in_force=ticket.time_in_force,
        fill_at=ticket.fill_at,
        quantity=quantity,
        limit_price=ticket.limit_price,
        stop_price=ticket.stop_price,
        origin=ticket.origin,
        reason=ticket.reason or ticket.described,
        picks=ticket.picks,
        idempotency_key=ticket.idempotency_key,
        rebalance_event_id=None,
        session=on,
        created_at=now,
    )
    return order.received().accepted()


async def _filled_at_once(
    order: OrderLife, etf: Priced, cap: Decimal | None, broker: PaperBroker, *, now: datetime
) -> tuple[OrderLife, Entry | None]:
    """The order after the latest close, a bar of one price, has met it or not."""
    if order.fill_at is FillAt.NEXT_OPEN:
        return order, None
    met = meet(order.wish, Bar.at(etf.quote.reference))
    if met is None:
        return order, None
    if met.reference is None:
        triggered = order.changed(
            OrderState.ACCEPTED, ReasonCode.TRIGGERED, session=order.session, at=now
        )
        return replace(triggered, triggered_on=order.session), None
    if met.triggered:  # what a session's volume leaves over waits for no stop any more
        order = replace(order, triggered_on=order.session)
    quantity = order.quantity if cap is None else min(order.quantity, cap)
    sent = BrokerOrder(order.id, etf.ticker, order.side, quantity, etf.quote, met.limit)
    fill = filled(await broker.place(sent))
    if not fill.gross:
        raise TooSmall("The quantity is too small: it is worth less than a cent.")
    picks = order.remaining_picks(quantity)
    order = order.filled(quantity, fill.price, session=order.session, at=now)
    return order, entry_of(fill, order, order.session, etf.price_date, picks=picks)


def _require_means(
    order: OrderLife, quote: Quote, costs: CostModel, *, cash: Decimal, held: Holding | None
) -> None:
    """Refuse to keep an order that could not be filled whole as things stand."""
    owned = held.quantity if held else ZERO
    if order.side is Side.SELL:
        if order.quantity > owned:
            raise InsufficientShares(wanted=order.quantity, held=owned)
        return
    expected = order.limit_price or order.stop_price or quote.reference
    needed = -replace(quote, reference=expected).fill(Side.BUY, order.quantity, costs).net
    if needed > cash:
        raise InsufficientCash(needed=needed, available=cash)


async def execute(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    orders: Sequence[ProposedOrder],
    *,
    as_of: date,
    now: datetime,
    batch: Batch,
    ended: Sequence[OrderLife] = (),
) -> tuple[LineOutcome, ...]:
    """Trade a batch at the close of `as_of`: sales first, purchases cut to the cash there is.

    A line that cannot be traded is skipped with its reason and the others go on; outcomes are in
    the order of execution. `ended` are open orders that the batch puts an end to.
    """
    portfolio.require_active()
    rules = stored_settings(portfolio.settings)
    costs = pricing.cost_model(rules)
    before = await ledger.current_book(session, portfolio)
    desk = Desk(
        market=market,
        broker=PaperBroker(costs),
        costs=costs,
        rules=rules,
        session=as_of,
        now=now,
        batch=batch,
        book=before,
    )

    sales_first = sorted(orders, key=lambda order: order.side is Side.BUY)
    lines = [await desk.trade(order) for order in sales_first]

    written = await ledger.book_all(
        session,
        portfolio,
        [line.entry for line in lines if line.entry is not None],
        now=now,
        holdings=before.holdings,
        orders=[*ended, *(line.life for line in lines if line.life is not None)],
    )
    return _outcomes(lines, written)


def _outcomes(lines: Sequence[Line], written: Sequence[Booked]) -> tuple[LineOutcome, ...]:
    booked = iter(written)
    return tuple(
        LineOutcome(
            line.order,
            line.status,
            line.reason,
            Trade(line.order.ticker, line.order.side, next(booked)) if line.entry else None,
            line.life,
        )
        for line in lines
    )


def _cap(etf: Priced, rules: PortfolioSettings, quantity: Decimal, step: Decimal) -> Decimal | None:
    """The most shares of this order that one session takes; raises OrderTooLarge."""
    cap = etf.session_cap(rules, step)
    if cap is None or quantity <= cap:
        return cap
    if rules.oversized is Oversized.REFUSE or not cap:
        raise OrderTooLarge(etf.ticker, cap, Decimal(repr(rules.max_volume_share)))
    return cap


def _quantity(ticket: OrderTicket, etf: Priced, costs: CostModel, step: Decimal) -> Decimal:
    """The shares to trade: those ordered, or the most that the notional amount reaches for."""
    if ticket.quantity is not None:
        if ticket.quantity % step:
            raise WholeSharesOnly
        return to_micros(ticket.quantity)
    assert ticket.notional is not None
    quote = etf.quote
    expected = ticket.limit_price or ticket.stop_price
    if expected is not None:
        quote = replace(quote, reference=expected)
    sized = affordable_quantity if ticket.side is Side.BUY else sellable_quantity
    quantity = sized(ticket.notional, quote, costs, step=step)
    if not quantity:
        least = quote.fill(ticket.side, step, costs)
        needed = -least.net if ticket.side is Side.BUY else least.gross
        raise TooSmall(
            f"The amount is too small: {plain(step)} shares of {etf.ticker} take {needed} USD."
        )
    return to_micros(quantity)
