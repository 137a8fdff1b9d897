"""Every series of a portfolio or a backtest as a table to take away: JSON, CSV or Parquet."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import partial
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_origin
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.csv_text import csv_text
from app.core.errors import Conflict, NotFound
from app.core.parquet import parquet_bytes
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, Portfolio
from app.quant.measured import Missing
from app.quant.periods import Period
from app.schemas.attribution import (
    AttributionAsked,
    ClassPart,
    FactorPart,
    Parts,
    PositionPart,
)
from app.schemas.backtest import (
    BacktestPosition,
    BacktestRead,
    BacktestTrade,
    CurvePoint,
    ExposureRead,
)
from app.schemas.base import Output
from app.schemas.performance import (
    DrawdownRead,
    FiguresRead,
    PerformancePoint,
    PeriodReturnRead,
)
from app.schemas.performance_asked import PerformanceAsked
from app.schemas.report import (
    ClassWeight,
    FactorExposure,
    ReturnPart,
    RollingPoint,
    SeriesRead,
)
from app.schemas.risk import HoldingRisk, PositionRisk
from app.schemas.risk_parts import ReplayRead, RiskContribution, TailRead
from app.schemas.trade import TradeFilter, TradeRead
from app.services import (
    attribution,
    backtest_answers,
    backtest_performance,
    backtest_risk,
    books_over_time,
    exported,
    history,
    performance,
    risk,
    trade_history,
)
from app.services.exposures_over_time import weights_of

EVERY = 2**31 - 1


class NoSuchRows(Conflict):
    """A series that cannot be told of this portfolio or backtest as things are."""

    def __init__(self, name: str, why: Missing) -> None:
        super().__init__(f"There are no rows of {name}: {why.reason}.")
        self.why = why


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
    known: dict[str, Any] = field(default_factory=dict)
    """Answers by their name."""


@dataclass(frozen=True, slots=True)
class Run:
    """The same of a backtest."""

    market: MarketSnapshot
    row: Backtest
    now: datetime
    known: dict[str, Any] = field(default_factory=dict)


Asked = TypeVar("Asked", Book, Run)
Found = TypeVar("Found")
Rows = Sequence[Output]
MEMBER = Missing("a member of a sweep keeps only its returns: run its settings alone")


@dataclass(frozen=True, slots=True)
class Series(Generic[Asked]):
    """What a row is, and where the rows come from."""

    model: type[Output]
    title: str
    rows: Callable[[Asked], Awaitable[Rows | Missing]]


@dataclass(frozen=True, slots=True)
class Exported:
    """Files by the name of their series, and why others are not among them."""

    contents: dict[str, bytes]
    left_out: dict[str, str]


async def _of(
    answer: Callable[[Any], Awaitable[Found]],
    part: Callable[[Found], Rows | Missing],
    asked: Book | Run,
) -> Rows | Missing:
    """A part of an answer, which is asked for once."""
    name = answer.__name__
    if name not in asked.known:
        asked.known[name] = await answer(asked)
    return part(asked.known[name])


async def _performance(asked: Book | Run) -> FiguresRead:
    if isinstance(asked, Run):
        whole = PerformanceAsked()
        return await backtest_performance.measure(asked.market, asked.row, whole, now=asked.now)
    wanted = PerformanceAsked(period=asked.period, benchmark=asked.benchmark)
    return await performance.measure(
        asked.session, asked.market, asked.portfolio, wanted, now=asked.now
    )


async def _attribution(asked: Book | Run) -> Parts:
    if isinstance(asked, Run):
        return await attribution.attribute_backtest(asked.market, asked.row, now=asked.now)
    return await attribution.attribute(
        asked.session,
        asked.market,
        asked.portfolio,
        AttributionAsked(period=asked.period, benchmark=asked.benchmark),
        now=asked.now,
    )


async def _risk(asked: Book | Run) -> HoldingRisk:
    if isinstance(asked, Run):
        return await backtest_risk.assess(asked.market, asked.row, now=asked.now)
    return await risk.assess(asked.session, asked.market, asked.portfolio, now=asked.now)


async def _weights(asked: Book | Run) -> Sequence[ClassWeight] | Missing:
    if isinstance(asked, Run):
        book = await books_over_time.of_backtest(asked.market, asked.row)
        if isinstance(book, Missing):
            return book
    else:
        lived = await history.read(asked.session, asked.market, asked.portfolio)
        first = history.stretch(lived, asked.period).first
        book = (await books_over_time.of_portfolio(asked.market, lived)).since(first)
    return exported.class_weights(weights_of(asked.market, book))


async def _trades(book: Book) -> Sequence[TradeRead]:
    everything = TradeFilter.model_construct(limit=EVERY, offset=0)
    return await trade_history.trades(book.session, book.portfolio, everything, now=book.now)


async def _kept(run: Run) -> BacktestRead:
    return backtest_answers.read(run.row, repeated=False)


def _or_member(rows: Rows | None) -> Rows | Missing:
    return MEMBER if rows is None else rows


def _shared() -> dict[str, Series[Any]]:
    """What there is of portfolios and backtests alike."""

    def figure(
        model: type[Output], title: str, part: Callable[[FiguresRead], Rows | Missing]
    ) -> Series[Any]:
        return Series(model, title, partial(_of, _performance, part))

    def cause(
        model: type[Output], title: str, part: Callable[[Parts], Rows | Missing]
    ) -> Series[Any]:
        return Series(model, title, partial(_of, _attribution, part))

    def danger(
        model: type[Output], title: str, part: Callable[[HoldingRisk], Rows | Missing]
    ) -> Series[Any]:
        return Series(model, title, partial(_of, _risk, part))

    return {
        "values": figure(
            PerformancePoint, "Values, returns and drawdowns by day", lambda f: f.series
        ),
        "months": figure(PeriodReturnRead, "Returns by month", lambda f: f.months),
        "years": figure(PeriodReturnRead, "Returns by year", lambda f: f.years),
        "drawdowns": figure(DrawdownRead, "The deepest drawdowns", lambda f: f.drawdowns),
        "rolling": figure(RollingPoint, "Rolling figures", exported.rolling),
        "attribution": cause(
            ReturnPart, "Everything that made the return, three accounts", exported.accounts
        ),
        "attribution_positions": cause(
            PositionPart, "What each position contributed", exported.told("positions")
        ),
        "attribution_factors": cause(FactorPart, "What each factor contributed", exported.factors),
        "attribution_classes": cause(
            ClassPart, "Effects of asset classes against the benchmark", exported.asset_classes
        ),
        "factor_exposures": cause(
            FactorExposure, "Factor exposures by day", exported.factor_exposures
        ),
        "class_weights": Series(ClassWeight, "Weights of asset classes by day", _weights),
        "risk_contributions": danger(
            RiskContribution, "Contributions to volatility", exported.told("contributions")
        ),
        "tails": danger(TailRead, "Value at risk of what is held", exported.tails),
        "replays": danger(ReplayRead, "Past crises replayed", exported.told("replays")),
    }


OF_PORTFOLIOS: Mapping[str, Series[Book]] = {
    **_shared(),
    "trades": Series(TradeRead, "Trades of the whole life, in the order of the ledger", _trades),
    "holdings": Series(
        PositionRisk,
        "What is held, against its stops",
        partial(_of, _risk, exported.told("positions")),
    ),
}

OF_BACKTESTS: Mapping[str, Series[Run]] = {
    **_shared(),
    "curve": Series(
        CurvePoint, "Values by day", partial(_of, _kept, lambda found: _or_member(found.curve))
    ),
    "trades": Series(
        BacktestTrade,
        "Trades, oldest first",
        partial(_of, _kept, lambda found: _or_member(found.trades)),
    ),
    "positions": Series(
        BacktestPosition,
        "What is held at the end",
        partial(_of, _kept, lambda found: _or_member(found.positions)),
    ),
    "exposures": Series(
        ExposureRead,
        "Weights of asset classes",
        partial(_of, _kept, lambda found: found.report.exposures if found.report else MEMBER),
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
    """One series as a file. Raises NotFound where there is none of this name, and NoSuchRows."""
    if name not in offered:
        raise NotFound("series")
    series = offered[name]
    rows = await series.rows(asked)
    if isinstance(rows, Missing):
        raise NoSuchRows(name, rows)
    return _written(series, rows, form)


async def export_all(offered: Mapping[str, Series[Asked]], asked: Asked, form: Format) -> Exported:
    """Every series that there is."""
    found = Exported({}, {})
    for name in offered:
        try:
            found.contents[name] = await export(offered, name, asked, form)
        except NoSuchRows as error:
            found.left_out[name] = error.why.reason
    return found


def _written(series: Series[Any], rows: Rows, form: Format) -> bytes:
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
    if get_origin(annotation) in {list, tuple, dict}:
        return object
    kinds = [each for each in get_args(annotation) or (annotation,) if each is not NoneType]
    found = kinds[0] if len(kinds) == 1 else object
    if get_args(found):
        return _kind(get_args(found)[0])
    return found if isinstance(found, type) else object
