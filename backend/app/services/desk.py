"""One desk per batch of orders: each line is cut to what the book has left, then filled.

The desk keeps a book of its own, so that every line sees what those before it did; nothing is
written here.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from app.brokers import Broker, BrokerOrder, Rejected
from app.core.errors import ETFTraderError, NoPrice, Refused, UnknownTicker
from app.core.money import ZERO, plain
from app.market_data.snapshot import MarketSnapshot
from app.models import (
    EntryKind,
    FillAt,
    OrderOrigin,
    OrderState,
    OrderType,
    TimeInForce,
)
from app.quant.book import ProposedOrder
from app.quant.costs import CostModel, Fill, Side
from app.quant.lots import Pick
from app.quant.sizing import affordable_quantity
from app.schemas.settings import Oversized, PortfolioSettings
from app.services import pricing, strategy
from app.services.entry import Entry
from app.services.order_life import OrderLife, ReasonCode, id_of
from app.services.pricing import NotTraded, Priced
from app.services.projection import Book, apply

PAPER = "paper"
"""The source of an entry that the paper broker filled."""


class OrderRejected(Refused):
    """The broker did not take the order."""


class LineStatus(StrEnum):
    FILLED = "filled"
    REDUCED = "reduced"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Batch:
    """Where orders that are traded together come from, and what happens to what does not fill.

    Their ids come from `source`, so that no source is traded twice. With `rests` what is more than
    a session's volume allows waits for the next ones; else it is given up.
    """

    origin: OrderOrigin
    source: str
    event_id: int | None = None
    idempotency_key: str | None = None
    rests: bool = False
    time_in_force: TimeInForce = TimeInForce.DAY


@dataclass(frozen=True, slots=True)
class Line:
    """What becomes of a proposed order: the entry to book, or none, and why not all was traded."""

    order: ProposedOrder
    status: LineStatus
    reason: str | None
    entry: Entry | None
    life: OrderLife | None


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why fewer shares are traded than ordered; `waits` where the rest is for later sessions."""

    code: ReasonCode
    sentence: str
    waits: bool = False


