"""What data there are and how old they are."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from app.api.deps import IdempotencyKeyHeader, MarketCode, ResourcesDep, SessionDep
from app.api.errors import problems
from app.api.transaction import Transaction
from app.core.clock import utc_now
from app.market_data.validation import Reason
from app.schemas.base import Ticker
from app.schemas.data import ActionFilter, ActionList, DataStatus, DataUpdate, QuarantineList
from app.schemas.job import JobRead
from app.services import data_issues, data_status, refreshing, stored_actions

router = APIRouter(prefix="/api/data", tags=["data"], route_class=Transaction)

OneMarket = Annotated[
    str | None,
    Query(pattern="^[a-z]{1,32}$", description="Left out: every market", examples=["us"]),
]


@router.get("/status", responses=problems(404))
async def status(
    session: SessionDep, resources: ResourcesDep, market: OneMarket = None
) -> DataStatus:
    """Per market: each series' sessions and counts, scores, refused rows and last imports.

    A market without data is listed too, with the reason.
    """
    return await data_status.status(
        session,
        resources.cache,
        market=market,
        default_market=await resources.market_data.default_market(session),
        now=utc_now(),
    )


@router.get("/quarantine", responses=problems(404))
async def quarantine(
    session: SessionDep,
    resources: ResourcesDep,
    *,
    market: MarketCode = None,
    ticker: Annotated[Ticker | None, Query(description="Of this ETF or index only")] = None,
    reason: Annotated[Reason | None, Query(description="Refused for this reason only")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most")] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to pass over")] = 0,
) -> QuarantineList:
    """Rows that were refused at an import, as they came, each with its reason."""
    return await data_issues.refused(
        session,
        market or await resources.market_data.default_market(session),
        ticker=ticker,
        reason=reason,
        limit=limit,
        offset=offset,
        now=utc_now(),
    )


@router.get("/actions", responses=problems(404))
async def actions(
    session: SessionDep,
    resources: ResourcesDep,
    *,
    market: MarketCode = None,
    ticker: Annotated[Ticker | None, Query(description="Of this ETF only")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most")] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to pass over")] = 0,
) -> ActionList:
    """The dividends, splits, ticker changes and closures that are known, newest ex-date first."""
    return await stored_actions.listed(
        session,
        market or await resources.market_data.default_market(session),
        ActionFilter(ticker=ticker, limit=limit, offset=offset),
        now=utc_now(),
    )


@router.post("/update", status_code=202, responses=problems(404, 409))
async def update(
    session: SessionDep,
    resources: ResourcesDep,
    body: Annotated[DataUpdate, Body()] = DataUpdate(),  # noqa: B008 - frozen
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> JobRead:
    """Bring a market up to date: a job that scores, marks and checks stops; `/api/jobs` shows it.

    While an update of the market is under way, that one is the answer.
    """
    market = body.market or await resources.market_data.default_market(session)
    job = await refreshing.submit(session, resources.owner_id, market, now=utc_now())
    return JobRead.model_validate(job)
