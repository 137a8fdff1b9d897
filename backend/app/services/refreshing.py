"""A market brought up to date: what its source has, then scores, values and stops."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Sessions, reading
from app.core.errors import NoMarketData, NotFound
from app.core.progress import Progress
from app.market_data.live import DEMO_MARKET, MarketData
from app.models import Job, JobKind, Market
from app.schemas.data import Refreshed
from app.services import data_status, demo, jobs, updating
from app.services.scoring import Scored
from app.services.session_close import Closed


async def submit(session: AsyncSession, owner_id: int, market: str, *, now: datetime) -> Job:
    """Ask for an update; while one of the market is under way, that one is the answer.

    Raises NotFound for an unknown market, NoMarketData for one that an import has to begin, and
    LaneTaken.
    """
    about = await session.scalar(select(Market).where(Market.code == market))
    if about is None:
        raise NotFound("market")
    if about.latest_session is None and not about.simulated:
        raise NoMarketData(market)
    return await jobs.submit(
        session,
        owner_id=owner_id,
        kind=JobKind.DATA_UPDATE,
        arguments={"market": market},
        lane=market,
        now=now,
    )


async def refresh(
    sessions: Sessions, market_data: MarketData, market: str, *, now: datetime, progress: Progress
) -> Refreshed:
    """Go on with a simulated market; score, mark and check what is new. Raises NoMarketData.

    Prices of other markets come with an import, which does the same at its end: here it is done
    again where it was left undone.
    """
    scored, closed = await _brought_up(sessions, market_data, market, now=now, progress=progress)
    async with reading(sessions) as session:
        about = (await session.scalars(select(Market).where(Market.code == market))).one()
    return Refreshed(
        **data_status.age_of(about, now).model_dump(),
        sessions_scored=scored.sessions,
        portfolios=closed.portfolios,
        actions=closed.actions,
        fills=closed.fills,
        stops=closed.stops,
        alerts=closed.alerts,
        paused=closed.paused,
        failures=len(closed.failures),
    )


async def _brought_up(
    sessions: Sessions, market_data: MarketData, market: str, *, now: datetime, progress: Progress
) -> tuple[Scored, Closed]:
    if market == DEMO_MARKET:
        new = await demo.go_on(sessions, market_data, now=now, progress=progress)
        if new is not None and new.scored is not None and new.closed is not None:
            return new.scored, new.closed
    return await updating.catch_up(sessions, market_data, market, now=now, progress=progress)
