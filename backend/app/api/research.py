"""Whether a factor says anything about the returns to come."""

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.api.deps import ResourcesDep
from app.api.errors import problems
from app.core.clock import utc_now
from app.core.database import reading, unit_of_work
from app.schemas.job import JobRead
from app.schemas.research import FactorName, FactorQuestion, FactorResearchRead
from app.services import research

router = APIRouter(prefix="/api/research", tags=["research"])

FactorPath = Annotated[
    FactorName, Path(description="A registered factor, or `composite`", examples=["momentum"])
]


@router.get(
    "/factors/{name}",
    response_model=FactorResearchRead,
    responses=problems(404, 409)
    | {202: {"model": JobRead, "description": "It takes longer: the job that finds the answer"}},
)
async def examine(
    name: FactorPath, resources: ResourcesDep, question: Annotated[FactorQuestion, Query()]
) -> Response:
    """Rank IC, quantile returns, turnover, costs and what the factor adds to others, by horizon.

    What is known already, or expected within 200 ms, is answered at once. Anything longer is a job:
    asked again when that has ended, this is the answer. What these data cannot answer is a 422 with
    the reason, then as ever after.
    """
    now, owner_id = utc_now(), resources.owner_id
    async with reading(resources.sessions) as session:
        code = question.market or await resources.market_data.default_market(session)
        market = await resources.market_data.snapshot(session, code)
        asked = research.ask(market, resources.settings, name, question)
        key = asked.key(now)
        body, is_quick = await resources.cache.known(key), research.is_quick(market)
        at_once = (
            body is not None
            or is_quick
            or await research.was_done(session, asked, owner_id=owner_id, now=now)
        )
        if not at_once:
            await research.require_possible(session, asked, owner_id=owner_id)
    if not at_once:
        async with unit_of_work(resources.sessions) as session:
            job = await research.submit(session, asked, owner_id=owner_id, now=now)
            waiting = JobRead.model_validate(job).model_dump_json()
        return Response(waiting, 202, media_type="application/json")

    async def make() -> bytes:
        found = await asyncio.to_thread(research.examine, asked, now=now)
        return found.model_dump_json().encode()

    if body is None:
        kept = partial(resources.cache.get_or_make, key, make)
        body = await (kept() if is_quick else resources.computing.answer(key, kept))
    return Response(body, media_type="application/json")
