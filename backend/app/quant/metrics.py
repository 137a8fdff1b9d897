"""The performance of a period: every statistic of its daily returns, alone and against a benchmark.

The definitions are in `app.quant.statistics`. What cannot be computed is `Missing` with a reason.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import numpy as np

from app.quant.measured import Measured, Missing, ratio
from app.quant.panel import BoolArray, DateArray, FloatArray
from app.quant.statistics import (
    ALL_ABOVE,
    FEWEST_FOR_KURTOSIS,
    FEWEST_FOR_SKEW,
    FLAT_BENCHMARK,
    NO_FALL,
    NO_SPREAD,
    TAIL_95,
    TAIL_99,
    Drawdown,
    betas,
    cagr,
    captures,
    deepest_fall,
    downside_deviations,
    excesses,
    expected_shortfalls,
    falls,
    moment,
    shapes,
    values_at_risk,
    volatilities,
)


@dataclass(frozen=True, slots=True)
class Dated:
    """A return and the session it ended with."""

    value: float
    on: date


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that is said about a period's returns; yearly unless the name says otherwise."""

    observations: int
    total_return: Measured
    cagr: Measured
    volatility: Measured
    sharpe: Measured
    sortino: Measured
    calmar: Measured
    max_drawdown: Measured
    worst_drawdown: Drawdown | Missing
    win_rate: Measured
    best_day: Dated | Missing
    worst_day: Dated | Missing
    best_month: Dated | Missing
    worst_month: Dated | Missing
    skew: Measured
    kurtosis: Measured
    var_95: Measured
    var_99: Measured
    cvar_95: Measured
    cvar_99: Measured
    alpha: Measured
    beta: Measured
    tracking_error: Measured
    information_ratio: Measured
    up_capture: Measured
    down_capture: Measured

    def reasons(self) -> dict[str, str]:
        """Why, for each field that has no value."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value.reason for name, value in named if isinstance(value, Missing)}


TOO_FEW = Missing("fewer than 2 observations")
NO_BENCHMARK = Missing("no benchmark was given")
FEWEST = 2
AT_ONCE = 64
"""Series measured together: so many stay near the processor."""

RELATIVE = ("alpha", "beta", "tracking_error", "information_ratio", "up_capture", "down_capture")
ABSOLUTE = tuple(
    field.name for field in fields(Metrics) if field.name not in {"observations", *RELATIVE}
)


def compute(
    returns: FloatArray,
    dates: DateArray,
    *,
    rf: float,
    benchmark: FloatArray | None = None,
) -> Metrics:
    """The metrics of T returns between the T + 1 values dated `dates`, ascending.

    `rf` is the yearly risk-free rate, `benchmark` its T returns over the same sessions. A return
    that is NaN (no capital at work, or no benchmark that day) is not an observation, and its
    session is no part of the time over which the others grew.
    """
    return compute_many(returns[:, None], dates, rf=rf, benchmark=benchmark)[0]


def compute_many(
    returns: FloatArray,
    dates: DateArray,
    *,
    rf: float,
    benchmark: FloatArray | None = None,
) -> tuple[Metrics, ...]:
    """The same of N series (T x N) over the same sessions: for each what `compute` gives.

    Series of which the same sessions are known are measured together.
    """
    sessions, series = returns.shape
    if len(dates) != sessions + 1:
        raise ValueError(f"{sessions} returns lie between {sessions + 1} dates")
    if benchmark is not None and len(benchmark) != sessions:
        raise ValueError(f"{len(benchmark)} benchmark returns for {sessions} returns")
    found: dict[int, Metrics] = {}
    for known, members in _alike(np.isfinite(returns)):
        of = dates if known.all() else _dates_of(known, dates)
        length = int(np.diff(dates)[known].astype("timedelta64[D]").astype(np.int64).sum())
        theirs = None if benchmark is None else benchmark[known]
        for start in range(0, len(members), AT_ONCE):
            some = members[start : start + AT_ONCE]
            rows = np.ascontiguousarray(_of(returns, some, known).T)
            found |= zip(some, _block(rows, _Time(of, length), rf, theirs), strict=True)
    return tuple(found[number] for number in range(series))


def _dates_of(known: BoolArray, dates: DateArray) -> DateArray:
    """Of the known returns' ends, after the date that the first of them begins at."""
    if not known.any():
        return dates[:1]
    return np.concatenate((dates[[int(known.argmax())]], dates[1:][known]))


