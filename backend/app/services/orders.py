"""The orders of a portfolio: listed, shown with their lives, cancelled."""

from collections.abc import Mapping
from datetime import datetime
from decimal import localcontext
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import func, true

from app.core.errors import NotFound
from app.core.money import to_micros
from app.market_data.snapshot import MarketSnapshot
from app.models import OPEN_STATES, Etf, Market, Order, OrderEvent, OrderState, Portfolio
from app.quant.costs import EXACT
from app.schemas.order import OrderDetail, OrderEventRead, OrderFilter, OrderRead, StateWanted
from app.services import ledger, open_orders, settling
from app.services.order_life import NotOpen, OrderLife, ReasonCode

_PAID = (
    select(func.sum(OrderEvent.quantity * OrderEvent.price).label("paid"))
    .where(OrderEvent.order_id == Order.id)
    .lateral("fills")
)
_LAST = (
    select(OrderEvent.message)
    .where(OrderEvent.order_id == Order.id)
    .order_by(OrderEvent.number.desc())
    .limit(1)
    .lateral("latest")
)
_EVENT = tuple(getattr(OrderEvent, name) for name in OrderEventRead.model_fields)
_JOINED = {"market", "simulated", "ticker", "message", "fill_price"}
_ORDER = (
    *(getattr(Order, name) for name in OrderRead.model_fields if name not in _JOINED),
    Etf.ticker,
    Market.code.label("market"),
    Market.simulated,
    _LAST.c.message,
    _PAID.c.paid,
)


async def listed(
    session: AsyncSession, portfolio: Portfolio, wanted: OrderFilter
) -> list[OrderRead]:
    """Those that are wanted, newest first."""
    query = (
        _orders(portfolio)
        .order_by(Order.created_at.desc(), Order.id.desc())
        .limit(wanted.limit)
        .offset(wanted.offset)
    )
    if wanted.state is StateWanted.OPEN:
        query = query.where(Order.state.in_(OPEN_STATES))
    elif wanted.state is not None:
        query = query.where(Order.state == wanted.state.value)
    if wanted.ticker is not None:
        query = query.where(Etf.ticker == wanted.ticker)
    found = (await session.execute(query)).mappings()
    return [OrderRead.model_validate(_read(row)) for row in found]


async def detail(session: AsyncSession, portfolio: Portfolio, order_id: UUID) -> OrderDetail:
    """One order with its life; raises NotFound."""
    query = _orders(portfolio).where(Order.id == order_id)
    row = (await session.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("order")
    changes = select(*_EVENT).where(OrderEvent.order_id == order_id).order_by(OrderEvent.number)
    events = (await session.execute(changes)).mappings().all()
    return OrderDetail.model_validate({**_read(row), "events": events})


async def cancel(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    order_id: UUID,
    *,
    now: datetime,
) -> OrderDetail:
    """End an open order; what was filled of it stays. The caller holds the lock on the portfolio.

    The bars that are there already come first: an order that they fill is too late to cancel. One
    that is cancelled stays as it is. Raises NotFound, or NotOpen for any other end.
    """
    found = await detail(session, portfolio, order_id)
    if found.state is OrderState.CANCELLED:
        return found
    if found.state not in OPEN_STATES:
        raise NotOpen(found.state)
    await settling.settle(session, market, portfolio, now=now)
    order = await _open(session, portfolio, order_id)
    if order is not None:
        cancelled = order.changed(
            OrderState.CANCELLED,
            ReasonCode.CANCELLED_BY_USER,
            session=market.latest_session,
            at=now,
        )
        await ledger.book_all(session, portfolio, [], now=now, orders=[cancelled])
    after = await detail(session, portfolio, order_id)
    if after.state is not OrderState.CANCELLED:
        raise NotOpen(after.state)
    return after


async def _open(session: AsyncSession, portfolio: Portfolio, order_id: UUID) -> OrderLife | None:
    """The order as it may be changed; None where what was settled has ended it."""
    waiting = (await open_orders.read(session, [portfolio.id])).get(portfolio.id, ())
    return next((order for order in waiting if order.id == order_id), None)


def _orders(portfolio: Portfolio) -> Select[Any]:
    return (
        select(*_ORDER)
        .join(Etf, Etf.id == Order.etf_id)
        .join(Market, Market.code == Etf.market)
        .join(_PAID, true())
        .join(_LAST, true(), isouter=True)
        .where(Order.portfolio_id == portfolio.id)
    )


def _read(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with the average price of its fills."""
    paid, filled = row["paid"], row["filled_quantity"]
    with localcontext(EXACT):
        price = to_micros(paid / filled) if paid and filled else None
    return {**row, "fill_price": price}
