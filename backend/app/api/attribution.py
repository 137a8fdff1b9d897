"""What made a return, and what it loads on."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.computing import BacktestId, ComputeOnRunDep
from app.api.deps import (
    IdempotencyKeyHeader,
    PortfolioDep,
    ResourcesDep,
    SessionDep,
)
from app.api.errors import problems
from app.api.transaction import Transaction
from app.core.clock import utc_now
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest
from app.schemas.attribution import (
    AttributionAsked,
    AttributionRead,
    BacktestAttributionRead,
)
from app.schemas.regression import (
    RegressionAsked,
    RegressionRead,
    SeriesRegressionIn,
    SeriesRegressionRead,
)
from app.services import attribution, backtest_runs, regression

router = APIRouter(tags=["attribution"], route_class=Transaction)


@router.get("/api/performance/{portfolio_id:id}/attribution", responses=problems(404, 409))
async def of_portfolio(
    portfolio: PortfolioDep,
    session: SessionDep,
    resources: ResourcesDep,
    asked: Annotated[AttributionAsked, Query()],
) -> AttributionRead:
    """The period's return by position, by factor and by asset class; the parts add up."""
    market = await resources.market_data.snapshot(session, portfolio.market)
    return await attribution.attribute(session, market, portfolio, asked, now=utc_now())


@router.get("/api/backtests/{backtest_id:id}/attribution", responses=problems(404, 409))
async def of_backtest(
    compute: ComputeOnRunDep, asked: Annotated[AttributionAsked, Query()]
) -> BacktestAttributionRead:
    """A run's return by position, by factor and by asset class; the parts add up.

    It is lived through again on the prices it was made on; where the market has other ones by now,
    everything is null with that reason.
    """

    async def work(
        _: AsyncSession, market: MarketSnapshot, run: Backtest
    ) -> BacktestAttributionRead:
        return await attribution.attribute_backtest(market, run, asked, now=utc_now())

    return await compute(work)


@router.get("/api/performance/{portfolio_id:id}/regression", responses=problems(404, 409))
async def regression_of_portfolio(
    portfolio: PortfolioDep,
    session: SessionDep,
    resources: ResourcesDep,
    asked: Annotated[RegressionAsked, Query()],
) -> RegressionRead:
    """What a portfolio's returns load on: alpha and loadings on published daily factors."""
    market = await resources.market_data.snapshot(session, portfolio.market)
    return await regression.of_portfolio(session, market, portfolio, asked, now=utc_now())


@router.get("/api/backtests/{backtest_id:id}/regression", responses=problems(404, 409))
async def regression_of_backtest(
    backtest_id: BacktestId,
    session: SessionDep,
    resources: ResourcesDep,
    asked: Annotated[RegressionAsked, Query()],
) -> RegressionRead:
    """What a run's returns load on: alpha and loadings on published daily factors."""
    run = await backtest_runs.found(session, resources.owner_id, backtest_id)
    market = await resources.market_data.snapshot(session, run.market)
    return await regression.of_backtest(session, market, run, asked, now=utc_now())


@router.post(
    "/api/performance/series/regression",
    response_model=SeriesRegressionRead,
    responses=problems(404, 409),
)
async def regression_of_series(
    series: SeriesRegressionIn,
    session: SessionDep,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> Response:
    """The same of a series that is sent along: dates, and daily values or returns."""
    answer = await regression.of_series(session, series)
    return Response(answer.model_dump_json(), media_type="application/json")
