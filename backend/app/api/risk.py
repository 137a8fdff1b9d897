"""Stops, drawdown, and the risk of what a portfolio holds; the volatility index."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.deps import MarketDep, PortfolioDep, ResourcesDep, SessionDep
from app.api.errors import problems
from app.core.clock import utc_now
from app.schemas.risk import RiskRead, VixHistory
from app.schemas.settings import default_settings
from app.services import risk

router = APIRouter(prefix="/api/risk", tags=["risk"])


@router.get("/vix/history", responses=problems(404, 409))
async def vix_history(
    market: MarketDep,
    resources: ResourcesDep,
    days: Annotated[int, Query(ge=1, le=10_000, description="How many sessions back")] = 252,
) -> VixHistory:
    """Closes of the volatility index with their regimes, and the current regime."""
    settings = default_settings(resources.settings)
    return await risk.vix_history(market, settings, days=days, now=utc_now())


@router.get("/{portfolio_id}", responses=problems(404, 409))
async def show(portfolio: PortfolioDep, session: SessionDep, resources: ResourcesDep) -> RiskRead:
    """Where every position stands against its stop, and what today's weights risk.

    Whatever has no honest value is null, with its reason in `reasons`.
    """
    market = await resources.market_data.snapshot(session, portfolio.market)
    return await risk.assess(session, market, portfolio, now=utc_now())
