"""The stops of a portfolio: what would fire at which price, and acting on it."""

from fastapi import APIRouter

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
from app.schemas.stop import StopsChecked, StopsRead
from app.services import stop_report

router = APIRouter(prefix="/api/risk", tags=["risk"], route_class=Transaction)


@router.get("/{portfolio_id}/stops", responses=problems(404, 409))
async def show(portfolio: PortfolioDep, session: SessionDep, resources: ResourcesDep) -> StopsRead:
    """Every position against its stop at the latest close: what would fire, and if not, why."""
    market = await resources.market_data.snapshot(session, portfolio.market)
    return await stop_report.preview(session, market, portfolio, now=utc_now())


@router.post("/{portfolio_id}/stops", responses=problems(404, 409))
async def check(
    portfolio: LockedPortfolioDep,
    session: SessionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> StopsChecked:
    """Act on the stops now: each breach sells its position whole, at the latest close plus costs.

    With `stop_action` `alert` nothing is sold and the breach is told instead. A stop acts once per
    position and session, however often it is checked.
    """
    market = await resources.market_data.snapshot(session, portfolio.market)
    return await stop_report.check(session, market, portfolio, now=utc_now())
