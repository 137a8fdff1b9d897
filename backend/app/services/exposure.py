"""The portfolio's drawdown rule: after a deep fall its targets are halved until it recovers."""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.money import ZERO
from app.models import Portfolio, PortfolioValue
from app.quant import exposure
from app.quant.exposure import ExposurePolicy

POLICY = ExposurePolicy()


async def at(session: AsyncSession, portfolio: Portfolio, day: date) -> float:
    """The part of its targets that the portfolio may hold, from its marked values up to `day`."""
    query = (
        select(PortfolioValue.cash + PortfolioValue.positions_value, PortfolioValue.external_flow)
        .where(PortfolioValue.portfolio_id == portfolio.id, PortfolioValue.session <= day)
        .order_by(PortfolioValue.session)
    )
    values = await session.execute(query)
    return exposure.replay(indices(values), POLICY).exposure(POLICY)


def indices(values: Iterable[tuple[Decimal, Decimal]]) -> Iterator[float]:
    """Growth of one unit from each close's value and the flow at the start of its session.

    A session without capital at work changes nothing.
    """
    before, index = ZERO, 1.0
    for value, flow in values:
        capital = before + flow
        if capital > 0:
            index *= float(value / capital)
        before = value
        yield index
