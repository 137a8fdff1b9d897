"""How much a series moves, three ways, each with its standard error.

Sample: the standard deviation with n - 1. Exponentially weighted: J.P. Morgan and Reuters,
RiskMetrics technical document (1996): squares of returns about zero, each day weighing 0.94 of the
next. Shrunk: Ledoit and Wolf (2004), of weights and the covariance of what they hold.

The error of a variance of n independent observations with excess kurtosis k is s^2 sqrt(k / n +
2 / (n - 1)), that of its root is half of it over s (delta method; Kendall and Stuart). Days of
unequal size count by sum of squared weights: with a decay of 0.94 that is 32 days. Returns are
not independent in their squares, so true errors are larger.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from app.quant.covariance import ledoit_wolf
from app.quant.measured import Measured, Missing
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray
from app.quant.statistics import shape, volatility

DECAY = 0.94
BURN_IN = 63
"""Returns before the first exponentially weighted volatility that is used: 98 % of its weight."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its standard error."""

    value: Measured
    error: Measured

    @classmethod
    def missing(cls, why: Missing) -> "Estimate":
        return cls(why, why)


@dataclass(frozen=True, slots=True)
class Volatilities:
    """Yearly; `shrunk` needs weights and the returns of what they hold."""

    sample: Estimate
    weighted: Estimate
    shrunk: Estimate
    shrinkage: Measured


ALL_TARGET = Missing("the covariance is all target, and nothing of the sample is left in it")
NO_HOLDINGS = Missing("only a series of returns is known, not what was held")


def of_series(returns: FloatArray, *, before: FloatArray | None = None) -> Volatilities:
    """Of known daily returns; `before` is what preceded them, for the exponential weights alone."""
    longer = returns if before is None else np.concatenate((before, returns))
    return Volatilities(
        sample=_sample(returns),
        weighted=_weighted(longer, returns),
        shrunk=Estimate.missing(NO_HOLDINGS),
        shrinkage=NO_HOLDINGS,
    )


def shrunk(weights: FloatArray, returns: FloatArray) -> tuple[Estimate, float]:
    """Volatility of N weights under the shrunk covariance of N x T returns, and the shrinkage.

    Its error is that of the sample's part, the shrinkage and its target taken as given.
    """
    found = ledoit_wolf(returns)
    variance = float(weights @ found.covariance @ weights) * SESSIONS_PER_YEAR
    value = math.sqrt(variance)
    raw = _sample(weights @ returns)
    if value == 0.0 or isinstance(raw.error, Missing) or isinstance(raw.value, Missing):
        return Estimate(value, raw.error), found.shrinkage
    if found.shrinkage == 1.0:
        return Estimate(value, ALL_TARGET), found.shrinkage
    return (
        Estimate(value, (1.0 - found.shrinkage) * raw.error * raw.value / value),
        found.shrinkage,
    )


def exponentially_weighted(returns: FloatArray, decay: float = DECAY) -> FloatArray:
    """Daily volatilities known before each day, and one more for the day after the last: T + 1.

    Element t weighs the squares of returns 0 .. t - 1, the last one most; the weights add up to
    one from the beginning, so no first value is made up. Element 0 is NaN.
    """
    squares = np.asarray(lfilter([1.0 - decay], [1.0, -decay], returns * returns))
    weight = -np.expm1(np.arange(1, len(returns) + 1) * math.log(decay))
    return np.concatenate(([np.nan], np.sqrt(squares / weight)))


def _sample(returns: FloatArray) -> Estimate:
    value = volatility(returns)
    if value == 0.0:
        return Estimate(value, Missing("the returns do not vary"))
    return Estimate(value, _error(value, returns, len(returns), len(returns) - 1))


def _weighted(longer: FloatArray, returns: FloatArray) -> Estimate:
    if len(longer) < BURN_IN:
        return Estimate.missing(Missing(f"{len(longer)} returns; {BURN_IN} are needed"))
    value = float(exponentially_weighted(longer)[-1]) * math.sqrt(SESSIONS_PER_YEAR)
    effective = (1.0 + DECAY) / (1.0 - DECAY)
    return Estimate(value, _error(value, returns, effective, effective))


def _error(value: float, returns: FloatArray, count: float, freedom: float) -> Measured:
    _, kurtosis = shape(returns)
    if isinstance(kurtosis, Missing):
        return kurtosis
    spread = max(kurtosis, -2.0) / count + 2.0 / freedom
    return value / 2.0 * math.sqrt(max(spread, 0.0))
