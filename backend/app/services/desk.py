"""One desk per batch of orders: each line is cut to what the book has left, then filled.

The desk keeps a book of its own, so that every line sees what those before it did; nothing is
written here.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import NAMESPACE_OID, UUID, uuid5

from app.brokers import Broker, BrokerOrder, Rejected
from app.core.errors import ETFTraderError, Refused
from app.core.money import ZERO, plain
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind
from app.quant.book import ProposedOrder
from app.quant.costs import CostModel, Fill, Side
from app.quant.sizing import affordable_quantity
from app.services import pricing
from app.services.ledger import Entry
from app.services.pricing import Priced
from app.services.projection import Book, apply


class OrderRejected(Refused):
    """The broker did not take the order."""


class LineStatus(StrEnum):
    FILLED = "filled"
    REDUCED = "reduced"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Line:
    """What becomes of an order: the entry to book, or none, and why not all of it was traded."""

    order: ProposedOrder
    status: LineStatus
    reason: str | None
    entry: Entry | None


@dataclass(slots=True)
class Desk:
    """Trades at the close of `session`; `source` names the batch in its orders' ids."""

    market: MarketSnapshot
    broker: Broker
    costs: CostModel
    step: Decimal
    session: date
    source: str
    event_id: int | None
    book: Book

    async def trade(self, order: ProposedOrder) -> Line:
        try:
            etf = pricing.priced(self.market, order.ticker, self.session)
            quantity, why = self._within_means(order, etf)
            if not quantity:
                return Line(order, LineStatus.SKIPPED, why, None)
            entry = await self._filled(order, etf, quantity)
            self.book = apply(self.book, entry)
        except ETFTraderError as error:
            return Line(order, LineStatus.SKIPPED, str(error), None)
        return Line(order, LineStatus.REDUCED if why else LineStatus.FILLED, why, entry)

    def _within_means(self, order: ProposedOrder, etf: Priced) -> tuple[Decimal, str | None]:
        """As many shares as ordered, or as are held or cash pays for, and why fewer."""
        if order.side is Side.SELL:
            held = self.book.holdings.get(etf.etf_id)
            most = held.quantity if held else ZERO
            why = f"Only {plain(most.normalize())} shares are held."
        else:
            cash = self.book.cash
            most = affordable_quantity(cash, etf.quote, self.costs, step=self.step)
            why = f"The cash of {plain(cash)} USD pays for {plain(most.normalize())} shares."
        return (order.quantity, None) if order.quantity <= most else (most, why)

    async def _filled(self, order: ProposedOrder, etf: Priced, quantity: Decimal) -> Entry:
        order_id = uuid5(NAMESPACE_OID, f"etftrader:{self.source}:{order.side}:{order.ticker}")
        sent = BrokerOrder(order_id, etf.ticker, order.side, quantity, etf.quote)
        fill = filled(await self.broker.place(sent))
        return entry_of(
            fill,
            etf,
            self.session,
            reason=order.reason,
            order_id=order_id,
            rebalance_event_id=self.event_id,
        )


def filled(answer: Fill | Rejected) -> Fill:
    if isinstance(answer, Rejected):
        raise OrderRejected(answer.reason)
    return answer


def entry_of(
    fill: Fill,
    etf: Priced,
    session: date,
    *,
    reason: str,
    order_id: UUID,
    idempotency_key: str | None = None,
    rebalance_event_id: int | None = None,
) -> Entry:
    return Entry(
        kind=EntryKind.BUY if fill.side is Side.BUY else EntryKind.SELL,
        session=session,
        amount=fill.net,
        reason=reason,
        fee=fill.fee,
        etf_id=etf.etf_id,
        quantity=fill.quantity,
        reference_price=fill.reference,
        price=fill.price,
        price_date=etf.price_date,
        order_id=order_id,
        idempotency_key=idempotency_key,
        rebalance_event_id=rebalance_event_id,
    )