def _of(returns: FloatArray, members: list[int], known: BoolArray) -> FloatArray:
    part = returns[:, members[0] : members[-1] + 1]
    part = part if len(members) == part.shape[1] else returns[:, members]
    return part if known.all() else part[known]


def _alike(known: BoolArray) -> Iterator[tuple[BoolArray, list[int]]]:
    """The sessions that are known of some series, with the numbers of these."""
    if known.all():
        yield np.ones(len(known), np.bool_), list(range(known.shape[1]))
        return
    groups: defaultdict[bytes, list[int]] = defaultdict(list)
    for number in range(known.shape[1]):
        groups[known[:, number].tobytes()].append(number)
    for members in groups.values():
        yield known[:, members[0]], members


@dataclass(frozen=True, slots=True)
class _Time:
    """The start and the end of every session with a return, and the calendar days of these."""

    dates: DateArray
    length: int


def _block(
    rows: FloatArray, time: _Time, rf: float, benchmark: FloatArray | None
) -> Iterator[Metrics]:
    """Of series (N x T) that are known on every one of the T sessions after the start."""
    absolute = _absolute(rows, time, rf)
    relative = _relative(rows, benchmark, rf)
    return (Metrics(**mine, **against) for mine, against in zip(absolute, relative, strict=True))


def _absolute(rows: FloatArray, time: _Time, rf: float) -> Iterator[dict[str, Any]]:
    count = rows.shape[1]
    if count < FEWEST:
        yield from [{"observations": count} | dict.fromkeys(ABSOLUTE, TOO_FEW)] * len(rows)
        return
    wealth, ordered = (1.0 + rows).cumprod(axis=1), np.sort(rows, axis=1)
    days: list[date] = time.dates.astype("datetime64[D]").tolist()
    fallen = falls(wealth)
    skew, kurtosis = shapes(rows)
    columns = {
        "growth": wealth[:, -1],
        "excess": excesses(rows, rf),
        "volatility": volatilities(rows),
        "downside": downside_deviations(rows, rf),
        "win_rate": np.count_nonzero(rows > 0.0, axis=1) / count,
        "skew": skew,
        "kurtosis": kurtosis,
        "var_95": values_at_risk(ordered, TAIL_95),
        "var_99": values_at_risk(ordered, TAIL_99),
        "cvar_95": expected_shortfalls(ordered, TAIL_95),
        "cvar_99": expected_shortfalls(ordered, TAIL_99),
    }
    extremes = zip(_days(rows, days), _months(wealth, time.dates, days), strict=True)
    for figures, fall, (best, worst) in zip(_by_series(columns), fallen, extremes, strict=True):
        worst_fall = deepest_fall(fall, days)
        yield {"observations": count, **best, **worst} | _with_ratios(
            figures, cagr(figures["growth"], time.length), worst_fall, count
        )


def _by_series(columns: dict[str, FloatArray]) -> Iterator[dict[str, float]]:
    """One dictionary of plain numbers for each of the series."""
    for values in zip(*(column.tolist() for column in columns.values()), strict=True):
        yield dict(zip(columns, values, strict=True))


