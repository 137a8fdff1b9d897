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
from app.services import derived, scoring, session_close, turns
from app.services.arrivals import ImportReport
from app.services.scoring import Scored
from app.services.session_close import Closed

Import = Callable[[AsyncSession], Awaitable[ImportReport]]


@dataclass(frozen=True, slots=True)
class Update:
    """What an import brought and what was made from it; None while the market has no prices."""

    report: ImportReport
    scored: Scored | None
    closed: Closed | None


async def update(
    sessions: Sessions,
    market_data: MarketData,
    bring: Import,
    *,
    now: datetime,
    progress: Progress,
) -> Update:
    """Take in new data and bring scores and values up to them.

    Prices are read by others than the one who writes them, so the import is a transaction of its
    own. It also forgets what the new data make wrong, and those that follow make whatever is
    missing: a process killed in between, or an import that changes nothing, loses and repeats
    nothing.
    """
    async with unit_of_work(sessions) as session:
        report = await bring(session)
        if report.redo_from is not None:
            await derived.forget_since(session, report.market, report.redo_from)
    try:
        scored, closed = await catch_up(
            sessions, market_data, report.market, now=now, progress=progress
        )
    except NoMarketData:
        return Update(report, None, None)
    return Update(report, scored, closed)


async def catch_up(
    sessions: Sessions,
    market_data: MarketData,
    market: str,
    *,
    now: datetime,
    progress: Progress,
) -> tuple[Scored, Closed]:
    """Make the scores that are missing and bring all portfolios up to the latest session.

    Scores in one transaction, portfolios in batches: see `session_close`. Raises `NoMarketData`.
    """
    async with unit_of_work(sessions) as session:
        snapshot = await in_turn(session, market_data, market, progress=progress)
        scored = await scoring.score_missing(session, snapshot, progress=progress)
    closed = await session_close.close(sessions, market_data, market, now=now, progress=progress)
    return scored, closed


async def in_turn(
    session: AsyncSession, market_data: MarketData, market: str, *, progress: Progress
) -> MarketSnapshot:
    """The market as it stays until the transaction ends: what is stored about it is about that."""
    await turns.take(session, market, progress)
    return await market_data.snapshot(session, market, recheck=True)
