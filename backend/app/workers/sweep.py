"""What came of a sweep when all of its members are done; see `services.sweep_work`."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.services import sweep_work
from app.workers.context import JobContext, Record, Result


async def handle(context: JobContext) -> Record:
    resources = context.resources
    task = await sweep_work.read(
        resources.sessions, resources.market_data, context.arguments["sweep"]
    )
    runs = await sweep_work.runs_of(resources.sessions, task)
    result = await context.in_thread(sweep_work.put_together, task, runs, context.tell)

    async def record(session: AsyncSession) -> Result:
        return await sweep_work.conclude(session, task, result)

    return record
