"""What each factor earned in every session, by regression across the scored ETFs.

In each session the returns of all ETFs that were scored at the close before are regressed by
ordinary least squares on their scores of that close and an intercept (Fama and MacBeth, 1973; the
factor returns of a fundamental model as in Grinold and Kahn, 2000). The intercept is the return of
the scored market; a slope is what one unit of a score earned, with all other scores and the market
held at nothing. A score that is unknown counts as 0, the mean of its cross-section.

All sessions are worked out at once from sums over their cross-sections: X'X and X'y.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.quant import statistics
from app.quant.evidence.comparison import automatic_lag, long_run_variance
from app.quant.factors.factor_history import FactorHistory
from app.quant.measured import Measured, Missing
from app.quant.panel import (
    SESSIONS_PER_YEAR,
    BoolArray,
    DateArray,
    FloatArray,
    IntArray,
    Panel,
)

MARKET = "market"
SINGULAR = 1e-10
"""Scores whose scaled X'X has a smaller eigenvalue cannot be told apart."""


@dataclass(frozen=True, slots=True)
class FactorReturns:
    """T sessions, each with the scores of the session before: entry t of the history they are of.

    `names` begins with the market, the intercept. `values` and `errors` [T, K] are NaN where a
    factor was unknown for every ETF, or the session had too few; the errors are those of ordinary
    least squares. `observations` [T] are the ETFs with a return, `r_squared` [T] NaN without an
    estimate.
    """

    sessions: DateArray
    names: tuple[str, ...]
    values: FloatArray
    errors: FloatArray
    observations: IntArray
    r_squared: FloatArray

    def __len__(self) -> int:
        return len(self.sessions)

    @property
    def t(self) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.values / self.errors
        return np.where(self.errors > 0.0, ratio, np.nan)

    def between(self, first: int, end: int) -> "FactorReturns":
        part = slice(first, end)
        return FactorReturns(
            self.sessions[part],
            self.names,
            self.values[part],
            self.errors[part],
            self.observations[part],
            self.r_squared[part],
        )


def factor_returns(history: FactorHistory, panel: Panel) -> FactorReturns:
    """Of every session of the panel that follows a scored one; the scored sessions must follow
    each other in the panel without a gap."""
    first = (
        int(np.searchsorted(panel.sessions, history.sessions[:1])[0]) if len(history.rows) else 0
    )
    count = min(len(history.sessions), len(panel) - first - 1) if len(history.rows) else 0
    names = (MARKET, *history.names)
    if count < 1:
        nothing = np.empty((0, len(names)))
        return FactorReturns(
            panel.sessions[:0], names, nothing, nothing, np.empty(0, np.int64), np.empty(0)
        )
    if not np.array_equal(history.sessions[:count], panel.sessions[first : first + count]):
        raise ValueError("scored sessions must follow each other")
    starts = history.starts[: count + 1]
    entries = int(starts[-1])
    place = np.repeat(np.arange(count), np.diff(starts))
    earned = _returns_after(panel, first, count)[history.rows[:entries], place]
    sums = _Sums.of(history.z[:, :entries], earned, starts)
    return FactorReturns(panel.sessions[first + 1 : first + 1 + count], names, *_estimated(sums))


@dataclass(frozen=True, slots=True)
class _Sums:
    """Per session: X'X, X'y, y'y and the sum of y, over the ETFs with a return."""

    xx: FloatArray
    xy: FloatArray
    yy: FloatArray
    counts: IntArray

    @classmethod
    def of(cls, z: FloatArray, earned: FloatArray, starts: IntArray) -> "_Sums":
        known = np.isfinite(earned)
        y = np.where(known, earned, 0.0)
        columns = [
            known.astype(np.float64),
            *(np.where(known & ~np.isnan(row), row, 0.0) for row in z),
        ]
        size, sessions = len(columns), len(starts) - 1
        xx, xy = np.empty((sessions, size, size)), np.empty((sessions, size))
        for i, left in enumerate(columns):
            xy[:, i] = _summed(left * y, starts)
            for j in range(i + 1):
                xx[:, i, j] = xx[:, j, i] = _summed(left * columns[j], starts)
        return cls(xx, xy, _summed(y * y, starts), np.rint(xx[:, 0, 0]).astype(np.int64))


