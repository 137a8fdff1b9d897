"""Everything that is said about a track, assembled in one place for whatever it is of."""

import math
from dataclasses import dataclass

from app.quant import drawdowns
from app.quant.benchmarks import SameFlows, same_flows
from app.quant.calendar_returns import PeriodReturn, by_calendar
from app.quant.drawdowns import Falls
from app.quant.measured import Measured, Missing
from app.quant.metrics import Metrics, compute
from app.quant.panel import FloatArray
from app.quant.returns import DAYS_PER_YEAR, LARGEST_LOG, MoneyWeighted, growth
from app.quant.rolling import Rolling, rolling
from app.quant.statistics import falls
from app.quant.track import Track

ONLY_RETURNS = Missing("only returns are known, no values and flows")
ROLLING_WINDOW = 63
"""Sessions of a rolling window where nobody asks for another: a quarter."""
SHOWN_DRAWDOWNS = 10


@dataclass(frozen=True, slots=True)
class Path:
    """Of T sessions: each return, what one unit has become, and its fall from its highest."""

    returns: FloatArray
    growth: FloatArray
    drawdown: FloatArray

    @classmethod
    def of(cls, returns: FloatArray) -> "Path":
        grown = growth(returns)
        return cls(returns, grown, falls(grown))


@dataclass(frozen=True, slots=True)
class Against:
    """The benchmark's own figures and path, and the track's flows invested in it."""

    metrics: Metrics
    path: Path
    same_flows: SameFlows | Missing


@dataclass(frozen=True, slots=True)
class Performance:
    track: Track
    metrics: Metrics
    path: Path
    money_weighted: MoneyWeighted | Missing
    against: Against | Missing
    rolling: Rolling | Missing
    drawdowns: Falls
    years: tuple[PeriodReturn, ...]
    months: tuple[PeriodReturn, ...]


def analyse(
    track: Track,
    *,
    rf: float,
    benchmark: FloatArray | Missing,
    window: int = ROLLING_WINDOW,
    most_drawdowns: int = SHOWN_DRAWDOWNS,
) -> Performance:
    """`rf` is the yearly risk-free rate, `benchmark` the T returns to hold the track against."""
    theirs = None if isinstance(benchmark, Missing) else benchmark
    dates, returns = track.dates, track.returns
    weighted = track.money_weighted()
    return Performance(
        track=track,
        metrics=compute(returns, dates, rf=rf, benchmark=theirs),
        path=Path.of(returns),
        money_weighted=ONLY_RETURNS if weighted is None else weighted,
        against=(
            benchmark
            if isinstance(benchmark, Missing)
            else Against(
                compute(benchmark, dates, rf=rf), Path.of(benchmark), same_flows(track, benchmark)
            )
        ),
        rolling=rolling(returns, dates, window=window, rf=rf, benchmark=theirs),
        drawdowns=drawdowns.table(returns, dates, most=most_drawdowns),
        years=by_calendar(dates, returns, theirs, "Y"),
        months=by_calendar(dates, returns, theirs, "M"),
    )


def over_period(rate: float, track: Track) -> Measured:
    """What a yearly rate of calendar days / 365 makes of the whole period."""
    if rate <= -1.0:
        return -1.0
    logarithm = math.log1p(rate) * (track.end - track.start).days / DAYS_PER_YEAR
    if logarithm > LARGEST_LOG:
        return Missing("the rate is beyond all numbers over the whole period")
    return math.expm1(logarithm)
