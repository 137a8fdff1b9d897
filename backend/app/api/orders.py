"""Orders: list them, follow one through its life, cancel one that is open."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from app.api.deps import (
    IdempotencyKeyHeader,
    LockedPortfolioDep,
    PortfolioDep,
    ResourcesDep,
    SessionDep,
)
from app.api.errors import problems
from app.api.transaction import Transaction
from app.core.clock import utc_now
from app.schemas.order import OrderDetail, OrderFilter, OrderRead
from app.services import orders

router = APIRouter(prefix="/api/orders", tags=["orders"], route_class=Transaction)

OrderId = Annotated[UUID, Path(description="An order's `id`")]


@router.get("/{portfolio_id}", responses=problems(404))
async def show_all(
    portfolio: PortfolioDep, session: SessionDep, wanted: Annotated[OrderFilter, Query()]
) -> list[OrderRead]:
    """The orders of a portfolio, newest first."""
    return await orders.listed(session, portfolio, wanted)


@router.get("/{portfolio_id}/{order_id}", responses=problems(404))
async def show(portfolio: PortfolioDep, order_id: OrderId, session: SessionDep) -> OrderDetail:
    """One order with every change of its state."""
    return await orders.detail(session, portfolio, order_id)


@router.delete("/{portfolio_id}/{order_id}", responses=problems(404, 409))
async def cancel(
    order_id: OrderId,
    portfolio: LockedPortfolioDep,
    session: SessionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> OrderDetail:
    """Cancel an open order; what was filled of it stays.

    Cancelling it again changes nothing. 409 if it was filled, was rejected or has expired.
    """
    market = await resources.market_data.snapshot(session, portfolio.market)
    return await orders.cancel(session, market, portfolio, order_id, now=utc_now())
