"""What a new installation is given, so that there is something to see."""

import asyncio
from datetime import datetime

from app.bootstrap import open_resources
from app.core.config import Settings
from app.core.progress import Progress
from app.schemas.settings import default_settings
from app.services import demo


def prepare(settings: Settings, *, now: datetime, progress: Progress) -> None:
    """The demo market and the demo portfolio; see `services.demo.prepare`."""

    async def with_resources() -> None:
        async with open_resources(settings) as resources:
            await demo.prepare(
                resources.sessions,
                resources.market_data,
                owner_id=resources.owner_id,
                settings=default_settings(settings),
                now=now,
                progress=progress,
            )

    asyncio.run(with_resources())