def _summed(values: FloatArray, starts: IntArray) -> FloatArray:
    """Sums of values[starts[t] : starts[t + 1]], 0 where there are none."""
    found = np.zeros(len(starts) - 1)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        found[filled] = np.add.reduceat(values, starts[filled])
    return found


def _estimated(sums: _Sums) -> tuple[FloatArray, FloatArray, IntArray, FloatArray]:
    size = sums.xy.shape[1]
    diagonal = np.diagonal(sums.xx, axis1=1, axis2=2)
    absent = diagonal <= 0.0
    scale = 1.0 / np.sqrt(np.where(absent, 1.0, diagonal))
    scaled = sums.xx * scale[:, :, np.newaxis] * scale[:, np.newaxis, :]
    scaled[:, range(size), range(size)] = 1.0
    usable = _usable(scaled, sums.counts - (size - absent.sum(axis=1)))
    inverse = np.full(scaled.shape, np.nan)
    inverse[usable] = np.linalg.inv(scaled[usable])
    values = np.einsum("tij,tj->ti", inverse, sums.xy * scale) * scale
    unexplained = np.maximum(sums.yy - np.einsum("ti,ti->t", values, sums.xy), 0.0)
    freedom = np.maximum(sums.counts - (size - absent.sum(axis=1)), 1)
    variances = np.diagonal(inverse, axis1=1, axis2=2) * (unexplained / freedom)[:, np.newaxis]
    errors = np.sqrt(np.maximum(variances, 0.0)) * scale
    spread = sums.yy - sums.xy[:, 0] ** 2 / np.maximum(sums.counts, 1)
    varied = usable & (spread > 0.0)
    explained = np.where(varied, 1.0 - unexplained / np.where(varied, spread, 1.0), np.nan)
    return (
        np.where(absent, np.nan, values),
        np.where(absent, np.nan, errors),
        sums.counts,
        explained,
    )


def _usable(scaled: FloatArray, freedom: IntArray) -> BoolArray:
    """Sessions with more ETFs than scores, which can be told apart."""
    usable: BoolArray = freedom > 0
    usable[usable] = np.linalg.eigvalsh(scaled[usable])[:, 0] > SINGULAR
    return usable


def _returns_after(panel: Panel, first: int, count: int) -> FloatArray:
    """[N, count]: the returns from column first + t to the next, NaN where a close is missing.

    None is carried: a close that was refused or never came would enter as a return of nothing, and
    the next one with two days' move.
    """
    closes = panel.adjusted[:, first : first + count + 1]
    found: FloatArray = closes[:, 1:] / closes[:, :-1] - 1.0
    return found


@dataclass(frozen=True, slots=True)
class Premium:
    """A factor over a period: its compounded return, its yearly mean and whether that is chance.

    `error` and `t` allow for autocorrelation and changing variance (Newey and West, 1987 and 1994)
    over `lags` sessions.
    """

    name: str
    observations: int
    cumulative: Measured
    mean: Measured
    volatility: Measured
    error: Measured
    t: Measured
    lags: int


def premia(returns: FactorReturns) -> tuple[Premium, ...]:
    """The market and each factor over all sessions of `returns`."""
    return tuple(
        premium(name, series) for name, series in zip(returns.names, returns.values.T, strict=True)
    )


def premium(name: str, series: FloatArray) -> Premium:
    known = series[np.isfinite(series)]
    count = len(known)
    if count < 2:
        why = Missing("fewer than 2 observations")
        return Premium(name, count, why, why, why, why, why, 0)
    lags = automatic_lag(known)
    mean = float(known.mean())
    error = math.sqrt(long_run_variance(known, lags) / (count - 1))
    varies = error > statistics.NEGLIGIBLE
    return Premium(
        name=name,
        observations=count,
        cumulative=float(np.prod(1.0 + known)) - 1.0,
        mean=mean * SESSIONS_PER_YEAR,
        volatility=statistics.volatility(known),
        error=error * SESSIONS_PER_YEAR,
        t=mean / error if varies else Missing(statistics.NO_SPREAD),
        lags=lags,
    )
