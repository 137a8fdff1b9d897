"""Sweeps: many runs that differ in some settings, and whether the best can be believed."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.api.deps import MAX_ID, IdempotencyKeyHeader, Limit, Offset, ResourcesDep, SessionDep
from app.api.errors import problems
from app.api.transaction import Transaction
from app.core.clock import utc_now
from app.schemas.job import JobRead
from app.schemas.sweep import SweepItem, SweepRead, SweepSpec
from app.services import sweeps

router = APIRouter(prefix="/api/backtests/sweeps", tags=["backtests"], route_class=Transaction)

SweepId = Annotated[int, Path(ge=1, le=MAX_ID, description="A sweep's `id`", examples=[1])]


@router.post("", status_code=202, responses=problems(404, 409))
async def create(
    body: SweepSpec,
    session: SessionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - read by Transaction
) -> JobRead:
    """Run every member of a grid or a list of variants: a job, whose `arguments` name the sweep.

    The same specification on the same data is the same sweep: one that was made before is the
    answer, one that failed or was cancelled goes on with what is left of it.
    """
    code = body.market or await resources.market_data.default_market(session)
    market = await resources.market_data.snapshot(session, code, recheck=True)
    job = await sweeps.submit(
        session,
        market,
        resources.settings,
        body,
        owner_id=resources.owner_id,
        now=utc_now(),
    )
    return JobRead.model_validate(job)


@router.get("")
async def show_all(
    session: SessionDep, resources: ResourcesDep, *, limit: Limit = 100, offset: Offset = 0
) -> list[SweepItem]:
    """Your sweeps, newest first."""
    return await sweeps.listed(session, resources.owner_id, limit=limit, offset=offset)


@router.get("/{sweep_id}", responses=problems(404))
async def show(
    sweep_id: SweepId,
    session: SessionDep,
    resources: ResourcesDep,
    *,
    limit: Limit = 100,
    offset: Offset = 0,
) -> SweepRead:
    """A sweep: how far it is, what came of it, and `limit` of its members from `offset` on."""
    return await sweeps.shown(session, resources.owner_id, sweep_id, limit=limit, offset=offset)