def _with_ratios(
    figures: dict[str, Any], yearly: Measured, worst: Drawdown | Missing, count: int
) -> dict[str, Any]:
    """The figures, and what is a quotient of them."""
    growth, excess, downside = (figures.pop(name) for name in ("growth", "excess", "downside"))
    depth = worst.depth if isinstance(worst, Drawdown) else 0.0
    return {
        **figures,
        "skew": moment(figures["skew"], count, FEWEST_FOR_SKEW),
        "kurtosis": moment(figures["kurtosis"], count, FEWEST_FOR_KURTOSIS),
        "total_return": growth - 1.0,
        "cagr": yearly,
        "sharpe": ratio(excess, figures["volatility"], NO_SPREAD),
        "sortino": ratio(excess, downside, ALL_ABOVE),
        "calmar": ratio(yearly, -depth, NO_FALL),
        "max_drawdown": depth,
        "worst_drawdown": worst,
    }


def _days(rows: FloatArray, days: Sequence[date]) -> Iterator[dict[str, Dated]]:
    """Best and worst session of each series."""
    lows, highs = rows.argmin(axis=1).tolist(), rows.argmax(axis=1).tolist()
    for row, low, high in zip(rows, lows, highs, strict=True):
        yield {
            "best_day": Dated(float(row[high]), days[high + 1]),
            "worst_day": Dated(float(row[low]), days[low + 1]),
        }


def _months(
    wealth: FloatArray, dates: DateArray, days: Sequence[date]
) -> Iterator[dict[str, Dated]]:
    """Best and worst calendar month, each dated by its last session; months may be partial."""
    months = dates[1:].astype("datetime64[M]")
    last = np.append(np.flatnonzero(months[1:] != months[:-1]), len(months) - 1)
    closing = wealth[:, last]
    opening = np.concatenate((np.ones((len(wealth), 1)), closing[:, :-1]), axis=1)
    # Nothing can be earned on nothing: months after a total loss have no return.
    alive = opening > 0.0
    growth = np.divide(closing, opening, out=np.ones_like(closing), where=alive) - 1.0
    lows = np.where(alive, growth, np.inf).argmin(axis=1).tolist()
    highs = np.where(alive, growth, -np.inf).argmax(axis=1).tolist()
    for row, low, high in zip(growth, lows, highs, strict=True):
        yield {
            "best_month": Dated(float(row[high]), days[last[high] + 1]),
            "worst_month": Dated(float(row[low]), days[last[low] + 1]),
        }


def _relative(
    rows: FloatArray, benchmark: FloatArray | None, rf: float
) -> Iterator[dict[str, Any]]:
    if benchmark is None:
        yield from [dict.fromkeys(RELATIVE, NO_BENCHMARK)] * len(rows)
        return
    known = np.isfinite(benchmark)
    mine = rows if known.all() else np.ascontiguousarray(rows[:, known])
    market = benchmark[known]
    if len(market) < FEWEST:
        yield from [dict.fromkeys(RELATIVE, TOO_FEW)] * len(rows)
        return
    active, theirs = mine - market, float(excesses(market, rf))
    up, down = captures(mine, market, market > 0.0), captures(mine, market, market < 0.0)
    never = np.full(len(rows), np.nan)
    columns = {
        "excess": excesses(mine, rf),
        "beta": betas(mine, market),
        "active": excesses(active, 0.0),
        "tracking_error": volatilities(active),
        "up_capture": never if up is None else up,
        "down_capture": never if down is None else down,
    }
    for each in _by_series(columns):
        yield {
            "alpha": _or(each["excess"] - each["beta"] * theirs, FLAT_BENCHMARK),
            "beta": _or(each["beta"], FLAT_BENCHMARK),
            "tracking_error": each["tracking_error"],
            "information_ratio": ratio(each["active"], each["tracking_error"], NO_ERROR),
            "up_capture": _or(each["up_capture"], "the benchmark never rose"),
            "down_capture": _or(each["down_capture"], "the benchmark never fell"),
        }


NO_ERROR = "there is no tracking error"


def _or(value: float, reason: str) -> Measured:
    return Missing(reason) if math.isnan(value) else value
