"""Book entries as they are, each fill with the order it needs."""

from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from app.models import EntryKind, FillAt, OrderOrigin, OrderType, Portfolio, TimeInForce
from app.quant.costs import Side
from app.services import ledger
from app.services.entry import Booked, Entry
from app.services.order_life import OrderLife


async def booked(
    session: AsyncSession, portfolio: Portfolio, *entries: Entry, now: datetime
) -> tuple[Booked, ...]:
    orders: list[OrderLife] = []
    filled: list[Entry] = []
    for entry in entries:
        if entry.kind in {EntryKind.BUY, EntryKind.SELL}:
            order = ordered(entry, now)
            orders.append(order)
            filled.append(replace(entry, order_id=order.id, fill_number=1))
        else:
            filled.append(entry)
    return await ledger.book_all(session, portfolio, filled, now=now, orders=orders)


def ordered(entry: Entry, now: datetime) -> OrderLife:
    """A market order that the entry fills whole."""
    assert entry.etf_id is not None
    assert entry.quantity is not None
    assert entry.price is not None
    order = OrderLife(
        id=uuid4(),
        etf_id=entry.etf_id,
        side=Side(entry.kind.value),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        fill_at=FillAt.CLOSE,
        quantity=entry.quantity,
        limit_price=None,
        stop_price=None,
        origin=OrderOrigin.USER,
        reason=entry.reason,
        picks=entry.picks,
        idempotency_key=None,
        rebalance_event_id=None,
        session=entry.session,
        created_at=now,
    )
    return (
        order.received()
        .accepted()
        .filled(entry.quantity, entry.price, session=entry.session, at=now)
    )
