"""Orders become fills, and fills become entries of the ledger.

An order is sized, sent to the broker and booked in one transaction, the portfolio's row locked. It
is priced at the close of one session: the market's latest, or for a batch the one it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from app.brokers import Broker, BrokerOrder, PaperBroker
from app.core.errors import Refused
from app.core.money import plain, to_micros
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.quant.book import ProposedOrder
from app.quant.costs import CostModel, Side
from app.quant.sizing import affordable_quantity
from app.schemas.settings import PortfolioSettings
from app.services import corporate_actions, ledger, pricing, strategy
from app.services.desk import Desk, Line, LineStatus, entry_of, filled
from app.services.ledger import Booked
from app.services.pricing import Priced, sellable_quantity
from app.services.projection import Holding


class WholeSharesOnly(Refused):
    def __init__(self) -> None:
        super().__init__(
            "This portfolio trades whole shares: give a whole quantity, or set fractional_shares."
        )


class TooSmall(Refused):
    """The amount does not reach for the smallest quantity that can be traded."""


@dataclass(frozen=True, slots=True)
class OrderTicket:
    """What somebody asks for: either a quantity of shares or a notional amount of money."""

    order_id: UUID
    ticker: str
    side: Side
    quantity: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Trade:
    """A filled order at its place in the ledger."""

    ticker: str
    side: Side
    booked: Booked


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of one order of a batch; `trade` is None where it was skipped, which `reason`
    explains, as it does where fewer shares were traded than ordered."""

    order: ProposedOrder
    status: LineStatus
    reason: str | None
    trade: Trade | None


def order_id_of(owner_id: int, idempotency_key: str) -> UUID:
    """The same order for the same key of the same user, however often it is sent."""
    return uuid5(NAMESPACE_OID, f"etftrader:key:{owner_id}:{idempotency_key}")


async def place(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    ticket: OrderTicket,
    *,
    now: datetime,
    holdings: Mapping[int, Holding] | None = None,
) -> Trade:
    """Trade one order, whole or not at all.

    `holdings` is what the portfolio has of the ETF, from a caller who read it under the lock.

    Raises a `Refused` that says why: unknown or closed ETF, no price, a quantity this portfolio
    cannot trade, a limit the close does not meet, too little cash, more sold than held;
    `PortfolioClosed` for a closed portfolio.
    """
    portfolio.require_active()
    if await corporate_actions.settle(session, market, portfolio, now=now):
        holdings = None
    rules = PortfolioSettings.model_validate(portfolio.settings)
    on = market.latest_session
    etf = pricing.priced(market, ticket.ticker, on)
    costs = pricing.cost_model(rules)
    quantity = _quantity(ticket, etf, costs, strategy.order_settings(rules).step)
    broker: Broker = PaperBroker(costs)

    sent = BrokerOrder(
        ticket.order_id, etf.ticker, ticket.side, quantity, etf.quote, ticket.limit_price
    )
    fill = filled(await broker.place(sent))
    if not fill.gross:
        raise TooSmall("The quantity is too small: it is worth less than a cent.")

    limit = ticket.limit_price
    entry = entry_of(
        fill,
        etf,
        on,
        reason="Market order" if limit is None else f"Limit order at {plain(limit)}",
        order_id=ticket.order_id,
        idempotency_key=ticket.idempotency_key,
    )
    booked = await ledger.book(session, portfolio, entry, now=now, holdings=holdings)
    return Trade(etf.ticker, fill.side, booked)


async def execute(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    orders: Sequence[ProposedOrder],
    *,
    as_of: date,
    now: datetime,
    event_id: int | None,
) -> tuple[LineOutcome, ...]:
    """Trade a batch at the close of `as_of`: sales first, purchases cut to the cash there is.

    A line that cannot be traded is skipped with its reason and the others go on; outcomes are in
    the order of execution. The lines of an event have their order ids from it, so that no event is
    traded twice.
    """
    portfolio.require_active()
    rules = PortfolioSettings.model_validate(portfolio.settings)
    costs = pricing.cost_model(rules)
    before = await ledger.current_book(session, portfolio)
    desk = Desk(
        market=market,
        broker=PaperBroker(costs),
        costs=costs,
        step=strategy.order_settings(rules).step,
        session=as_of,
        source=_source(portfolio, event_id),
        event_id=event_id,
        book=before,
    )

    sales_first = sorted(orders, key=lambda order: order.side is Side.BUY)
    lines = [await desk.trade(order) for order in sales_first]

    entries = [line.entry for line in lines if line.entry is not None]
    written = await ledger.book_all(session, portfolio, entries, now=now, holdings=before.holdings)
    return _outcomes(lines, written)


def _outcomes(lines: Sequence[Line], written: Sequence[Booked]) -> tuple[LineOutcome, ...]:
    booked = iter(written)
    return tuple(
        LineOutcome(
            line.order,
            line.status,
            line.reason,
            Trade(line.order.ticker, line.order.side, next(booked)) if line.entry else None,
        )
        for line in lines
    )


def _source(portfolio: Portfolio, event_id: int | None) -> str:
    """What the batch's order ids come from: its event, or else its place in the ledger."""
    if event_id is not None:
        return f"event:{event_id}"
    return f"portfolio:{portfolio.id}:{portfolio.last_sequence}"


def _quantity(ticket: OrderTicket, etf: Priced, costs: CostModel, step: Decimal) -> Decimal:
    """The shares to trade: those ordered, or the most that the notional amount reaches for."""
    if ticket.quantity is not None:
        if ticket.quantity % step:
            raise WholeSharesOnly
        return to_micros(ticket.quantity)
    assert ticket.notional is not None
    sized = affordable_quantity if ticket.side is Side.BUY else sellable_quantity
    quantity = sized(ticket.notional, etf.quote, costs, step=step)
    if not quantity:
        least = etf.quote.fill(ticket.side, step, costs)
        needed = -least.net if ticket.side is Side.BUY else least.gross
        raise TooSmall(
            f"The amount is too small: {plain(step)} shares of {etf.ticker} take {needed} USD."
        )
    return to_micros(quantity)
