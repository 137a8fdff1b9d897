"""Every series of a portfolio or a backtest as a table to take away: JSON, CSV or Parquet."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from types import NoneType
from typing import Any, Generic, TypeVar, get_args
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.csv_text import csv_text
from app.core.errors import NotFound
from app.core.parquet import parquet_bytes
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, Portfolio
from app.quant.periods import Period
from app.schemas.attribution import PositionPart
from app.schemas.backtest import (
    BacktestPosition,
    BacktestRead,
    BacktestTrade,
    CurvePoint,
    ExposureRead,
)
from app.schemas.base import Output
from app.schemas.performance import PerformancePoint, PeriodReturnRead
from app.schemas.performance_asked import PerformanceAsked
from app.schemas.report import SeriesRead
from app.schemas.risk import PositionRisk
from app.schemas.risk_parts import RiskContribution
from app.schemas.trade import TradeFilter, TradeRead
from app.services import attribution, backtest_answers, performance, risk, trade_history

EVERY = 2**31 - 1


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Book:
    """The portfolio that is asked about, and the moment."""

    session: AsyncSession
    market: MarketSnapshot
    portfolio: Portfolio
    period: Period
    benchmark: str | None
    now: datetime


Asked = TypeVar("Asked")


@dataclass(frozen=True, slots=True)
class Series(Generic[Asked]):
    """What a row is, and where the rows come from."""

    model: type[Output]
    title: str
    rows: Callable[[Asked], Awaitable[Sequence[Output]]]


async def _values(book: Book) -> Sequence[PerformancePoint]:
    found = await performance.measure(
        book.session,
        book.market,
        book.portfolio,
        PerformanceAsked(period=book.period, benchmark=book.benchmark),
        now=book.now,
    )
    return found.series


async def _trades(book: Book) -> Sequence[TradeRead]:
    everything = TradeFilter.model_construct(limit=EVERY, offset=0)
    return await trade_history.trades(book.session, book.portfolio, everything, now=book.now)


async def _positions(book: Book) -> Sequence[PositionPart]:
    found = await attribution.attribute(
        book.session, book.market, book.portfolio, period=book.period, now=book.now
    )
    return found.positions or ()


async def _holdings(book: Book) -> Sequence[PositionRisk]:
    found = await risk.assess(book.session, book.market, book.portfolio, now=book.now)
    return found.positions or ()


async def _contributions(book: Book) -> Sequence[RiskContribution]:
    found = await risk.assess(book.session, book.market, book.portfolio, now=book.now)
    return found.contributions or ()


OF_PORTFOLIOS: Mapping[str, Series[Book]] = {
    "values": Series(PerformancePoint, "Values, flows, returns and drawdowns by day", _values),
    "trades": Series(TradeRead, "Trades of the whole life, in the order of the ledger", _trades),
    "holdings": Series(PositionRisk, "What is held, against its stops", _holdings),
    "attribution_positions": Series(
        PositionPart, "What each position contributed to the return", _positions
    ),
    "risk_contributions": Series(
        RiskContribution, "What each position contributes to the volatility", _contributions
    ),
}


async def _of_run(run: Backtest, name: str) -> Sequence[Output]:
    found: BacktestRead = backtest_answers.read(run, repeated=False)
    rows: Sequence[Output] | None = getattr(found, name)
    return rows or ()


async def _of_report(run: Backtest, name: str) -> Sequence[Output]:
    report = backtest_answers.read(run, repeated=False, curves=False, trades=False).report
    rows: Sequence[Output] = getattr(report, name) if report is not None else ()
    return rows


OF_BACKTESTS: Mapping[str, Series[Backtest]] = {
    "curve": Series(CurvePoint, "Values by day", lambda run: _of_run(run, "curve")),
    "trades": Series(BacktestTrade, "Trades, oldest first", lambda run: _of_run(run, "trades")),
    "positions": Series(
        BacktestPosition, "What is held at the end", lambda run: _of_run(run, "positions")
    ),
    "months": Series(PeriodReturnRead, "Returns by month", lambda run: _of_report(run, "months")),
    "years": Series(PeriodReturnRead, "Returns by year", lambda run: _of_report(run, "years")),
    "exposures": Series(
        ExposureRead, "Weights of asset classes", lambda run: _of_report(run, "exposures")
    ),
}


def listed(offered: Mapping[str, Series[Any]]) -> list[SeriesRead]:
    return [
        SeriesRead(name=name, title=each.title, columns=[column for column, _ in _columns(each)])
        for name, each in offered.items()
    ]


async def export(
    offered: Mapping[str, Series[Asked]], name: str, asked: Asked, form: Format
) -> bytes:
    """One series as a file. Raises NotFound where there is none of this name."""
    if name not in offered:
        raise NotFound("series")
    series = offered[name]
    return _written(series, await series.rows(asked), form)


def _written(series: Series[Any], rows: Sequence[Output], form: Format) -> bytes:
    if form is Format.JSON:
        kind: Any = list[series.model]  # type: ignore[name-defined]
        return TypeAdapter(kind).dump_json(list(rows))
    columns = _columns(series)
    cells = [[getattr(row, name) for name, _ in columns] for row in rows]
    if form is Format.CSV:
        return csv_text([name for name, _ in columns], cells).encode()
    return parquet_bytes(columns, cells)


def _columns(series: Series[Any]) -> list[tuple[str, type]]:
    """Names and types of what fits into a cell."""
    fields = ((name, _kind(each.annotation)) for name, each in series.model.model_fields.items())
    return [(name, kind) for name, kind in fields if issubclass(kind, _CELLS)]


_CELLS = (str, bool, int, float, Decimal, date, UUID)


def _kind(annotation: Any) -> type:
    """The type of a field, None aside; what is no plain type is an `object`."""
    kinds = [each for each in get_args(annotation) or (annotation,) if each is not NoneType]
    found = kinds[0] if len(kinds) == 1 else object
    if get_args(found):
        return _kind(get_args(found)[0])
    return found if isinstance(found, type) else object
