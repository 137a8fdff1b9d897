"""One writer of a market's data, scores and values at a time."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.progress import Progress

_TRY = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
_WAIT = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


async def take(session: AsyncSession, market: str, progress: Progress) -> None:
    """Wait for the market's turn; it is held until the transaction ends, however it ends."""
    key = {"key": f"etftrader import {market}"}
    if await session.scalar(_TRY, key):
        return
    progress("waiting for another import", 0, 1)
    await session.execute(_WAIT, key)
    progress("waiting for another import", 1, 1)
