"""What is computed from prices: forgotten together with the prices it came from, made again later.

An import forgets in its own transaction, so nothing derived outlives its data; what is missing is
made by whoever comes next, also after a process was killed in between.
"""

from datetime import date

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import FactorScore, LedgerEntry, Portfolio, PortfolioValue


async def forget_since(session: AsyncSession, market: str, since: date | None) -> None:
    """Drop scores and portfolio values from `since` on; all of them when it is None."""
    first = since or date.min
    portfolios = select(Portfolio.id).where(Portfolio.market == market)
    await session.execute(
        delete(FactorScore).where(FactorScore.market == market, FactorScore.session >= first)
    )
    await session.execute(
        delete(PortfolioValue).where(
            PortfolioValue.portfolio_id.in_(portfolios), PortfolioValue.session >= first
        )
    )
    await _forget_entries(session, market, first)


async def _forget_entries(session: AsyncSession, market: str, first: date) -> None:
    """The values that are left know of no ledger entry of the sessions that were dropped."""
    unknown = (
        select(LedgerEntry.portfolio_id, func.min(LedgerEntry.sequence).label("sequence"))
        .where(LedgerEntry.session >= first)
        .group_by(LedgerEntry.portfolio_id)
        .subquery()
    )
    await session.execute(
        update(Portfolio)
        .where(
            Portfolio.id == unknown.c.portfolio_id,
            Portfolio.market == market,
            Portfolio.marked_sequence >= unknown.c.sequence,
        )
        .values(marked_sequence=unknown.c.sequence - 1)
        .execution_options(synchronize_session=False)
    )
