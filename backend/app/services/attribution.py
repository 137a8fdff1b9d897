"""Which positions, factors and classes made the return of a portfolio or a backtest."""

import asyncio
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import UnknownTicker
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, Portfolio
from app.quant.attribution.by_factor import FactorAttribution
from app.quant.definitions.attribution import DEFINITIONS
from app.quant.measured import Missing
from app.quant.periods import Period
from app.schemas.attribution import AttributionRead, BacktestAttributionRead
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

Benchmark = tuple[BlendPart, ...]


async def attribute(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    period: Period,
    benchmark: str | None = None,
    now: datetime,
) -> AttributionRead:
    """A portfolio's return in a period; `benchmark` is a checked `BlendText`, its own if None.

    Raises UnknownTicker for a benchmark that the market does not have.
    """
    own = performance.benchmark_of(market, strategy.settings_of(portfolio))
    against = _benchmark(market, benchmark, own)
    lived = await history.read(session, market, portfolio)
    stretch = history.stretch(lived, period)

    def answer() -> tuple[Question, Attributed | Missing]:
        book = books_over_time.of_history(market, lived).since(stretch.first).observed()
        asked = Question(book, against, from_nothing=stretch.first == 0)
        return asked, attributed(market, asked)

    asked, found = await asyncio.to_thread(answer)
    command = f"etftrader performance {portfolio.id} --attribution --period {period}"
    return AttributionRead(
        **performance.period_fields(market, portfolio, stretch, now),
        **attribution_answers.parts(market, asked, found, against),
        trace=_trace(market, found, against, command + _option(benchmark)),
    )


async def attribute_backtest(
    market: MarketSnapshot, run: Backtest, *, benchmark: str | None = None, now: datetime
) -> BacktestAttributionRead:
    """A kept run's return, whole. Raises UnknownTicker."""
    against = _benchmark(market, benchmark, run.spec.get("benchmark") or market.benchmark)
    book = await books_over_time.of_backtest(market, run)
    asked: Question | None = None
    found: Attributed | Missing
    if isinstance(book, Missing):
        found = book
    else:
        asked = Question(book.observed(), against, from_nothing=False)
        found = await asyncio.to_thread(attributed, market, asked)
    command = f"etftrader backtest attribution {run.id}"
    return BacktestAttributionRead(
        **freshness.as_of(market, now),
        backtest_id=run.id,
        data_version=run.data_version,
        start=run.first_session,
        end=run.last_session,
        **attribution_answers.parts(market, asked, found, against),
        trace=_trace(market, found, against, command + _option(benchmark)),
    )


def _benchmark(market: MarketSnapshot, asked: str | None, own: str) -> Benchmark:
    """Empty where nobody asked for one and the market lacks the default."""
    if asked is None:
        return parts_of(own) if own in market.row_of else ()
    parts = parts_of(asked)
    if not all(part.ticker in market.row_of for part in parts):
        raise UnknownTicker
    return parts


def _option(benchmark: str | None) -> str:
    return "" if benchmark is None else f" --benchmark {benchmark}"


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
