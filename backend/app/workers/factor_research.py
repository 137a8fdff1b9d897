"""The job that examines one factor; see `services.research`."""

import json

from app.core.clock import utc_now
from app.core.database import reading
from app.schemas.research import FactorName, FactorQuestion
from app.services import research
from app.workers.context import JobContext, Record, Result


async def handle(context: JobContext) -> Result | Record:
    """Leaves the answer in the cache, where whoever asks again finds it."""
    resources, arguments = context.resources, context.arguments
    factor = FactorName(arguments["factor"])
    question = FactorQuestion.model_validate_json(json.dumps(arguments["question"]))
    async with reading(resources.sessions) as session:
        market = await resources.market_data.snapshot(session, str(question.market), recheck=True)
    await context.progress(0.1, "examining scores")
    asked, now = research.ask(market, resources.settings, factor, question), utc_now()

    async def make() -> bytes:
        found = await context.in_thread(research.examine, asked, now=now)
        return found.model_dump_json().encode()

    await resources.cache.get_or_make(asked.key(now), make)
    return {"factor": factor.value, "data_version": str(market.data_version)}
