"""How a portfolio or a series did."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.deps import IdempotencyKeyHeader, PortfolioDep, ResourcesDep, SessionDep
from app.api.errors import problems
from app.api.transaction import Transaction
from app.core.clock import utc_now
from app.quant.periods import Period
from app.schemas.blend import BlendText
from app.schemas.performance import PerformanceRead, SeriesPerformanceRead
from app.schemas.performance_asked import PerformanceAsked, SeriesIn
from app.services import performance, series_performance

router = APIRouter(prefix="/api/performance", tags=["performance"], route_class=Transaction)

PeriodQuery = Annotated[
    Period,
    Query(description="Counted back from the last close; ALL is the whole life", examples=["1Y"]),
]
BenchmarkQuery = Annotated[
    BlendText | None, Query(description="Left out: the portfolio's own, or the market's")
]


@router.get("/{portfolio_id:id}", response_model=PerformanceRead, responses=problems(404, 409))
async def show(
    portfolio: PortfolioDep,
    session: SessionDep,
    resources: ResourcesDep,
    asked: Annotated[PerformanceAsked, Query()],
) -> Response:
    """Return, risk, costs and benchmark of a period, and its daily series.

    Time-weighted returns take deposits and withdrawals at the start of their session. Whatever
    has no honest value is null, with its reason in `reasons`; `trace` says what every figure is.
    """
    market = await resources.market_data.snapshot(session, portfolio.market)
    answer = await performance.measured_json(session, market, portfolio, asked, now=utc_now())
    return Response(answer, media_type="application/json")


@router.post("/series", response_model=SeriesPerformanceRead, responses=problems(404, 409))
async def measure_series(
    series: SeriesIn,
    session: SessionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> Response:
    """The same of a series that is sent along: dates, and daily values or returns. Nothing is kept.

    A benchmark is one of the market's ETFs, or a blend of them.
    """
    market = None
    if series.benchmark is not None:
        code = series.market or await resources.market_data.default_market(session)
        market = await resources.market_data.snapshot(session, code)
    answer = series_performance.measure(market, series, now=utc_now())
    return Response(answer.model_dump_json(), media_type="application/json")
