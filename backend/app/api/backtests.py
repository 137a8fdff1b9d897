"""Backtests: rules lived through over past sessions, kept, and judged together."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.background import BackgroundTask

from app.api.computing import BacktestId, ComputeDep, ComputeOnRunDep
from app.api.deps import MAX_ID, IdempotencyKeyHeader, ResourcesDep, SessionDep
from app.api.errors import problems
from app.api.transaction import Transaction
from app.core.clock import utc_now
from app.core.csv_text import csv_text
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, JobKind
from app.schemas.backtest import (
    BacktestCreate,
    BacktestFilter,
    BacktestItem,
    BacktestRead,
    BacktestTrade,
    ComparisonRead,
    EvidenceRead,
    Withdrawal,
)
from app.schemas.job import JobRead
from app.schemas.performance import BacktestPerformanceRead
from app.schemas.performance_asked import PerformanceAsked
from app.schemas.risk import BacktestRiskRead
from app.services import (
    backtest_answers,
    backtest_evidence,
    backtest_performance,
    backtest_risk,
    backtest_running,
    backtest_runs,
    backtesting,
    jobs,
)
from app.services.backtest_runs import Ask

router = APIRouter(prefix="/api/backtests", tags=["backtests"], route_class=Transaction)

CSV = "text/csv"

OneOfTwo = Annotated[int, Query(ge=1, le=MAX_ID, description="A backtest's `id`", examples=[1])]
Wanted = Annotated[bool, Query(description="Whether to answer it")]


@router.post(
    "",
    status_code=201,
    response_model=BacktestRead,
    responses=problems(404, 409)
    | {202: {"model": JobRead, "description": "It takes longer: the job that does it"}},
)
async def run(
    body: BacktestCreate,
    session: SessionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> Response:
    """Live through past sessions by any rules that a portfolio can have, and keep what came of it.

    What is expected within 200 ms is answered at once; anything longer is a job, whose result names
    the backtest. The same specification on the same data is the same run: `repeated` says so.
    """
    code = body.market or await resources.market_data.default_market(session)
    market = await resources.market_data.snapshot(session, code)
    spec = backtesting.resolved(market, resources.settings, body.spec)
    ask = Ask(resources.owner_id, spec, body.label)
    known = await backtest_runs.known(session, market, ask)
    if known is not None:
        return _answer(backtest_answers.read(known, repeated=True))
    life = backtesting.life_of(market, spec)
    if not backtest_running.is_quick(market, life):
        job = await jobs.submit(
            session,
            owner_id=resources.owner_id,
            kind=JobKind.BACKTEST,
            arguments={"spec": spec.model_dump(mode="json"), "label": body.label},
            idempotency_key=idempotency_key,
            lane=backtest_runs.lane_of(ask),
            now=utc_now(),
        )
        waiting = JobRead.model_validate(job).model_dump_json()
        # A worker does this one; the next on the same universe can then be answered at once.
        scoring = BackgroundTask(backtest_running.remember, market, life.settings)
        return Response(waiting, 202, media_type="application/json", background=scoring)
    columns = await backtest_runs.make(market, ask, now=utc_now())
    row, is_new = await backtest_runs.keep(session, columns)
    return _answer(backtest_answers.read(row, repeated=not is_new))


@router.get("")
async def show_all(
    session: SessionDep, resources: ResourcesDep, wanted: Annotated[BacktestFilter, Query()]
) -> list[BacktestItem]:
    """Your backtests, newest first."""
    rows = await backtest_runs.listed(session, resources.owner_id, wanted)
    return [BacktestItem.model_validate(row) for row in rows]


@router.get("/compare", responses=problems(404))
async def compare(
    compute: ComputeDep, resources: ResourcesDep, first: OneOfTwo, second: OneOfTwo
) -> ComparisonRead:
    """Whether the first run differs from the second, or had different luck.

    The paired difference of their daily returns, with HAC standard errors and a bootstrap interval,
    on the sessions that both have.
    """

    async def work(session: AsyncSession) -> ComparisonRead:
        return await backtest_evidence.comparison(session, resources.owner_id, first, second)

    return await compute(work)


@router.get("/{backtest_id:id}", response_model=BacktestRead, responses=problems(404))
async def show(
    backtest_id: BacktestId,
    session: SessionDep,
    resources: ResourcesDep,
    *,
    curves: Wanted = True,
    trades: Wanted = True,
) -> Response:
    """One run: what was asked for, and everything that came of it."""
    row = await backtest_runs.found(session, resources.owner_id, backtest_id)
    answer = backtest_answers.read(row, repeated=False, curves=curves, trades=trades)
    return Response(answer.model_dump_json(), media_type="application/json")


@router.get(
    "/{backtest_id:id}/trades",
    response_model=list[BacktestTrade],
    responses=problems(404)
    | {200: {"content": {CSV: {"schema": {"type": "string"}}}, "description": "Oldest first"}},
)
async def trades_of(
    backtest_id: BacktestId,
    session: SessionDep,
    resources: ResourcesDep,
    accept: Annotated[str, Header(description="`text/csv` for a table")] = "application/json",
) -> Response:
    """The trades of a run in the order in which they were made, as JSON or CSV."""
    row = await backtest_runs.found(session, resources.owner_id, backtest_id)
    trades = backtest_answers.read(row, repeated=False, curves=False).trades or []
    if CSV in accept:
        return Response(table(trades), media_type=CSV)
    listed = ",".join(trade.model_dump_json() for trade in trades)
    return Response(f"[{listed}]", media_type="application/json")


@router.get(
    "/{backtest_id:id}/performance",
    response_model=BacktestPerformanceRead,
    responses=problems(404, 409),
)
async def performance_of(
    compute: ComputeOnRunDep, asked: Annotated[PerformanceAsked, Query()]
) -> Response:
    """What `GET /api/performance/{portfolio_id}` says of a portfolio, of a run.

    Of a member of a sweep only the returns are kept: what needs values or trades is null.
    """

    async def work(_: AsyncSession, market: MarketSnapshot, run: Backtest) -> str:
        answer = await backtest_performance.measure(market, run, asked, now=utc_now())
        return await asyncio.to_thread(answer.model_dump_json)

    return Response(await compute(work), media_type="application/json")


@router.get("/{backtest_id:id}/evidence", responses=problems(404))
async def evidence(
    backtest_id: BacktestId, compute: ComputeDep, resources: ResourcesDep
) -> EvidenceRead:
    """Whether a run can be believed, given every run that you made on its market.

    Withdrawn runs count: they were tries too.
    """

    async def work(session: AsyncSession) -> EvidenceRead:
        return await backtest_evidence.evidence(session, resources.owner_id, backtest_id)

    return await compute(work)


@router.get("/{backtest_id:id}/risk", responses=problems(404, 409))
async def risk_of(compute: ComputeOnRunDep) -> BacktestRiskRead:
    """The risk of what a run held at its end, and of the returns that it made.

    Whatever has no honest value is null, with its reason in `reasons`.
    """

    async def work(_: AsyncSession, market: MarketSnapshot, run: Backtest) -> BacktestRiskRead:
        return await backtest_risk.assess(market, run, now=utc_now())

    return await compute(work)


@router.delete("/{backtest_id:id}", responses=problems(404, 409))
async def withdraw(
    backtest_id: BacktestId,
    body: Withdrawal,
    session: SessionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> BacktestItem:
    """Take a run out of the list, with a reason. It is kept, and counts as a try for ever."""
    row = await backtest_runs.withdraw(
        session, resources.owner_id, backtest_id, reason=body.reason, now=utc_now()
    )
    return BacktestItem.model_validate(row)


def table(trades: Sequence[BacktestTrade]) -> str:
    names = list(BacktestTrade.model_fields)
    return csv_text(names, ([getattr(trade, name) for name in names] for trade in trades))


def _answer(found: BacktestRead) -> Response:
    return Response(found.model_dump_json(), 201, media_type="application/json")
