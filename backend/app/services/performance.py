"""How a portfolio did over a period, alone and against a benchmark."""

from collections import OrderedDict
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.quant.periods import Period, Window
from app.schemas.performance import PerformanceRead
from app.schemas.performance_asked import PerformanceAsked
from app.schemas.settings import PortfolioSettings
from app.services import benchmarks, freshness, history, lifetimes, strategy
from app.services.history import Stretch
from app.services.lifetimes import Lifetime
from app.services.performance_answers import Subject, figures, measured
from app.services.performance_json import series_json


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
    lived = await history.read(session, market, portfolio)
    life = await lifetimes.of(market, lived)
    return _measured(market, portfolio, life, asked, now=now)


async def measured_json(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    asked: PerformanceAsked,
    *,
    now: datetime,
) -> bytes:
    """The same as JSON, made once for as long as nothing that it is made of changes."""
    if asked.benchmark is not None:
        benchmarks.require(market, asked.benchmark)
    lived = await history.read(session, market, portfolio)
    settings = strategy.settings_of(portfolio)
    about = settings.risk_free_rate, benchmark_of(market, settings), freshness.behind(market, now)
    key = id(lived), asked, *about
    found = _answers.get(key)
    if found is None:
        life = await lifetimes.of(market, lived)
        found = _answers[key] = life, _json(market, portfolio, life, asked, now=now)
        while len(_answers) > REMEMBERED_ANSWERS:
            _answers.popitem(last=False)
    _answers.move_to_end(key)
    return found[1]


def _json(
    market: MarketSnapshot,
    portfolio: Portfolio,
    life: Lifetime,
    asked: PerformanceAsked,
    *,
    now: datetime,
) -> bytes:
    """As `_measured` would be written, the series first."""
    stretch, subject, window = _subject(market, portfolio, life, asked)
    found, fields = measured(subject, life.traded(market, window))
    about = period_fields(market, portfolio, stretch, now)
    rest = PerformanceRead.model_construct(None, **about, **fields, series=[])
    series = series_json(found, life.heads[window.first : window.end - 1])
    return b'{"series":%b,%b' % (series, rest.model_dump_json(exclude={"series"}).encode()[1:])


REMEMBERED_ANSWERS = 32
"""Of five years each takes half a megabyte."""

_answers: OrderedDict[tuple[object, ...], tuple[Lifetime, bytes]] = OrderedDict()
"""By the identity of the history, which is held so that no other can have it."""


def _measured(
    market: MarketSnapshot,
    portfolio: Portfolio,
    life: Lifetime,
    asked: PerformanceAsked,
    *,
    now: datetime,
) -> PerformanceRead:
    stretch, subject, window = _subject(market, portfolio, life, asked)
    return PerformanceRead.model_construct(
        None,
        **period_fields(market, portfolio, stretch, now),
        **figures(subject, life.traded(market, window), life.closes.within(window)),
    )


def _subject(
    market: MarketSnapshot, portfolio: Portfolio, life: Lifetime, asked: PerformanceAsked
) -> tuple[Stretch, Subject, Window]:
    """What is asked for of a life: its stretch, its track, and where they lie."""
    settings = strategy.settings_of(portfolio)
    stretch = history.stretch(
        life.history, asked.period or Period.ALL, start=asked.start, end=asked.end
    )
    window = Window(stretch.first, stretch.first + len(stretch.dates), stretch.complete)
    subject = Subject(
        track=life.track.within(window),
        asked=asked,
        risk_free_rate=settings.risk_free_rate,
        market=market,
        benchmark=asked.benchmark or benchmark_of(market, settings),
        command=f"performance {portfolio.id}",
    )
    return stretch, subject, window


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
