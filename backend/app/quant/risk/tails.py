"""Value at risk and expected shortfall of one session, three ways, each judged on its own past.

- historical: the quantile of the last 252 returns, and the mean of those up to it.
- normal: mean and standard deviation (n - 1) of the last 252 returns, under a normal distribution.
- filtered: Barone-Adesi, Giannopoulos and Vosper, "VaR without correlations for portfolios of
  derivative securities" (1999), with the exponentially weighted volatility of RiskMetrics (1996,
  decay 0.94) in the place of their GARCH(1,1), as in Hull and White, "Incorporating volatility
  updating into the historical simulation method" (1998): each of the last 252 returns is divided
  by the volatility known before its day, and their quantile is multiplied by the newest one.

The forecast for a day is made from the returns before it, never from that day's or a later one:
252 of them, and of the filtered method 63 more before those, from which its first volatility is.
Intervals come from a stationary bootstrap (Politis and Romano 1994) of the 252 returns in blocks
as long as their squares remember (Politis and White 2004); of the filtered method, of the divided
returns, the newest volatility taken as given.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from app.quant.evidence.bootstrap import CONFIDENCE, block_length, resampled
from app.quant.evidence.sharpe import NORMAL
from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray, IntArray
from app.quant.risk import coverage
from app.quant.risk.coverage import Coverage
from app.quant.risk.volatilities import BURN_IN, exponentially_weighted
from app.quant.statistics import TAIL_95, TAIL_99, value_at_risk

WINDOW = 252
FEWEST = 63
RESAMPLES = 500
SEED = 19990630
LEVELS = (TAIL_95, TAIL_99)


class Method(StrEnum):
    HISTORICAL = "historical"
    NORMAL = "normal"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True)
class Bounded:
    """A figure and the ends of its bootstrap interval."""

    value: Measured
    low: Measured
    high: Measured

    @classmethod
    def missing(cls, why: Missing) -> "Bounded":
        return cls(why, why, why)


@dataclass(frozen=True, slots=True)
class Tail:
    """One method at one level (0.95: losses that 5 % of the days exceed); losses are negative."""

    method: Method
    level: float
    var: Bounded
    cvar: Bounded
    coverage: Coverage | Missing


@dataclass(frozen=True, slots=True)
class _Sample:
    """What a method draws from: the newest window, and what its quantile is multiplied by."""

    values: FloatArray
    scale: float
    days: FloatArray
    windows: FloatArray
    scales: FloatArray


def tails(returns: FloatArray, newest: int = WINDOW) -> tuple[Tail, ...]:
    """All methods and levels from the known daily returns of any length, oldest first.

    Today's figures are from the `newest` of them, forecasts of the past from 252 each.
    """
    unscaled = np.ones(len(returns))
    raw = _Sample(returns[-newest:], 1.0, *_judged(returns, returns, unscaled))
    filtered = _filtered(returns)
    found: list[Tail] = []
    for method in Method:
        sample = filtered if method is Method.FILTERED else raw
        if isinstance(sample, Missing):
            found += [_missing(method, tail, sample) for tail in LEVELS]
        elif len(sample.values) < FEWEST:
            why = Missing(f"{len(sample.values)} returns; {FEWEST} are needed")
            found += [_missing(method, tail, why) for tail in LEVELS]
        else:
            found += _measured(method, sample)
    return tuple(found)


def quantile_forecasts(windows: FloatArray, tails: Sequence[float]) -> list[FloatArray]:
    """The historical value at risk of each row at each tail, interpolated as `value_at_risk` is."""
    lowest, places = _lowest(windows, tails)
    return [_between(lowest, place) for place in places]


def normal_forecasts(windows: FloatArray, tails: Sequence[float]) -> list[FloatArray]:
    mean, deviation = _moments(windows)
    return [mean + NORMAL.inv_cdf(tail) * deviation for tail in tails]


def _filtered(returns: FloatArray) -> _Sample | Missing:
    if len(returns) < BURN_IN + FEWEST:
        return Missing(f"{len(returns)} returns; {BURN_IN + FEWEST} are needed")
    volatility = exponentially_weighted(returns)
    known = volatility[BURN_IN:-1]
    if (known <= 0.0).any():
        return Missing(f"for {BURN_IN} returns in a row nothing moved")
    divided = returns[BURN_IN:] / known
    newest = float(volatility[-1])
    return _Sample(divided[-WINDOW:], newest, *_judged(returns[BURN_IN:], divided, known))


def _judged(
    returns: FloatArray, values: FloatArray, scales: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The days that a whole window comes before, those windows, and the scale known before each."""
    if len(values) <= WINDOW:
        nothing = np.empty(0)
        return nothing, np.empty((0, WINDOW)), nothing
    windows = sliding_window_view(values, WINDOW)[:-1]
    return returns[WINDOW:], windows, scales[WINDOW:]


