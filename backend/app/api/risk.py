"""Stops, drawdown, and the risk of what a portfolio holds or a series shows; the VIX."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.deps import (
    IdempotencyKeyHeader,
    MarketDep,
    PortfolioDep,
    ResourcesDep,
    SessionDep,
)
from app.api.errors import problems
from app.api.transaction import Transaction
from app.core.clock import utc_now
from app.schemas.performance_asked import SeriesIn
from app.schemas.risk import RiskRead, SeriesRiskAnswer, VixHistory
from app.schemas.settings import default_settings
from app.services import risk, series_risk

router = APIRouter(prefix="/api/risk", tags=["risk"], route_class=Transaction)


@router.get("/vix/history", responses=problems(404, 409))
async def vix_history(
    market: MarketDep,
    resources: ResourcesDep,
    days: Annotated[int, Query(ge=1, le=10_000, description="How many sessions back")] = 252,
) -> VixHistory:
    """Closes of the volatility index with their regimes, and the current regime."""
    settings = default_settings(resources.settings)
    return await risk.vix_history(market, settings, days=days, now=utc_now())


@router.get("/{portfolio_id:id}", response_model=RiskRead, responses=problems(404, 409))
async def show(portfolio: PortfolioDep, session: SessionDep, resources: ResourcesDep) -> Response:
    """Where every position stands against its stop, and what today's weights risk.

    Whatever has no honest value is null, with its reason in `reasons`.
    """
    market = await resources.market_data.snapshot(session, portfolio.market)
    answer = await risk.assess(session, market, portfolio, now=utc_now())
    return Response(answer.model_dump_json(), media_type="application/json")


@router.post("/series", response_model=SeriesRiskAnswer, responses=problems(404, 409))
async def measure_series(
    series: SeriesIn,
    session: SessionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> Response:
    """What can be said of a series that is sent along: dates, and daily values or returns.

    Nothing is kept. A benchmark is one of the market's ETFs, or a blend of them.
    """
    market = None
    if series.benchmark is not None:
        code = series.market or await resources.market_data.default_market(session)
        market = await resources.market_data.snapshot(session, code)
    answer = series_risk.assess(market, series, now=utc_now())
    return Response(answer.model_dump_json(), media_type="application/json")
