"""Mean and deviation of trailing windows.

Each window is read once, as distances from its first known value. No value of n is further from
their mean than sqrt(n) deviations (Samuelson, 1968), so the variance loses at most the digits of n
to cancellation, and nothing carries over from one window to the next.
"""

import numpy as np

from app.quant.compiled import exactly, reordering
from app.quant.panel import BoolArray, FloatArray, IntArray

MIN_COVERAGE = 0.8
"""The share of a window's returns below which its mean and deviation are unknown."""


FOURS = 4
"""Loops over a multiple of four and then over the rest are compiled to several times faster code
than loops over all."""


@reordering
def _sums_of_all(values: FloatArray, from_here: float) -> tuple[float, float, float]:
    """Sum and sum of squares of the distances from a value, and count, where nothing is NaN."""
    count = len(values)
    most, total, squares = count // FOURS * FOURS, 0.0, 0.0
    for k in range(most):
        apart = values[k] - from_here
        total += apart
        squares += apart * apart
    for k in range(most, count):
        apart = values[k] - from_here
        total += apart
        squares += apart * apart
    return total, squares, float(count)


@reordering
def _sums_of_known(values: FloatArray, from_here: float) -> tuple[float, float, float]:
    """The same of the values that are not NaN."""
    total, squares, known = 0.0, 0.0, 0.0
    for value in values:
        apart = value - from_here
        total += 0.0 if np.isnan(apart) else apart
        squares += 0.0 if np.isnan(apart) else apart * apart
        known += 0.0 if np.isnan(apart) else 1.0
    return total, squares, known


@exactly
def _first_known(values: FloatArray) -> float:
    for value in values:
        if not np.isnan(value):
            return np.float64(value)
    return np.nan


@exactly
def moments(
    returns: FloatArray, inside: BoolArray, ends: IntArray, count: int
) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation (n - 1) of each ETF's last `count` returns at each end."""
    mean = np.full(inside.shape, np.nan, returns.dtype)
    deviation = np.full(inside.shape, np.nan, returns.dtype)
    enough = max(2.0, MIN_COVERAGE * count)
    for i in range(len(returns)):
        seen, gap = max(ends[0] - count, 0), -1
        for t in range(len(ends)):
            begin = ends[t] - count
            if begin < 0 or not inside[t, i]:
                continue
            for column in range(max(seen, begin), ends[t]):
                if np.isnan(returns[i, column]):
                    gap = column
            seen = ends[t]
            window = returns[i, begin : ends[t]]
            near = _first_known(window)
            if gap < begin:
                total, squares, known = _sums_of_all(window, near)
            else:
                total, squares, known = _sums_of_known(window, near)
            if known < enough:
                continue
            mean[t, i] = near + total / known
            variance = max(squares - total * total / known, 0.0) / (known - 1.0)
            deviation[t, i] = np.sqrt(returns.dtype.type(variance))
    return mean, deviation
