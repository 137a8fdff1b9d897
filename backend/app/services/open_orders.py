"""The open orders of portfolios, as they may be changed."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import rows
from app.models import FillAt, OrderOrigin, OrderState, OrderType, Portfolio, TimeInForce
from app.quant.costs import Side
from app.quant.lots import Pick
from app.services.order_life import OrderLife, ReasonCode

_OPEN = """
    SELECT o.portfolio_id, o.id, o.etf_id, o.side, o.order_type, o.time_in_force, o.fill_at,
        o.quantity, o.limit_price, o.stop_price, o.origin, o.reason, o.lots, o.idempotency_key,
        o.rebalance_event_id, o.session, o.created_at, o.filled_quantity, o.triggered_on, o.state,
        o.reason_code, life.written, life.fills, life.seen
    FROM orders o
    CROSS JOIN LATERAL (
        SELECT count(*) AS written, count(quantity) AS fills, max(session) AS seen
        FROM order_events WHERE order_id = o.id
    ) AS life
    WHERE o.portfolio_id = ANY(%(portfolio_ids)s)
        AND o.state IN ('new', 'accepted', 'partially_filled')
    ORDER BY o.portfolio_id, o.created_at, o.id
    """


async def read(
    session: AsyncSession, portfolio_ids: Sequence[int]
) -> dict[int, tuple[OrderLife, ...]]:
    """The open orders of each portfolio that has any, in the order they were taken."""
    found: dict[int, tuple[OrderLife, ...]] = {}
    for row in await rows(session, _OPEN, {"portfolio_ids": list(portfolio_ids)}):
        found[row.portfolio_id] = (*found.get(row.portfolio_id, ()), _life(row))
    return found


async def cancelled(
    session: AsyncSession,
    portfolio: Portfolio,
    code: ReasonCode,
    *,
    on: date,
    at: datetime,
    origin: OrderOrigin | None = None,
) -> list[OrderLife]:
    """The portfolio's open orders (of one origin only, where given), cancelled but not written."""
    orders = (await read(session, [portfolio.id])).get(portfolio.id, ())
    return [
        order.changed(OrderState.CANCELLED, code, session=on, at=at)
        for order in orders
        if origin is None or order.origin is origin
    ]


def _life(row: Any) -> OrderLife:
    picks = row.lots and tuple(Pick(each["lot"], Decimal(each["quantity"])) for each in row.lots)
    return OrderLife(
        id=row.id,
        etf_id=row.etf_id,
        side=Side(row.side),
        order_type=OrderType(row.order_type),
        time_in_force=TimeInForce(row.time_in_force),
        fill_at=FillAt(row.fill_at),
        quantity=row.quantity,
        limit_price=row.limit_price,
        stop_price=row.stop_price,
        origin=OrderOrigin(row.origin),
        reason=row.reason,
        picks=picks,
        idempotency_key=row.idempotency_key,
        rebalance_event_id=row.rebalance_event_id,
        session=row.session,
        created_at=row.created_at,
        filled_quantity=row.filled_quantity,
        triggered_on=row.triggered_on,
        state=OrderState(row.state),
        reason_code=ReasonCode(row.reason_code),
        written=row.written,
        fills=row.fills,
        seen=row.seen,
    )
