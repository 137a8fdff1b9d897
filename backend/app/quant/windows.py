"""Statistics of the newest sessions of some ETFs, compiled.

Importing this module imports numba, so only `covariance.kernels` does it, when first called.

Every array has one row per ETF and is contiguous, so live decisions and simulated ones run the same
machine code. Sums depend on nothing but the window, and so are equal to the last bit in both.
"""

import numpy as np

from app.quant.compiled import exactly, reordering
from app.quant.panel import FloatArray


@exactly
def carried(closes: FloatArray, limit: int) -> FloatArray:
    """Closes with gaps filled from the last one, at most `limit` sessions old."""
    filled = closes.copy()
    for row in filled:
        last, age = np.nan, limit
        for column in range(len(row)):
            if np.isnan(row[column]):
                age += 1
                row[column] = last if age <= limit else np.nan
            else:
                last, age = row[column], 0
    return filled


@reordering
def _has_gap(closes: FloatArray) -> bool:
    missing = 0
    for close in closes.flat:
        missing += np.isnan(close)
    return missing > 0


@exactly
def returns(closes: FloatArray, sessions: int, limit: int) -> FloatArray:
    """The last `sessions` returns of closes that are carried over short gaps."""
    known = carried(closes, limit) if _has_gap(closes) else closes
    found = np.empty((len(known), sessions))
    first = known.shape[1] - sessions
    for i in range(len(known)):
        for k in range(sessions):
            found[i, k] = known[i, first + k] / known[i, first + k - 1] - 1.0
    return found


@reordering
def means(values: FloatArray) -> FloatArray:
    """Of what is known of each row; NaN where nothing is."""
    found = np.empty(len(values))
    for i in range(len(values)):
        total, known = 0.0, 0.0
        for value in values[i]:
            missing = np.isnan(value)
            total += 0.0 if missing else value
            known += 0.0 if missing else 1.0
        found[i] = total / known if known > 0.0 else np.nan
    return found


@reordering
def deviations(values: FloatArray) -> FloatArray:
    """Standard deviations (n - 1) of what is known of each row; NaN of fewer than two values."""
    found = means(values)
    for i in range(len(values)):
        squares, known = 0.0, 0.0
        for value in values[i]:
            missing = np.isnan(value)
            squares += 0.0 if missing else (value - found[i]) ** 2
            known += 0.0 if missing else 1.0
        found[i] = np.sqrt(squares / (known - 1.0)) if known > 1.0 else np.nan
    return found


@reordering
def _sample(values: FloatArray) -> tuple[FloatArray, float]:
    """The sample covariance (dividing by n), and the mean over columns of the squared length of
    their deviations, squared."""
    assets, observations = values.shape
    centred, lengths = np.empty_like(values), np.zeros(observations)
    mean = means(values)
    for i in range(assets):
        for k in range(observations):
            centred[i, k] = values[i, k] - mean[i]
            lengths[k] += centred[i, k] ** 2
    sample = np.empty((assets, assets))
    for i in range(assets):
        for j in range(i + 1):
            total = 0.0
            for k in range(observations):
                total += centred[i, k] * centred[j, k]
            sample[i, j] = sample[j, i] = total / observations
    fourth = 0.0
    for length in lengths:
        fourth += length * length
    return sample, fourth / observations


@exactly
def ledoit_wolf(returns: FloatArray) -> tuple[FloatArray, float, FloatArray]:
    """The shrunk covariance, the share of the target in it, and the sample variances."""
    assets, observations = returns.shape
    sample, fourth = _sample(returns)
    variances = np.diag(sample).copy()
    if assets == 1:
        return sample, 0.0, variances
    mean_variance, squared = variances.sum() / assets, (sample**2).sum()
    distance = squared - assets * mean_variance**2
    noise = min((fourth - squared) / observations, distance)
    shrinkage = noise / distance if noise > 0.0 else 0.0
    covariance = (1.0 - shrinkage) * sample
    for i in range(assets):
        covariance[i, i] += shrinkage * mean_variance
    return covariance, shrinkage, variances
