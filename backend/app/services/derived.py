"""What is computed from prices: forgotten together with the prices it came from, made again later.

An import forgets in its own transaction, so nothing derived outlives its data; what is missing is
made by whoever comes next, also after a process was killed in between.
"""

from datetime import date

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import FactorScore, Portfolio, PortfolioValue


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
