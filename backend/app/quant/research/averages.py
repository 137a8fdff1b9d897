"""The mean of a figure over sessions, and how far it can be trusted where its returns overlap.

Returns of h sessions that begin a session apart share h - 1 of them, so a figure and the one of the
session before are nearly the same. The standard error is Newey and West's (1987) with Bartlett
weights over 2 (h - 1) lags, or their automatic lag (1994) where that is longer: over h - 1 lags the
weights would pass over a third of the variance that the overlap makes. So long a window is a large
part of the sessions, for which the normal distribution is no guide: the interval uses the critical
values of Kiefer and Vogelsang (2005), which grow with the window's share of the sessions. Equal
weights (Hansen and Hodrick, 1980) need no longer window, but their variance may be negative.

Where a figure is missing on some sessions, or only some count, the others contribute nothing to the
autocovariances and keep their place in time (Parzen, 1963).
"""

import math
from dataclasses import dataclass

import numpy as np

from app.quant.evidence.comparison import automatic_lag, long_run_variance
from app.quant.measured import Measured, Missing, ratio
from app.quant.panel import BoolArray, FloatArray
from app.quant.statistics import NEGLIGIBLE

CONFIDENCE = 0.95
CRITICAL = (1.9600, 2.9694, 0.4160, -0.5324)
"""Kiefer and Vogelsang (2005): the two-sided 5 % value, by powers of the window's share."""
HORIZONS = 2
"""How many whole horizons the sessions must hold before an error is estimated."""


@dataclass(frozen=True, slots=True)
class Average:
    """A mean over `sessions`; `ratio` is mean over standard deviation (n - 1), `t` mean over error,
    and `low` to `high` the interval that holds the true mean with 95 % confidence."""

    sessions: int
    lags: int
    mean: Measured
    deviation: Measured
    ratio: Measured
    error: Measured
    t: Measured
    low: Measured
    high: Measured


def average(series: FloatArray, horizon: int, where: BoolArray | None = None) -> Average:
    """The mean of what is known in a series of sessions in a row, of those in `where` only."""
    finite = np.isfinite(series)
    known = finite if where is None else finite & where
    count = int(known.sum())
    if count < 2:
        none = Missing("fewer than 2 sessions")
        return Average(count, 0, none, none, none, none, none, none, none)
    values = series[known]
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    if deviation <= NEGLIGIBLE:
        deviation = 0.0
    span = np.flatnonzero(finite)
    inside = slice(int(span[0]), int(span[-1]) + 1)
    apart = np.where(known, series - mean, 0.0)[inside]
    lags = min(max(automatic_lag(apart), 2 * (horizon - 1)), len(apart) - 1)
    error = _error(apart, lags, count, horizon)
    critical = critical_value((lags + 1) / len(apart))
    reach = error if isinstance(error, Missing) else critical * error
    return Average(
        sessions=count,
        lags=lags,
        mean=mean,
        deviation=deviation,
        ratio=ratio(mean, deviation, "it does not vary"),
        error=error,
        t=ratio(mean, error, "it does not vary"),
        low=reach if isinstance(reach, Missing) else mean - reach,
        high=reach if isinstance(reach, Missing) else mean + reach,
    )


def critical_value(share: float) -> float:
    """How many errors the interval reaches to each side, for a window of this share of sessions."""
    return sum(value * share**power for power, value in enumerate(CRITICAL))


def _error(apart: FloatArray, lags: int, count: int, horizon: int) -> Measured:
    if count < HORIZONS * horizon:
        return Missing(f"{count} sessions hold fewer than {HORIZONS} whole horizons")
    variance = long_run_variance(apart, lags) * len(apart) / (count * (count - 1))
    if math.sqrt(variance) <= NEGLIGIBLE:
        return Missing("it does not vary")
    return math.sqrt(variance)
