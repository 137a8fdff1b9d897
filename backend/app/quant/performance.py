"""Everything that is said about a track, assembled in one place for whatever it is of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from app.quant import drawdowns
from app.quant.benchmarks import HALF_A_CENT, SameFlows, same_flows, same_sessions
from app.quant.calendar_returns import PeriodReturn, by_calendar
from app.quant.drawdowns import Falls
from app.quant.measured import Missing
from app.quant.metrics import Metrics, compute
from app.quant.panel import FloatArray
from app.quant.returns import MoneyWeighted, growth
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
    """`rf` is the yearly risk-free rate, `benchmark` the T returns to hold the track against: on
    the sessions on which the track has one, but for the same flows in it."""
    dates, returns = track.dates, track.returns
    theirs = None if isinstance(benchmark, Missing) else same_sessions(benchmark, returns)
    weighted = track.money_weighted()
    return Performance(
        track=track,
        metrics=compute(returns, dates, rf=rf, benchmark=theirs),
        path=Path.of(returns),
        money_weighted=ONLY_RETURNS if weighted is None else weighted,
        against=(benchmark if isinstance(benchmark, Missing) else _against(track, benchmark, rf)),
        rolling=rolling(returns, dates, window=window, rf=rf, benchmark=theirs),
        drawdowns=drawdowns.table(returns, dates, most=most_drawdowns),
        years=by_calendar(dates, returns, theirs, "Y"),
        months=by_calendar(dates, returns, theirs, "M"),
    )


def _against(track: Track, benchmark: FloatArray, rf: float) -> Against:
    theirs = same_sessions(benchmark, track.returns)
    return Against(
        compute(theirs, track.dates, rf=rf), Path.of(theirs), same_flows(track, benchmark)
    )


def days_with(days: Sequence[date], values: Sequence[float]) -> int:
    """Calendar days that followed a close with money: flows are dated by their sessions, so what is
    paid in is there from its day on, and what is paid out until its day."""
    spans = zip(days, days[1:], values, strict=False)
    return sum((later - day).days for day, later, value in spans if value >= HALF_A_CENT)
