"""The job that brings a market up to date; see `services.refreshing`."""

from app.core.clock import utc_now
from app.services import refreshing
from app.workers.context import JobContext, Result


async def handle(context: JobContext) -> Result:
    """Every part of an update is safe to repeat, so one that was interrupted begins again."""
    resources = context.resources
    refreshed = await refreshing.refresh(
        resources.sessions,
        resources.market_data,
        str(context.arguments["market"]),
        now=utc_now(),
        progress=context.tell,
    )
    return refreshed.model_dump(mode="json")
