"""What the tax office and an auditor ask for: open lots, realised gains, the ledger itself."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from app.api.deps import PortfolioDep, ResourcesDep, SessionDep
from app.api.errors import problems
from app.core.clock import utc_now
from app.schemas.gain import GainList, Year
from app.schemas.ledger import LedgerFilter, LedgerPage
from app.schemas.lot import LotList
from app.services import gains, ledger_reading, lots_overview

router = APIRouter(prefix="/api/portfolios", tags=["portfolios"])

CSV = "text/csv"

YearQuery = Annotated[
    Year | None, Query(description="Only what was sold in it; left out: all years", examples=[2025])
]


@router.get("/{portfolio_id}/lots", responses=problems(404))
async def show_lots(
    portfolio: PortfolioDep, session: SessionDep, resources: ResourcesDep
) -> LotList:
    """The open tax lots: cost, value at the latest close, unrealised gain and holding period."""
    market = await resources.market_data.snapshot(session, portfolio.market)
    return await lots_overview.overview(session, market, portfolio, now=utc_now())


@router.get(
    "/{portfolio_id}/gains",
    response_model=GainList,
    responses=problems(404)
    | {
        200: {
            "content": {CSV: {"schema": {"type": "string"}}},
            "description": "In the order of their days; as CSV in the columns of Form 8949",
        }
    },
)
async def show_gains(
    portfolio: PortfolioDep,
    session: SessionDep,
    resources: ResourcesDep,
    year: YearQuery = None,
    accept: Annotated[str, Header(description="`text/csv` for a table")] = "application/json",
) -> Response:
    """The realised gains, one line for each lot that was closed, with wash sales marked.

    A wash sale is marked where the same ETF or a twin was bought within 30 days before or after.
    The disallowed loss is stated; the cost of the shares that replaced the sold ones is not raised.
    """
    market = await resources.market_data.snapshot(session, portfolio.market)
    found = await gains.realised(session, market, portfolio, year=year)
    if CSV in accept:
        return Response(gains.form_8949(found), media_type=CSV)
    return Response(found.model_dump_json(), media_type="application/json")


@router.get("/{portfolio_id}/ledger", responses=problems(404))
async def show_ledger(
    portfolio: PortfolioDep, session: SessionDep, wanted: Annotated[LedgerFilter, Query()]
) -> LedgerPage:
    """The entries of the ledger in the order of their sequence, from which all else follows."""
    return await ledger_reading.page(session, portfolio, after=wanted.after, limit=wanted.limit)