@dataclass(slots=True)
class Desk:
    """Trades at the close of `session`."""

    market: MarketSnapshot
    broker: Broker
    costs: CostModel
    rules: PortfolioSettings
    session: date
    now: datetime
    batch: Batch
    book: Book

    async def trade(self, order: ProposedOrder) -> Line:
        if order.quantity <= 0:
            return Line(order, LineStatus.SKIPPED, "Nothing is left to trade.", None, None)
        try:
            life = self._received(order)
        except UnknownTicker as error:
            return Line(order, LineStatus.SKIPPED, str(error), None, None)
        try:
            etf = pricing.priced(self.market, order.ticker, self.session)
            quantity, short = self._within_limits(order, etf)
            if not quantity:
                assert short is not None
                return self._skipped(order, life, short.code, short.sentence)
            life, entry = await self._filled(life.accepted(), etf, quantity, short)
            self.book = apply(self.book, entry)
        except ETFTraderError as error:
            return self._skipped(order, life, _code_of(error), str(error))
        if short is None:
            return Line(order, LineStatus.FILLED, None, entry, life)
        if not short.waits:
            life = life.changed(
                OrderState.CANCELLED,
                short.code,
                session=self.session,
                at=self.now,
                message=short.sentence,
            )
        return Line(order, LineStatus.REDUCED, short.sentence, entry, life)

    def _received(self, order: ProposedOrder) -> OrderLife:
        batch = self.batch
        etf_id = self.market.etfs[self.market.row(order.ticker)].id
        return OrderLife(
            id=id_of(batch.source, order.side, etf_id),
            etf_id=etf_id,
            side=order.side,
            order_type=OrderType.MARKET,
            time_in_force=batch.time_in_force,
            fill_at=FillAt.CLOSE,
            quantity=order.quantity,
            limit_price=None,
            stop_price=None,
            origin=batch.origin,
            reason=order.reason,
            picks=None,
            idempotency_key=batch.idempotency_key,
            rebalance_event_id=batch.event_id,
            session=self.session,
            created_at=self.now,
        ).received()

    def _skipped(
        self, order: ProposedOrder, life: OrderLife, code: ReasonCode, sentence: str
    ) -> Line:
        rejected = life.changed(
            OrderState.REJECTED, code, session=self.session, at=self.now, message=sentence
        )
        return Line(order, LineStatus.SKIPPED, sentence, None, rejected)

    def _within_limits(self, order: ProposedOrder, etf: Priced) -> tuple[Decimal, Shortage | None]:
        """As many shares as ordered, or as the book and the daily volume allow, and why fewer."""
        most, short = self._within_means(order, etf)
        step = strategy.order_settings(self.rules).step
        cap = etf.session_cap(self.rules, step)
        if cap is None or min(most, order.quantity) <= cap:
            return (order.quantity, None) if order.quantity <= most else (most, short)
        sentence = (
            f"At most {plain(cap.normalize())} shares a session: "
            f"{self.rules.max_volume_share:.0%} of the median daily volume."
        )
        if self.rules.oversized is Oversized.REFUSE:
            cap = ZERO
        # What the book does not have is not worth waiting for.
        waits = self.batch.rests and order.quantity <= most
        return cap, Shortage(ReasonCode.OVERSIZED, sentence, waits)

    def _within_means(self, order: ProposedOrder, etf: Priced) -> tuple[Decimal, Shortage]:
        if order.side is Side.SELL:
            held = self.book.holdings.get(etf.etf_id)
            most = held.quantity if held else ZERO
            return most, Shortage(
                ReasonCode.INSUFFICIENT_SHARES,
                f"Only {plain(most.normalize())} shares are held.",
            )
        cash, step = self.book.cash, strategy.order_settings(self.rules).step
        most = affordable_quantity(cash, etf.quote, self.costs, step=step)
        return most, Shortage(
            ReasonCode.INSUFFICIENT_CASH,
            f"The cash of {plain(cash)} USD pays for {plain(most.normalize())} shares.",
        )

    async def _filled(
        self, life: OrderLife, etf: Priced, quantity: Decimal, short: Shortage | None
    ) -> tuple[OrderLife, Entry]:
        sent = BrokerOrder(life.id, etf.ticker, life.side, quantity, etf.quote)
        fill = filled(await self.broker.place(sent))
        why = f"{short.sentence} The rest waits." if short and short.waits else None
        life = life.filled(quantity, fill.price, session=self.session, at=self.now, message=why)
        return life, entry_of(fill, life, self.session, etf.price_date)


def _code_of(error: ETFTraderError) -> ReasonCode:
    match error:
        case NoPrice():
            return ReasonCode.NO_PRICE
        case NotTraded():
            return ReasonCode.ETF_CLOSED
        case _:
            return ReasonCode.REFUSED


def filled(answer: Fill | Rejected) -> Fill:
    if isinstance(answer, Rejected):
        raise OrderRejected(answer.reason)
    return answer


def entry_of(
    fill: Fill,
    order: OrderLife,
    session: date,
    price_date: date,
    *,
    picks: tuple[Pick, ...] | None = None,
) -> Entry:
    """The ledger's entry for the latest fill of an order."""
    return Entry(
        kind=EntryKind.BUY if fill.side is Side.BUY else EntryKind.SELL,
        session=session,
        amount=fill.net,
        reason=order.reason,
        source=PAPER,
        fee=fill.fee,
        etf_id=order.etf_id,
        quantity=fill.quantity,
        reference_price=fill.reference,
        price=fill.price,
        price_date=price_date,
        order_id=order.id,
        fill_number=order.fills,
        idempotency_key=order.idempotency_key,
        rebalance_event_id=order.rebalance_event_id,
        picks=picks,
    )