def _measured(method: Method, sample: _Sample) -> Iterator[Tail]:
    values = sample.values
    drawn = values[_places(len(values), round(block_length(values * values)))]
    of_rows = _normal if method is Method.NORMAL else _historical
    for tail, now, others, forecasts in zip(
        LEVELS, of_rows(values[np.newaxis]), of_rows(drawn), _forecasts(method, sample), strict=True
    ):
        yield Tail(
            method=method,
            level=1.0 - tail,
            var=_bounded(float(now[0][0]), others[0], sample.scale),
            cvar=_bounded(float(now[1][0]), others[1], sample.scale),
            coverage=coverage.coverage(sample.days, forecasts * sample.scales, tail),
        )


def _forecasts(method: Method, sample: _Sample) -> list[FloatArray]:
    if not len(sample.windows):
        return [np.empty(0)] * len(LEVELS)
    if method is Method.NORMAL:
        return normal_forecasts(sample.windows, LEVELS)
    return quantile_forecasts(sample.windows, LEVELS)


Figures: TypeAlias = list[tuple[FloatArray, FloatArray]]
"""Value at risk and expected shortfall of each row, one pair for each level."""


def _lowest(rows: FloatArray, tails: Sequence[float]) -> tuple[FloatArray, list[float]]:
    """Of each row what the quantiles lie among, ascending, and their places, which need not be
    whole."""
    places = [(rows.shape[1] - 1) * tail for tail in tails]
    most = int(max(places)) + 2
    return np.sort(np.partition(rows, most - 1, axis=1)[:, :most], axis=1), places


def _historical(rows: FloatArray) -> Figures:
    lowest, places = _lowest(rows, LEVELS)
    return [(_between(lowest, place), lowest[:, : int(place) + 1].mean(axis=1)) for place in places]


def _normal(rows: FloatArray) -> Figures:
    """Of a normal distribution with each row's mean and deviation; its shortfall is closed."""
    mean, deviation = _moments(rows)
    return [
        (
            mean + NORMAL.inv_cdf(tail) * deviation,
            mean - NORMAL.pdf(NORMAL.inv_cdf(tail)) / tail * deviation,
        )
        for tail in LEVELS
    ]


def _between(ordered: FloatArray, place: float) -> FloatArray:
    """What stands at a place, which need not be whole, of each ascending row."""
    below = int(place)
    step = ordered[:, below + 1] - ordered[:, below]
    return ordered[:, below] + (place - below) * step


def _moments(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation (n - 1) of each row."""
    mean = rows.mean(axis=1)
    centred = rows - mean[:, np.newaxis]
    return mean, np.sqrt(np.einsum("ij,ij->i", centred, centred) / (rows.shape[1] - 1))


def _bounded(value: float, drawn: FloatArray, scale: float) -> Bounded:
    outside = (1.0 - CONFIDENCE) / 2.0
    ordered = np.sort(drawn) * scale
    return Bounded(
        value * scale, value_at_risk(ordered, outside), value_at_risk(ordered, 1.0 - outside)
    )


def _missing(method: Method, tail: float, why: Missing) -> Tail:
    return Tail(method, 1.0 - tail, Bounded.missing(why), Bounded.missing(why), why)


@lru_cache(maxsize=32)
def _places(count: int, block: int) -> IntArray:
    """The same resamples for every series of one length and memory; one megabyte each."""
    draws = resampled(count, float(max(block, 1)), seed=SEED, count=RESAMPLES)
    places = np.array(list(draws), dtype=np.int64)
    places.flags.writeable = False
    return places
