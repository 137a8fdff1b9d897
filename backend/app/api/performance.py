"""How a portfolio did."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.deps import PortfolioDep, ResourcesDep, SessionDep
from app.api.errors import problems
from app.core.clock import utc_now
from app.quant.periods import Period
from app.schemas.base import Ticker
from app.schemas.performance import PerformanceRead
from app.services import performance

router = APIRouter(prefix="/api/performance", tags=["performance"])

PeriodQuery = Annotated[
    Period,
    Query(description="Counted back from the last close; ALL is the whole life", examples=["1Y"]),
]
BenchmarkQuery = Annotated[
    Ticker | None,
    Query(description="An ETF of the market; left out: the portfolio's own, or the market's"),
]


@router.get("/{portfolio_id}", responses=problems(404, 409))
async def show(
    portfolio: PortfolioDep,
    session: SessionDep,
    resources: ResourcesDep,
    period: PeriodQuery = Period.ALL,
    benchmark: BenchmarkQuery = None,
) -> PerformanceRead:
    """Return, risk and benchmark statistics of a period, and its daily series.

    Time-weighted returns take deposits and withdrawals at the start of their session. Whatever
    has no honest value is null, with its reason in `reasons`.
    """
    market = await resources.market_data.snapshot(session, portfolio.market)
    return await performance.measure(
        session, market, portfolio, period=period, benchmark=benchmark, now=utc_now()
    )
