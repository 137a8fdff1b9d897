"""Which positions, factors and classes made the return of a portfolio or a backtest."""

import asyncio
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.errors import UnknownTicker
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, Portfolio
from app.quant import periods
from app.quant.attribution.by_factor import FactorAttribution
from app.quant.definitions.attribution import DEFINITIONS
from app.quant.measured import Missing
from app.quant.periods import Period
from app.schemas.attribution import (
    AttributionAsked,
    AttributionRead,
    BacktestAttributionRead,
)
from app.schemas.blend import BlendPart, parts_of
from app.schemas.trace import Trace
from app.services import (
    attribution_answers,
    books_over_time,
    freshness,
    history,
    performance,
    strategy,
)
from app.services.attributing import Attributed, Question, attributed

Benchmark: TypeAlias = tuple[BlendPart, ...]

EVERYTHING = AttributionAsked()


async def attribute(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    asked: AttributionAsked = EVERYTHING,
    *,
    now: datetime,
) -> AttributionRead:
    """A portfolio's return in a period, against its own benchmark where none is named.

    Raises UnknownTicker for a benchmark that the market does not have, and EmptyPeriod.
    """
    own = performance.benchmark_of(market, strategy.settings_of(portfolio))
    against = _benchmark(market, asked.benchmark, own)
    lived = await history.read(session, market, portfolio)
    stretch = history.stretch(lived, asked.period or Period.ALL, start=asked.start, end=asked.end)
    whole = await books_over_time.of_portfolio(market, lived)
    book = whole.between(stretch.first, stretch.first + len(stretch.days)).observed()
    question = Question(book, against, from_nothing=stretch.first == 0)
    found = await asyncio.to_thread(attributed, market, question)
    command = f"etftrader performance {portfolio.id} --attribution{asked.options}"
    return AttributionRead(
        **performance.period_fields(market, portfolio, stretch, now),
        **attribution_answers.parts(market, question, found, against),
        trace=_trace(market, found, against, command),
    )


async def attribute_backtest(
    market: MarketSnapshot, run: Backtest, asked: AttributionAsked = EVERYTHING, *, now: datetime
) -> BacktestAttributionRead:
    """The same of a kept run. Raises UnknownTicker and EmptyPeriod."""
    against = _benchmark(market, asked.benchmark, run.spec.get("benchmark") or market.benchmark)
    days = calendar.sessions(run.first_session, run.last_session)
    window = periods.between(
        days, start=asked.start, end=asked.end, period=asked.period or Period.ALL
    )
    whole = await books_over_time.of_backtest(market, run)
    question: Question | None = None
    found: Attributed | Missing
    if isinstance(whole, Missing):
        found = whole
    else:
        book = whole.between(window.first, window.end - 1).observed()
        question = Question(book, against, from_nothing=False)
        found = await asyncio.to_thread(attributed, market, question)
    command = f"etftrader performance --backtest {run.id} --attribution{asked.options}"
    return BacktestAttributionRead(
        **freshness.as_of(market, now),
        backtest_id=run.id,
        data_version=run.data_version,
        period=None if asked.start is not None else asked.period or Period.ALL,
        start=days[window.first].item(),
        end=days[window.end - 1].item(),
        complete=window.complete,
        **attribution_answers.parts(market, question, found, against),
        trace=_trace(market, found, against, command),
    )


def _benchmark(market: MarketSnapshot, asked: str | None, own: str) -> Benchmark:
    """Empty where nobody asked for one and the market lacks the default."""
    if asked is None:
        return parts_of(own) if own in market.row_of else ()
    parts = parts_of(asked)
    if not all(part.ticker in market.row_of for part in parts):
        raise UnknownTicker
    return parts


def _trace(
    market: MarketSnapshot, found: Attributed | Missing, against: Benchmark, command: str
) -> Trace:
    inputs: dict[str, Any] = {
        "benchmark": {part.ticker: part.weight for part in against},
        "benchmark_rebalanced": "every session",
    }
    if isinstance(found, Attributed) and isinstance(found.factors, FactorAttribution):
        inputs["factors"] = list(found.factors.names)
    return Trace.of(DEFINITIONS, inputs=inputs, data_version=market.data_version, command=command)
