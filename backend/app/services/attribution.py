"""Which positions made a portfolio's return: their profits of every day, from the ledger."""

import asyncio
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.quant.attribution.positions import (
    PositionAttribution,
    PositionContribution,
    by_position,
)
from app.quant.measured import Missing
from app.quant.metrics import TOO_FEW
from app.quant.periods import Period
from app.schemas.attribution import AttributionRead, PositionPart
from app.services import books_over_time, history, performance
from app.services.history import History, Stretch


async def attribute(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    period: Period,
    now: datetime,
) -> AttributionRead:
    """The period's return by position and costs, with parts that add up to it."""
    lived = await history.read(session, market, portfolio)
    stretch = history.stretch(lived, period)
    found = await asyncio.to_thread(_attributed, market, lived, stretch)
    about = performance.period_fields(market, portfolio, stretch, now)
    if isinstance(found, Missing):
        reasons = dict.fromkeys(("total", "positions", "cash", "costs"), found.reason)
        return AttributionRead(
            **about, total=None, positions=None, cash=None, costs=None, reasons=reasons
        )
    largest_first = sorted(found.positions, key=lambda part: -part.contribution)
    return AttributionRead(
        **about,
        total=found.total,
        positions=[_part(market, part) for part in largest_first],
        cash=found.cash,
        costs=found.costs,
        reasons={},
    )


def _part(market: MarketSnapshot, part: PositionContribution) -> PositionPart:
    etf = market.etfs[market.row_of[part.ticker]]
    return PositionPart(
        ticker=etf.ticker,
        name=etf.name,
        asset_class=etf.asset_class,
        contribution=part.contribution,
    )


def _attributed(
    market: MarketSnapshot, lived: History, stretch: Stretch
) -> PositionAttribution | Missing:
    book = books_over_time.of_history(market, lived).since(stretch.first).observed()
    if len(book) < 2:
        return TOO_FEW
    if (book.returns <= -1.0).any():
        return Missing("the portfolio lost everything on one day: its returns cannot be linked")
    return by_position(book.tickers, book.contributions, costs=book.costs, returns=book.returns)
