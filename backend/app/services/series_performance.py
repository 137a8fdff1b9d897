"""How a series did that somebody brings: daily values with what was paid in or out, or returns."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np

from app.core import calendar
from app.core.errors import Refused
from app.market_data.snapshot import MarketSnapshot
from app.quant import periods
from app.quant.measured import Missing
from app.quant.periods import Period
from app.quant.returns import LARGEST_LOG, Flow, steepest, time_weighted
from app.quant.statistics import day_of
from app.quant.track import Money, Track
from app.schemas.market import AsOf
from app.schemas.performance import SeriesPerformanceRead
from app.schemas.performance_asked import SeriesGiven, SeriesIn
from app.services import benchmarks, freshness
from app.services.performance_answers import Closes, Subject, figures

NO_TRADES = Missing("of a series that is sent along no trades and holdings are known")


def measure(
    market: MarketSnapshot | None, series: SeriesIn, *, now: datetime
) -> SeriesPerformanceRead:
    """Everything that is said about a series, with the prices of `market` for its benchmark: None
    where it asks for none. Raises `UnknownTicker`, `EmptyPeriod` and
    `GrowsBeyondNumbers`."""
    if market is not None and series.benchmark is not None:
        benchmarks.require(market, series.benchmark)
    whole = track_of(series)
    window = periods.between(
        whole.dates, start=series.start, end=series.end, period=series.period or Period.ALL
    )
    track = whole.within(window)
    subject = Subject(
        track=track,
        asked=series,
        risk_free_rate=series.risk_free_rate,
        market=market,
        benchmark=series.benchmark,
        command="performance --file FILE.csv",
        inputs={"given": "values" if series.returns is None else "returns"},
    )
    return SeriesPerformanceRead.model_construct(
        None,
        name=series.name,
        prices=None if market is None else AsOf(**freshness.as_of(market, now)),
        period=None if series.start is not None else series.period or Period.ALL,
        start=track.start,
        end=track.end,
        complete=window.complete,
        **figures(subject, NO_TRADES, Closes.of(track)),
    )


class GrowsBeyondNumbers(Refused):
    def __init__(self) -> None:
        super().__init__(
            "The series grows beyond all numbers, by more than 10^304: write returns as fractions, "
            "0.01 for 1 %."
        )


def track_of(series: SeriesGiven) -> Track:
    """Raises `GrowsBeyondNumbers`."""
    track = _track(series)
    if steepest(track.returns) > LARGEST_LOG:
        raise GrowsBeyondNumbers
    return track


def _track(series: SeriesGiven) -> Track:
    dates = np.array(series.dates, "datetime64[D]")
    if series.returns is not None:
        before = np.datetime64(_day_before(series.dates[0]), "D")
        return Track(np.concatenate(([before], dates)), np.array(series.returns))
    assert series.values is not None
    paid = series.flows or (Decimal(0),) * len(dates)
    flows = tuple(Flow(amount) for amount in paid[1:])
    returns = time_weighted(series.values, flows)
    return Track(dates, returns, Money(series.values, flows))


def _day_before(day: date) -> date:
    """The exchange session before, or the weekday before where the calendar does not reach."""
    if calendar.FIRST_DAY + CALENDAR_BEGINS < day <= calendar.LAST_DAY:
        return calendar.previous_session(day)
    moment = np.datetime64(day, "D")
    return day_of(np.busday_offset(moment, -1, roll="forward"))


CALENDAR_BEGINS = timedelta(days=7)
"""By then there was a session."""
