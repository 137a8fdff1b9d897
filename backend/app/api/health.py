"""Whether the process lives, and whether all it stands on answers."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy import text

from app.api.deps import ResourcesDep
from app.bootstrap import Resources
from app.core.database import reading
from app.core.errors import Unavailable
from app.schemas.base import Output

router = APIRouter(tags=["health"])

PATIENCE_SECONDS = 1.5


class Health(Output):
    status: Literal["alive"]


class Readiness(Output):
    ready: bool
    database: Literal["ok", "away"]
    redis: Literal["ok", "away"]
    jobs: Literal["served", "waiting"] = Field(
        description="Whether a worker listens; jobs wait for one, everything else is answered"
    )


@router.get("/health")
async def health() -> Health:
    """The process answers; says nothing about what it stands on."""
    return Health(status="alive")


@router.get("/ready", responses={503: {"model": Readiness, "description": "Not ready"}})
async def ready(resources: ResourcesDep, response: Response) -> Readiness:
    """Each dependency answers. Without Redis answers are slower and the same: still ready.

    Without a worker too: to take away what answers would not bring back what works.
    """
    database: Literal["ok", "away"] = "ok" if await _database_answers(resources) else "away"
    if database == "away":
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    redis: Literal["ok", "away"] = "ok" if await resources.cache.answers() else "away"
    jobs: Literal["served", "waiting"] = (
        "served" if redis == "ok" and await resources.cache.hears_a_worker() else "waiting"
    )
    return Readiness(ready=database == "ok", database=database, redis=redis, jobs=jobs)


async def _database_answers(resources: Resources) -> bool:
    """In good time: nobody waits for the cancellation of a statement that is frozen."""
    asked = asyncio.create_task(_ask(resources))
    done, _ = await asyncio.wait({asked}, timeout=PATIENCE_SECONDS)
    if not done:
        asked.cancel()
    return bool(done) and asked.result()


async def _ask(resources: Resources) -> bool:
    try:
        async with reading(resources.sessions) as session:
            await session.execute(text("SELECT 1"))
    except Unavailable:
        return False
    return True
