"""The first thing a newcomer sees: an invented market, and a portfolio that has lived in it."""

import asyncio
from datetime import date, datetime
from uuid import uuid4

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.database import Sessions, reading, unit_of_work
from app.core.progress import Progress
from app.market_data.live import DEMO_MARKET, MarketData
from app.market_data.simulated import SEED, simulate
from app.models import Market, Portfolio
from app.quant.panel import DateArray
from app.schemas.settings import PortfolioSettings
from app.services import importing, replay, updating
from app.services.arrivals import Arrival, Delivery, ImportReport
from app.services.updating import Update

YEARS_OF_SESSIONS = 2520
SOURCE = f"simulated market, seed {SEED}"


async def prepare(
    sessions: Sessions,
    market_data: MarketData,
    *,
    owner_id: int,
    settings: PortfolioSettings,
    now: datetime,
    progress: Progress,
) -> None:
    """Bring the demo market up to the last completed session and give it its portfolio, once.

    Does nothing when both are there; killed halfway, the next call does the rest.
    """
    await go_on(sessions, market_data, now=now, progress=progress)
    async with reading(sessions) as session:
        has_portfolio = await session.scalar(
            select(exists().where(Portfolio.market == DEMO_MARKET))
        )
    if not has_portfolio:
        async with unit_of_work(sessions) as session:
            market = await market_data.snapshot(session, DEMO_MARKET)
            await replay.open_demo_portfolio(
                session,
                market,
                owner_id,
                settings,
                now=now,
                progress=progress,
            )


async def go_on(
    sessions: Sessions, market_data: MarketData, *, now: datetime, progress: Progress
) -> Update | None:
    """Simulate ten years, or go on from where the market began: the past stays what it was.

    None where the last completed session is there already.
    """
    latest = calendar.last_completed_session(now)
    async with reading(sessions) as session:
        about = (await session.scalars(select(Market).where(Market.code == DEMO_MARKET))).one()
    if about.latest_session is not None and about.latest_session >= latest:
        return None
    progress("inventing the demo market", 0, 1)
    arrival = await asyncio.to_thread(_simulated, latest, about.first_session)
    progress("inventing the demo market", 1, 1)

    async def bring(session: AsyncSession) -> ImportReport:
        return await importing.import_arrival(
            session, DEMO_MARKET, arrival, now=now, data_version=uuid4(), progress=progress
        )

    return await updating.update(sessions, market_data, bring, now=now, progress=progress)


def _simulated(latest: date, first: date | None) -> Arrival:
    simulated = simulate(last_session=latest, sessions=_sessions(latest, first))
    return Arrival(
        bars=Delivery(simulated.bars, SOURCE),
        facts=Delivery(simulated.etfs, SOURCE),
        actions=Delivery(simulated.actions, SOURCE),
        index=Delivery(simulated.vix, SOURCE),
    )


def _sessions(latest: date, first: date | None) -> DateArray:
    known = calendar.sessions(first or calendar.FIRST_DAY, latest)
    return known if first is not None else known[-YEARS_OF_SESSIONS:]
