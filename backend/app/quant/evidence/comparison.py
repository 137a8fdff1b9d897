"""Is one run better than another, or was it luck? The paired difference of their daily returns.

Two runs over the same sessions share most of their luck, so their difference is known far better
than either. Standard errors allow for autocorrelation and changing variance: Newey and West (1987),
Bartlett weights, with the lag chosen as in Newey and West (1994). The difference of the Sharpe
ratios is taken by the delta method of Ledoit and Wolf, "Robust performance hypothesis testing with
the Sharpe ratio" (2008): its error is the long-run error of the mean of the ratios' influences, one
number per session. The bootstrap interval redraws the same sessions of both runs, in blocks.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.quant import statistics
from app.quant.evidence.bootstrap import (
    CONFIDENCE,
    FEWEST,
    RESAMPLES,
    Interval,
    autocovariances,
    block_length,
    interval,
    resampled,
)
from app.quant.evidence.records import TrackRecord
from app.quant.evidence.sharpe import yearly
from app.quant.measured import Measured, Missing, ratio
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray

MOMENTS_OF_A_MEAN = 1
MOMENTS_OF_TWO_SHARPES = 4
"""Both means and both mean squares: so many degrees of freedom are used up."""


@dataclass(frozen=True, slots=True)
class Difference:
    """First run less second, per year.

    `error` is its HAC standard error over `lags` lags, `p_value` the two-sided one of no
    difference, `interval` the percentile interval of the paired bootstrap.
    """

    value: Measured
    error: Measured
    lags: int
    p_value: Measured
    interval: Interval | Missing


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on the sessions that both have; what only one has is counted and left out."""

    sessions: int
    only_first: int
    only_second: int
    correlation: Measured
    block: float
    mean: Difference
    sharpe: Difference


def compare(
    first: TrackRecord,
    second: TrackRecord,
    *,
    rf: float,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Comparison | Missing:
    """The difference of yearly mean return and Sharpe ratio; `rf` is the yearly risk-free rate."""
    mine, other, alone = _paired(first, second)
    if len(mine) < FEWEST:
        return Missing(f"the runs have {len(mine)} common sessions; {FEWEST} are needed")
    apart = mine - other
    influence = _influence(mine, rf) - _influence(other, rf)
    block = max(block_length(apart), block_length(influence))
    means: list[Measured] = []
    sharpes: list[Measured] = []
    for places in resampled(len(mine), block, seed=seed, count=resamples):
        means.append(float(apart[places].mean()) * SESSIONS_PER_YEAR)
        sharpes.append(_sharpes_apart(mine[places], other[places], rf))
    return Comparison(
        sessions=len(mine),
        only_first=alone[0],
        only_second=alone[1],
        correlation=_correlation(mine, other),
        block=block,
        mean=_difference(
            float(apart.mean()) * SESSIONS_PER_YEAR,
            apart * SESSIONS_PER_YEAR,
            moments=MOMENTS_OF_A_MEAN,
            drawn=interval(means, confidence),
        ),
        sharpe=_difference(
            _sharpes_apart(mine, other, rf),
            influence * yearly(1.0),
            moments=MOMENTS_OF_TWO_SHARPES,
            drawn=interval(sharpes, confidence),
        ),
    )


def automatic_lag(series: FloatArray) -> int:
    """The lag of Newey and West (1994) for Bartlett weights; at most one less than the sessions."""
    count = len(series)
    preliminary = min(int(4.0 * (count / 100.0) ** (2.0 / 9.0)), count - 1)
    covariances = autocovariances(series, preliminary)
    lags = np.arange(1, preliminary + 1)
    level = float(covariances[0] + 2.0 * covariances[1:].sum())
    slope = 2.0 * float(lags @ covariances[1:])
    if level <= 0.0:
        return preliminary
    growth = 1.1447 * ((slope / level) ** 2) ** (1.0 / 3.0)
    return min(int(growth * count ** (1.0 / 3.0)), count - 1)


def long_run_variance(series: FloatArray, lags: int) -> float:
    """Variance of a mean times the number of sessions, by Bartlett weights; never negative."""
    covariances = autocovariances(series, lags)
    weights = 1.0 - np.arange(1, lags + 1) / (lags + 1.0)
    return max(float(covariances[0] + 2.0 * (weights @ covariances[1:])), 0.0)


def _paired(
    first: TrackRecord, second: TrackRecord
) -> tuple[FloatArray, FloatArray, tuple[int, int]]:
    """Returns of both on their common sessions, and how many sessions each has for itself."""
    knows, known = np.isfinite(first.returns), np.isfinite(second.returns)
    _, here, there = np.intersect1d(
        first.sessions[knows], second.sessions[known], assume_unique=True, return_indices=True
    )
    mine, other = first.observed()[here], second.observed()[there]
    return mine, other, (int(knows.sum()) - len(mine), int(known.sum()) - len(mine))


def _influence(returns: FloatArray, rf: float) -> FloatArray:
    """How much each session moves the Sharpe ratio per session; zero where nothing varies."""
    excess = returns - rf / SESSIONS_PER_YEAR
    mean, square = float(excess.mean()), float((excess * excess).mean())
    variance = float(excess.var())
    if math.sqrt(variance) <= statistics.NEGLIGIBLE:
        return np.zeros_like(excess)
    gradient = np.array([square, -mean / 2.0]) / variance**1.5
    return gradient[0] * (excess - mean) + gradient[1] * (excess * excess - square)


def _sharpes_apart(first: FloatArray, second: FloatArray, rf: float) -> Measured:
    mine, other = statistics.sharpe(first, rf), statistics.sharpe(second, rf)
    if isinstance(mine, Missing):
        return mine
    return other if isinstance(other, Missing) else mine - other


def _difference(
    value: Measured, series: FloatArray, *, moments: int, drawn: Interval | Missing
) -> Difference:
    """`series` is what each session adds to `value`: its mean has the error of `value`."""
    lags = automatic_lag(series)
    count = len(series)
    error = math.sqrt(long_run_variance(series, lags) / (count - moments))
    if isinstance(value, Missing):
        return Difference(value, value, lags, value, drawn)
    if error <= statistics.NEGLIGIBLE:
        same = Missing("the difference does not vary")
        return Difference(value, same, lags, same, drawn)
    return Difference(value, error, lags, math.erfc(abs(value) / error / math.sqrt(2.0)), drawn)


def _correlation(first: FloatArray, second: FloatArray) -> Measured:
    mine, other = first - first.mean(), second - second.mean()
    spread = math.sqrt(float(mine @ mine)) * math.sqrt(float(other @ other))
    negligible = statistics.NEGLIGIBLE**2 * len(first)
    return ratio(float(mine @ other), spread if spread > negligible else 0.0, statistics.NO_SPREAD)
