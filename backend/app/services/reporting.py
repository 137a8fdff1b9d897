"""What there is to say about a portfolio or a backtest, gathered for a report."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.cache import ByteCache
from app.core.money import market_value
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, EntryKind, Portfolio
from app.quant.costs import Side
from app.quant.periods import Period
from app.schemas.data import MarketStatus
from app.schemas.performance_asked import PerformanceAsked
from app.schemas.report import BacktestFindings, PortfolioFindings, Traded
from app.services import (
    attribution,
    backtest_answers,
    backtest_evidence,
    backtest_risk,
    data_status,
    marking,
    performance,
    risk,
)
from app.services.marking import Entry

TRADES = frozenset({EntryKind.BUY, EntryKind.SELL})


async def of_portfolio(
    session: AsyncSession,
    cache: ByteCache,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    period: Period,
    benchmark: str | None,
    now: datetime,
) -> PortfolioFindings:
    """Raises `UnknownTicker` for a benchmark that the market does not have."""
    measured = await performance.measure(
        session,
        market,
        portfolio,
        PerformanceAsked(period=period, benchmark=benchmark),
        now=now,
    )
    entries = (await marking.read_entries(session, [portfolio.id]))[portfolio.id]
    return PortfolioFindings(
        name=portfolio.name,
        performance=measured,
        attribution=await attribution.attribute(session, market, portfolio, period=period, now=now),
        risk=await risk.assess(session, market, portfolio, now=now),
        trades=[
            _traded(market, entry)
            for entry in entries
            if entry.kind in TRADES and measured.start < entry.session <= measured.end
        ],
        data=await _data(session, cache, portfolio.market, now),
        made_at=now,
    )


async def of_backtest(
    session: AsyncSession, cache: ByteCache, market: MarketSnapshot, run: Backtest, *, now: datetime
) -> BacktestFindings:
    """Of a run whose curve was kept; a member of a sweep has no more than its returns."""
    return BacktestFindings(
        run=backtest_answers.read(run, repeated=False),
        evidence=await backtest_evidence.evidence(session, run.owner_id, run.id),
        risk=await backtest_risk.assess(market, run, now=now),
        data=await _data(session, cache, run.market, now),
        made_at=now,
    )


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
