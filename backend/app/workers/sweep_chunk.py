"""Some members of a sweep; see `services.sweep_work`."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import utc_now
from app.services import sweep_work
from app.workers.context import JobContext, Record, Result


async def handle(context: JobContext) -> Record:
    resources, arguments = context.resources, context.arguments
    task = await sweep_work.read(
        resources.sessions, resources.market_data, arguments["sweep"], arguments["members"]
    )
    done = await context.in_thread(sweep_work.simulate, task, utc_now(), context.tell)

    async def record(session: AsyncSession) -> Result:
        await sweep_work.keep(session, task.sweep_id, done)
        return {"members": len(done.rows), "failed": len(done.failures)}

    return record
