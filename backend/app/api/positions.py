"""Positions, how far they are from what the rules want, and rebalancing."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Response

from app.api.deps import (
    MAX_ID,
    IdempotencyKeyHeader,
    Limit,
    LockedPortfolioDep,
    Offset,
    PortfolioDep,
    PortfolioId,
    ResourcesDep,
    SessionDep,
)
from app.api.errors import problems
from app.api.transaction import Transaction
from app.core.clock import utc_now
from app.core.database import reading
from app.schemas.drift import DriftRead
from app.schemas.position import PositionList
from app.schemas.rebalance import RebalanceItem, RebalanceRead, RebalanceRequest
from app.services import deciding, positions, rebalance_events, rebalancing

router = APIRouter(prefix="/api/positions", tags=["positions"], route_class=Transaction)

EventId = Annotated[int, Path(ge=1, le=MAX_ID, description="A proposal's `id`", examples=[1])]


@router.get("/{portfolio_id}", response_model=PositionList, responses=problems(404))
async def show(portfolio_id: PortfolioId, resources: ResourcesDep) -> Response:
    """What the portfolio holds at the latest close: price, value, weight, target and stop."""
    async with reading(resources.sessions) as session:
        body = await positions.answer(
            session,
            resources.market_data,
            owner_id=resources.owner_id,
            portfolio_id=portfolio_id,
            now=utc_now(),
        )
    return Response(body, media_type="application/json")


@router.get("/{portfolio_id}/drift", responses=problems(404, 409))
async def show_drift(
    portfolio: PortfolioDep, session: SessionDep, resources: ResourcesDep
) -> DriftRead:
    """How far each position is from what the rules want now, and whether that calls for trades."""
    market = await resources.market_data.snapshot(session, portfolio.market)
    return await deciding.drift(session, market, portfolio, now=utc_now())


@router.get("/{portfolio_id}/rebalance", responses=problems(404))
async def show_rebalances(
    portfolio: PortfolioDep, session: SessionDep, limit: Limit = 100, offset: Offset = 0
) -> list[RebalanceItem]:
    """What was ever proposed to the portfolio, newest first, and whether it was traded."""
    return await rebalance_events.listed(session, portfolio, limit=limit, offset=offset)


@router.get("/{portfolio_id}/rebalance/{event_id}", responses=problems(404))
async def show_rebalance(
    event_id: EventId, portfolio: PortfolioDep, session: SessionDep, resources: ResourcesDep
) -> RebalanceRead:
    """One proposal, and if it was executed, which lines were filled, cut or skipped and why."""
    market = await resources.market_data.snapshot(session, portfolio.market)
    event = await rebalance_events.find(session, portfolio, event_id)
    return await rebalance_events.shown(session, market, event, now=utc_now())


@router.post("/{portfolio_id}/rebalance", status_code=201, responses=problems(404, 409))
async def rebalance(
    portfolio: LockedPortfolioDep,
    session: SessionDep,
    resources: ResourcesDep,
    body: Annotated[RebalanceRequest, Body()] = RebalanceRequest(),  # noqa: B008 - frozen
    idempotency_key: IdempotencyKeyHeader = None,
) -> RebalanceRead:
    """Propose what to trade at the latest close, and with `execute` trade it at once.

    Inside the bands the proposal is empty and says so, unless `force` or a `budget` is given.
    """
    market = await resources.market_data.snapshot(session, portfolio.market)
    now = utc_now()
    event = await rebalancing.rebalance(
        session, market, portfolio, body, now=now, idempotency_key=idempotency_key
    )
    return await rebalance_events.shown(session, market, event, now=now)


@router.post("/{portfolio_id}/rebalance/{event_id}/execute", responses=problems(404, 409))
async def execute(
    event_id: EventId,
    portfolio: LockedPortfolioDep,
    session: SessionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> RebalanceRead:
    """Trade a stored proposal at the latest close, once.

    409 if it was executed already, or if the book or the prices it was made from have changed.
    """
    market = await resources.market_data.snapshot(session, portfolio.market)
    now = utc_now()
    event = await rebalance_events.find(session, portfolio, event_id)
    await rebalancing.execute(
        session, market, portfolio, event, now=now, idempotency_key=idempotency_key
    )
    return await rebalance_events.shown(session, market, event, now=now)
