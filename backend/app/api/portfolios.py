"""Portfolios: open, list, show, change, pay into, close."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.deps import (
    IdempotencyKeyHeader,
    Limit,
    LockedPortfolioDep,
    Offset,
    PortfolioDep,
    ResourcesDep,
    SessionDep,
)
from app.api.errors import problems
from app.api.transaction import Transaction
from app.core.clock import utc_now
from app.core.database import reading
from app.models import PortfolioStatus
from app.schemas.cash import CashCreate, CashRead
from app.schemas.portfolio import PortfolioCreate, PortfolioItem, PortfolioPatch, PortfolioRead
from app.schemas.settings import default_settings, stored_settings
from app.services import cash_flows, overview, portfolios, receipts

router = APIRouter(prefix="/api/portfolios", tags=["portfolios"], route_class=Transaction)

StatusFilter = Annotated[PortfolioStatus | None, Query(description="Only those of this status")]


@router.get("", response_model=list[PortfolioItem])
async def show_all(
    resources: ResourcesDep,
    status: StatusFilter = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Your portfolios, oldest first, each valued at its market's latest close."""
    async with reading(resources.sessions) as session:
        found = await overview.listed(
            session,
            resources.market_data,
            resources.owner_id,
            status=status,
            limit=limit,
            offset=offset,
            now=utc_now(),
        )
    return Response(found, media_type="application/json")


@router.post("", status_code=201, responses=problems(404, 409))
async def create(
    body: PortfolioCreate,
    session: SessionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> PortfolioRead:
    """Open a portfolio with its capital in cash. Nothing is bought until you ask for it."""
    code = body.market or await resources.market_data.default_market(session)
    market = await resources.market_data.snapshot(session, code)
    now = utc_now()
    portfolio = await portfolios.create(
        session,
        market,
        owner_id=resources.owner_id,
        name=body.name,
        initial_capital=body.initial_capital,
        settings=body.over(default_settings(resources.settings)),
        now=now,
    )
    return await overview.detail(session, market, portfolio, now=now)


@router.get("/{portfolio_id}", responses=problems(404))
async def show(
    portfolio: PortfolioDep, session: SessionDep, resources: ResourcesDep
) -> PortfolioRead:
    """One portfolio: its rules, its positions, and what it is worth at the latest close."""
    market = await resources.market_data.snapshot(session, portfolio.market)
    return await overview.detail(session, market, portfolio, now=utc_now())


@router.patch("/{portfolio_id}", responses=problems(404, 409))
async def change(
    portfolio: LockedPortfolioDep,
    body: PortfolioPatch,
    session: SessionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> PortfolioRead:
    """Change the name or any rule; what is left out stays as it is."""
    market = await resources.market_data.snapshot(session, portfolio.market)
    await portfolios.change(
        session,
        market,
        portfolio,
        name=body.name if "name" in body.model_fields_set else None,
        settings=body.over(stored_settings(portfolio.settings)),
    )
    return await overview.detail(session, market, portfolio, now=utc_now())


@router.delete("/{portfolio_id}", responses=problems(404, 409))
async def close(
    portfolio: LockedPortfolioDep,
    session: SessionDep,
    resources: ResourcesDep,
    liquidate: Annotated[bool, Query(description="Sell all positions first")] = False,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> PortfolioRead:
    """Close a portfolio for good: it can be read and no longer changed, and its name is free."""
    market = await resources.market_data.snapshot(session, portfolio.market)
    now = utc_now()
    await portfolios.close(session, market, portfolio, liquidate=liquidate, now=now)
    return await overview.detail(session, market, portfolio, now=now)


@router.post("/{portfolio_id}/cash", status_code=201, responses=problems(404, 409))
async def move_cash(
    portfolio: LockedPortfolioDep,
    body: CashCreate,
    session: SessionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> CashRead:
    """Book money that is no trade: paid in or out, interest, a fee, a dividend, a tax.

    With an earlier date it counts from that day on, and the values since then are made again.
    """
    market = await resources.market_data.snapshot(session, portfolio.market)
    booked = await cash_flows.move_cash(session, market, portfolio, body, now=utc_now())
    return receipts.of_cash(market, portfolio, booked)
