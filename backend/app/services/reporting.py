"""What there is to say about a portfolio or a backtest, gathered for a report."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.cache import ByteCache
from app.core.money import market_value
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, EntryKind, Portfolio
from app.quant.costs import Side
from app.quant.measured import Missing
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray
from app.quant.performance import ROLLING_WINDOW
from app.quant.periods import Period
from app.quant.returns import growth
from app.quant.risk.replays import CRISES, Crisis
from app.schemas.attribution import AttributionAsked
from app.schemas.data import MarketStatus
from app.schemas.performance import FiguresRead, PerformancePoint
from app.schemas.performance_asked import PerformanceAsked
from app.schemas.report import (
    BacktestFindings,
    EpisodeRead,
    PortfolioFindings,
    ReportAsked,
    Traded,
)
from app.services import (
    attribution,
    backtest_answers,
    backtest_evidence,
    backtest_performance,
    backtest_risk,
    books_over_time,
    data_status,
    history,
    marking,
    performance,
    risk,
)
from app.services.exposures_over_time import weights_of
from app.services.marking import TRADES, Entry

LONG = 3 * SESSIONS_PER_YEAR


async def of_portfolio(
    session: AsyncSession,
    cache: ByteCache,
    market: MarketSnapshot,
    portfolio: Portfolio,
    asked: ReportAsked,
    *,
    now: datetime,
) -> PortfolioFindings:
    """Raises `UnknownTicker` for a benchmark that the market does not have, and `EmptyPeriod`.

    Risk is that of what is held now, whatever the stretch.
    """
    lived = await history.read(session, market, portfolio)
    stretch = history.stretch(lived, asked.period or Period.ALL, start=asked.start, end=asked.end)
    given = asked.model_dump()
    wanted = PerformanceAsked(**given, window=_window(len(stretch.days)))
    measured = await performance.measure(session, market, portfolio, wanted, now=now)
    parts = await attribution.attribute(
        session, market, portfolio, AttributionAsked(**given), now=now
    )
    book = await books_over_time.of_portfolio(market, lived)
    return PortfolioFindings.model_construct(
        name=portfolio.name,
        performance=measured,
        attribution=parts,
        risk=await risk.assess(session, market, portfolio, now=now),
        trades=[
            _traded(market, entry)
            for entry in lived.entries
            if entry.kind in TRADES and measured.start < entry.session <= measured.end
        ],
        episodes=list(_episodes(market, measured)),
        weights=weights_of(market, book.between(stretch.first, stretch.first + len(stretch.days))),
        data=await _data(session, cache, portfolio.market, now),
        made_at=now,
        reasons={},
    )


async def of_backtest(
    session: AsyncSession, cache: ByteCache, market: MarketSnapshot, run: Backtest, *, now: datetime
) -> BacktestFindings:
    """Of a kept run; of a member of a sweep there is no more than its returns."""
    sessions = len(backtest_answers.returns_of(run))
    asked = PerformanceAsked(window=_window(sessions))
    measured = await backtest_performance.measure(market, run, asked, now=now)
    book = await books_over_time.of_backtest(market, run)
    return BacktestFindings.model_construct(
        run=backtest_answers.read(run, repeated=False),
        performance=measured,
        attribution=await attribution.attribute_backtest(market, run, now=now),
        evidence=await backtest_evidence.evidence(session, run.owner_id, run.id),
        risk=await backtest_risk.assess(market, run, now=now),
        episodes=list(_episodes(market, measured)),
        weights=None if isinstance(book, Missing) else weights_of(market, book),
        data=await _data(session, cache, run.market, now),
        made_at=now,
        reasons={"weights": book.reason} if isinstance(book, Missing) else {},
    )


def _window(sessions: int) -> int:
    """Of rolling figures: a year where there are several, else the usual one."""
    return SESSIONS_PER_YEAR if sessions >= LONG else ROLLING_WINDOW


def _episodes(market: MarketSnapshot, found: FiguresRead) -> Iterator[EpisodeRead]:
    """The known crises within the days of an answer; a simulated market lived through none."""
    points = found.series
    if market.simulated or not points:
        return
    days = np.array([point.session for point in points], "datetime64[D]")
    for crisis in CRISES:
        if crisis.start < points[0].session or crisis.end > points[-1].session:
            continue
        first = int(np.searchsorted(days, np.datetime64(crisis.start), side="right"))
        last = int(np.searchsorted(days, np.datetime64(crisis.end), side="right"))
        yield _episode(crisis, points[first:last])


def _episode(crisis: Crisis, points: list[PerformancePoint]) -> EpisodeRead:
    return EpisodeRead(
        name=crisis.name,
        what=crisis.what,
        start=crisis.start,
        end=crisis.end,
        value=_grown([point.daily_return for point in points]),
        benchmark=_grown([point.benchmark_return for point in points]),
    )


def _grown(returns: list[float | None]) -> float | None:
    values: FloatArray = np.array(
        [np.nan if each is None else each for each in returns], np.float64
    )
    return float(growth(values)[-1] - 1.0) if np.isfinite(values).any() else None


def _traded(market: MarketSnapshot, entry: Entry) -> Traded:
    return Traded(
        session=entry.session,
        ticker=market.etfs[market.row_of_id[entry.etf_id]].ticker,
        side=Side.BUY if entry.kind == EntryKind.BUY else Side.SELL,
        value=market_value(entry.quantity, entry.price),
        cost=marking.cost_of(entry),
    )


async def _data(
    session: AsyncSession, cache: ByteCache, market: str, now: datetime
) -> MarketStatus:
    found = await data_status.status(session, cache, market=market, default_market=market, now=now)
    (about,) = found.markets
    return about
