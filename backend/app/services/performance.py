"""How a portfolio did over a period, alone and against a benchmark."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.money import ZERO, to_cents
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, Portfolio
from app.quant import activity
from app.quant.activity import Expenses
from app.quant.book_over_time import BookOverTime
from app.quant.panel import FloatArray, IntArray
from app.quant.periods import Period
from app.quant.statistics import falls
from app.quant.track import Track
from app.schemas.performance import PerformanceRead
from app.schemas.performance_asked import PerformanceAsked
from app.schemas.settings import PortfolioSettings
from app.services import benchmarks, books_over_time, freshness, history, strategy
from app.services.history import History, Stretch
from app.services.performance_answers import Closes, Subject, Traded, figures


async def measure(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    asked: PerformanceAsked,
    *,
    now: datetime,
) -> PerformanceRead:
    """Everything that is said about a period, and its daily series.

    Raises `UnknownTicker` for a benchmark asked for that the market does not have; without one the
    portfolio's own or the market's is taken, and its absence is a reason. Raises `EmptyPeriod`.
    """
    if asked.benchmark is not None:
        benchmarks.require(market, asked.benchmark)
    settings = strategy.settings_of(portfolio)
    lived = await history.read(session, market, portfolio)
    stretch = history.stretch(lived, asked.period or Period.ALL, start=asked.start, end=asked.end)
    subject = Subject(
        track=stretch.track,
        asked=asked,
        risk_free_rate=settings.risk_free_rate,
        market=market,
        benchmark=asked.benchmark or benchmark_of(market, settings),
        command=f"performance {portfolio.id}",
    )
    traded = _traded(market, lived, stretch, await books_over_time.of_portfolio(market, lived))
    closes = Closes([day.cash for day in stretch.days], [day.carried for day in stretch.days])
    return PerformanceRead.model_construct(
        None,
        **period_fields(market, portfolio, stretch, now),
        **figures(subject, traded, closes),
    )


def _traded(market: MarketSnapshot, lived: History, stretch: Stretch, book: BookOverTime) -> Traded:
    days = slice(stretch.first, stretch.first + len(stretch.days))
    after, end = stretch.start, stretch.end
    sums = {EntryKind.BUY: ZERO, EntryKind.SELL: ZERO}
    for entry in lived.entries:
        if entry.kind in sums and after < entry.session <= end:
            sums[entry.kind] += to_cents(entry.quantity * entry.price)
    return Traded(
        bought=sums[EntryKind.BUY],
        sold=sums[EntryKind.SELL],
        costs=sum((day.costs for day in stretch.days), ZERO),
        expenses=expenses_of(market, book.rows, book.weights[days], stretch.track),
    )


def expenses_of(
    market: MarketSnapshot, rows: IntArray, weights: FloatArray, track: Track
) -> Expenses:
    """Of ETFs of the market and their weights in the sessions of a track (T x N)."""
    assert track.money is not None
    return activity.expenses(
        weights,
        track.money.capital,
        market.facts.expense_ratio[rows],
        [market.panel.tickers[row] for row in rows],
    )


def period_fields(
    market: MarketSnapshot, portfolio: Portfolio, stretch: Stretch, now: datetime
) -> dict[str, Any]:
    """The fields of `schemas.performance.PeriodRead`."""
    return {
        **freshness.as_of(market, now),
        "portfolio_id": portfolio.id,
        "period": stretch.period,
        "start": stretch.start,
        "end": stretch.end,
        "complete": stretch.complete,
        "replayed_until": stretch.replayed_until,
        "replay_note": stretch.replay_note,
    }


def benchmark_of(market: MarketSnapshot, settings: PortfolioSettings) -> str:
    return settings.benchmark or market.benchmark


def drawdowns(wealth: FloatArray) -> FloatArray:
    """Of growth that began at 1, from its highest so far; 0 or negative."""
    return falls(wealth)
