"""The job that runs one backtest; see `services.backtest_runs`."""

import json

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import utc_now
from app.core.database import reading
from app.schemas.backtest import BacktestSpec
from app.services import backtest_runs
from app.services.backtest_runs import Ask
from app.workers.context import JobContext, Record, Result


async def handle(context: JobContext) -> Result | Record:
    """The specification is complete: it was resolved when it was asked for."""
    resources, arguments = context.resources, context.arguments
    spec = BacktestSpec.model_validate_json(json.dumps(arguments["spec"]))
    ask = Ask(context.owner_id, spec, arguments["label"])
    async with reading(resources.sessions) as session:
        market = await resources.market_data.snapshot(session, str(spec.market), recheck=True)
        known = await backtest_runs.known(session, market, ask)
    if known is not None:
        return {"backtest_id": known.id}
    await context.progress(0.1, "living through past sessions")
    columns = await backtest_runs.make(market, ask, now=utc_now())

    async def record(session: AsyncSession) -> Result:
        row, _ = await backtest_runs.keep(session, columns)
        return {"backtest_id": row.id}

    return record
