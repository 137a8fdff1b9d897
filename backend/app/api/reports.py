"""Reports and series of portfolios and backtests: to hand to somebody, and to compute with."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.computing import BacktestId, ComputeDep, ComputeOnRunDep
from app.api.deps import (
    PortfolioDep,
    PortfolioId,
    ResourcesDep,
    SessionDep,
    portfolio_of,
)
from app.api.errors import problems
from app.api.performance import BenchmarkQuery, PeriodQuery
from app.core.clock import utc_now
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest
from app.quant.periods import Period
from app.schemas.report import (
    BacktestFindings,
    NothingAsked,
    PortfolioFindings,
    ReportAsked,
    SeriesRead,
)
from app.services import backtest_runs, exporting, reporting
from app.services.exporting import Format

router = APIRouter(prefix="/api", tags=["reports"])

HTML = "text/html"
MEDIA = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv",
    Format.PARQUET: "application/vnd.apache.parquet",
}

PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {HTML: {"schema": {"type": "string"}}}, "description": "One HTML file"}
}
ROWS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            MEDIA[Format.JSON]: {"schema": {"type": "array", "items": {"type": "object"}}},
            MEDIA[Format.CSV]: {"schema": {"type": "string"}},
            MEDIA[Format.PARQUET]: {"schema": {"type": "string", "format": "binary"}},
        },
        "description": "Its rows in their order; money is exact",
    }
}

FormatQuery = Annotated[
    Format | None, Query(alias="format", description="Left out: as `Accept` says, or JSON")
]
SeriesName = Annotated[
    str, Path(pattern="^[a-z_]{1,40}$", description="As the list names it", examples=["trades"])
]
AcceptHeader = Annotated[
    str, Header(description=f"`{MEDIA[Format.CSV]}` or `{MEDIA[Format.PARQUET]}` for a table")
]


@router.get("/portfolios/{portfolio_id}/report", responses=problems(404, 409) | PAGE)
async def of_portfolio(
    portfolio_id: PortfolioId,
    compute: ComputeDep,
    resources: ResourcesDep,
    asked: Annotated[ReportAsked, Query()],
) -> Response:
    """A report about a portfolio: one HTML file that loads nothing else.

    Growth, falls, what made the return, exposures, costs and risk, each with its definition, and
    what is known to be wrong with the data.
    """

    async def work(session: AsyncSession) -> str:
        portfolio = await portfolio_of(session, resources, portfolio_id)
        market = await resources.market_data.snapshot(session, portfolio.market)
        found = await reporting.of_portfolio(
            session, resources.cache, market, portfolio, asked, now=utc_now()
        )
        return await asyncio.to_thread(_portfolio_page, found)

    return _page(await compute(work), f"portfolio-{portfolio_id}")


@router.get("/backtests/{backtest_id:id}/report", responses=problems(404) | PAGE)
async def of_backtest(
    backtest_id: BacktestId,
    compute: ComputeOnRunDep,
    resources: ResourcesDep,
    _: Annotated[NothingAsked, Query()],
) -> Response:
    """A report about a backtest: one HTML file that loads nothing else.

    What the rules did, at which cost, and whether it can be believed: how many runs were tried,
    the deflated Sharpe ratio, and the caveats.
    """

    async def work(session: AsyncSession, market: MarketSnapshot, run: Backtest) -> str:
        found = await reporting.of_backtest(session, resources.cache, market, run, now=utc_now())
        return await asyncio.to_thread(_backtest_page, found)

    return _page(await compute(work), f"backtest-{backtest_id}")


@router.get("/portfolios/{portfolio_id}/series", responses=problems(404))
async def list_of_portfolio(portfolio: PortfolioDep) -> list[SeriesRead]:  # noqa: ARG001
    """The series of a portfolio that can be taken away as tables."""
    return exporting.listed(exporting.OF_PORTFOLIOS)


@router.get("/portfolios/{portfolio_id}/series/{name}", responses=problems(404, 409) | ROWS)
async def series_of_portfolio(
    portfolio_id: PortfolioId,
    compute: ComputeDep,
    resources: ResourcesDep,
    name: SeriesName,
    *,
    form: FormatQuery = None,
    period: PeriodQuery = Period.ALL,
    benchmark: BenchmarkQuery = None,
    accept: AcceptHeader = MEDIA[Format.JSON],
) -> Response:
    """One series of a portfolio as JSON, CSV or Parquet, whole."""
    wanted = form or _accepted(accept)

    async def work(session: AsyncSession) -> bytes:
        portfolio = await portfolio_of(session, resources, portfolio_id)
        market = await resources.market_data.snapshot(session, portfolio.market)
        book = exporting.Book(session, market, portfolio, period, benchmark, utc_now())
        return await exporting.export(exporting.OF_PORTFOLIOS, name, book, wanted)

    return _file(await compute(work), wanted)


@router.get("/backtests/{backtest_id:id}/series", responses=problems(404))
async def list_of_backtest(
    backtest_id: BacktestId, session: SessionDep, resources: ResourcesDep
) -> list[SeriesRead]:
    """The series of a backtest that can be taken away as tables."""
    await backtest_runs.found(session, resources.owner_id, backtest_id)
    return exporting.listed(exporting.OF_BACKTESTS)


@router.get("/backtests/{backtest_id:id}/series/{name}", responses=problems(404, 409) | ROWS)
async def series_of_backtest(
    compute: ComputeOnRunDep,
    name: SeriesName,
    *,
    form: FormatQuery = None,
    accept: AcceptHeader = MEDIA[Format.JSON],
) -> Response:
    """One series of a backtest as JSON, CSV or Parquet, whole."""
    wanted = form or _accepted(accept)

    async def work(_: AsyncSession, market: MarketSnapshot, run: Backtest) -> bytes:
        asked = exporting.Run(market, run, utc_now())
        return await exporting.export(exporting.OF_BACKTESTS, name, asked, wanted)

    return _file(await compute(work), wanted)


def _accepted(accept: str) -> Format:
    return next((form for form, media in MEDIA.items() if media in accept), Format.JSON)


def _file(content: bytes, form: Format) -> Response:
    return Response(content, media_type=MEDIA[form])


def _page(page: str, name: str) -> Response:
    headers = {"Content-Disposition": f'inline; filename="{name}.html"'}
    return Response(page, media_type=HTML, headers=headers)


def _portfolio_page(found: PortfolioFindings) -> str:
    # Plotly and its templates take half a second to import: only who asks for a report pays.
    from app.web import report  # noqa: PLC0415

    return report.of_portfolio(found)


def _backtest_page(found: BacktestFindings) -> str:
    from app.web import report  # noqa: PLC0415

    return report.of_backtest(found)
