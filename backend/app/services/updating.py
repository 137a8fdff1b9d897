"""New data and what follows from them: import, then scores, then portfolio values."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Sessions, unit_of_work
from app.core.errors import NoMarketData
from app.core.progress import Progress
from app.market_data.live import MarketData
from app.market_data.snapshot import MarketSnapshot
from app.services import derived, marking, scoring, turns
from app.services.arrivals import ImportReport
from app.services.marking import Marked
from app.services.scoring import Scored

Import = Callable[[AsyncSession], Awaitable[ImportReport]]


@dataclass(frozen=True, slots=True)
class Update:
    """What an import brought and what was made from it; None while the market has no prices."""

    report: ImportReport
    scored: Scored | None
    marked: Marked | None


async def update(
    sessions: Sessions,
    market_data: MarketData,
    bring: Import,
    *,
    now: datetime,
    progress: Progress,
) -> Update:
    """Take in new data and bring scores and values up to them.

    Two transactions, because prices are read by others than the one who writes them. The first
    also forgets what the new data make wrong, and the second makes whatever is missing, so a
    process killed in between, or an import that changes nothing, loses and repeats nothing.
    """
    async with unit_of_work(sessions) as session:
        report = await bring(session)
        if report.redo_from is not None:
            await derived.forget_since(session, report.market, report.redo_from)
    try:
        scored, marked = await catch_up(
            sessions, market_data, report.market, now=now, progress=progress
        )
    except NoMarketData:
        return Update(report, None, None)
    return Update(report, scored, marked)


async def catch_up(
    sessions: Sessions,
    market_data: MarketData,
    market: str,
    *,
    now: datetime,
    progress: Progress,
) -> tuple[Scored, Marked]:
    """Make the scores and portfolio values that are missing; raises `NoMarketData`."""
    async with unit_of_work(sessions) as session:
        snapshot = await in_turn(session, market_data, market, progress=progress)
        scored = await scoring.score_missing(session, snapshot, progress=progress)
        progress("marking portfolios", 0, 1)
        marked = await marking.mark(session, snapshot, since=None, now=now)
        progress("marking portfolios", 1, 1)
    return scored, marked


async def in_turn(
    session: AsyncSession, market_data: MarketData, market: str, *, progress: Progress
) -> MarketSnapshot:
    """The market as it stays until the transaction ends: what is stored about it is about that."""
    await turns.take(session, market, progress)
    return await market_data.snapshot(session, market, recheck=True)
