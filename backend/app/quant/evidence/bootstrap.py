"""How much of a result is chance: intervals by resampling a run's own days in blocks.

The stationary bootstrap (Politis and Romano 1994): a resample strings together blocks of
consecutive returns that begin anywhere (the series is a circle) and have geometric lengths, so that
what depends on its recent past keeps most of it. The mean length is that of Politis and White,
"Automatic block-length selection for the dependent bootstrap" (2004), with the correction of
Patton, Politis and White (2009). Intervals are percentile intervals (Efron 1979).

A resample is drawn from one generator seeded by the caller, one after the other: the same seed and
returns give the same interval to the last bit, in any process.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.quant import statistics
from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray, IntArray

RESAMPLES = 2_000
CONFIDENCE = 0.95
FEWEST = 63
"""Observations below which a resample says little about the returns that were not seen."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Between these two lies the share `confidence` of the resamples, as much below as above."""

    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Intervals:
    """Percentile intervals of yearly Sharpe ratio, CAGR and maximum drawdown (negative: a loss).

    `block` is the mean length of a block in sessions.
    """

    resamples: int
    block: float
    sharpe: Interval | Missing
    cagr: Interval | Missing
    drawdown: Interval | Missing


def intervals(
    returns: FloatArray,
    *,
    days: int,
    rf: float,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Intervals | Missing:
    """Intervals from known daily returns that took `days` calendar days; `rf` is yearly."""
    if len(returns) < FEWEST:
        return Missing(f"{len(returns)} observations; {FEWEST} are needed")
    block = block_length(returns)
    found: tuple[list[Measured], ...] = ([], [], [])
    for places in resampled(len(returns), block, seed=seed, count=resamples):
        drawn = returns[places]
        wealth = (1.0 + drawn).cumprod()
        found[0].append(statistics.sharpe(drawn, rf))
        found[1].append(statistics.cagr(float(wealth[-1]), days))
        found[2].append(_deepest(wealth))
    sharpe, growth, drawdown = (interval(values, confidence) for values in found)
    return Intervals(resamples, block, sharpe=sharpe, cagr=growth, drawdown=drawdown)


def interval(values: list[Measured], confidence: float) -> Interval | Missing:
    """The percentile interval of a statistic's resamples; missing if it is so in any of them."""
    numbers = [value for value in values if not isinstance(value, Missing)]
    if len(numbers) < len(values):
        reasons = (value.reason for value in values if isinstance(value, Missing))
        return Missing(f"in some resamples, {next(reasons)}")
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(numbers, [tail, 1.0 - tail])
    return Interval(float(low), float(high), confidence)


def resampled(sessions: int, block: float, *, seed: int, count: int) -> Iterator[IntArray]:
    """`count` resamples of `sessions` places in a series, in blocks of mean length `block`."""
    generator = np.random.default_rng(seed)
    chance = 1.0 / max(block, 1.0)
    steps = np.arange(sessions)
    for _ in range(count):
        draws = generator.random(sessions)
        begins = draws < chance
        begins[0] = True
        # Given that a draw begins a block, draw / chance is uniform again: where the block begins.
        # The first one begins whatever was drawn.
        starts = (draws[begins] / chance * sessions).astype(np.int64)
        starts[0] = int(draws[0] * sessions)
        first = np.flatnonzero(begins)
        lengths = np.append(first[1:], sessions) - first
        yield (np.repeat(starts - first, lengths) + steps) % sessions


def block_length(returns: FloatArray) -> float:
    """The mean block length that fits how long these returns remember; at least 1."""
    count = len(returns)
    stretch = max(5, math.ceil(math.sqrt(math.log10(count))))
    longest = min(math.ceil(math.sqrt(count)) + stretch, count - 1)
    covariances = autocovariances(returns, longest)
    if covariances[0] <= statistics.NEGLIGIBLE**2:
        return 1.0
    lags = min(2 * _memory(covariances / covariances[0], count, stretch), longest)
    k = np.arange(1, lags + 1)
    # The flat-top window of Politis and Romano (1995): 1 up to half of the lags, then down to 0.
    window = np.minimum(1.0, 2.0 * (1.0 - k / lags))
    weighted = window * covariances[1 : lags + 1]
    spectrum = float(covariances[0] + 2.0 * weighted.sum())
    if spectrum == 0.0:
        return 1.0
    slope = 2.0 * float(k @ weighted)
    cap = math.ceil(min(3.0 * math.sqrt(count), count / 3.0))
    # (2 G^2 / D)^(1/3) n^(1/3) with D = 2 g(0)^2, the corrected constant of 2009.
    return min(max(((slope / spectrum) ** 2 * count) ** (1.0 / 3.0), 1.0), float(cap))


def autocovariances(returns: FloatArray, lags: int) -> FloatArray:
    """Autocovariances at 0 .. `lags`, each dividing by the number of returns."""
    centred = returns - returns.mean()
    count = len(centred)
    return np.array([centred[: count - k] @ centred[k:] for k in range(lags + 1)]) / count


def _memory(correlations: FloatArray, count: int, stretch: int) -> int:
    """The smallest lag, 1 or more, beyond which `stretch` autocorrelations in a row are small.

    Small: indistinguishable from none. Where there is no such lag, the last one that is large.
    """
    large = np.abs(correlations[1:]) >= 2.0 * math.sqrt(math.log10(count) / count)
    for lag in range(1, len(large) - stretch + 1):
        if not large[lag : lag + stretch].any():
            return lag
    return int(np.flatnonzero(large).max(initial=0)) + 1


def _deepest(wealth: FloatArray) -> float:
    path = np.concatenate(([1.0], wealth))
    return float((path / np.maximum.accumulate(path)).min()) - 1.0
