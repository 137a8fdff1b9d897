"""Mean and deviation of trailing windows."""

import numpy as np

from app.quant.compiled import exactly, reordering
from app.quant.panel import BoolArray, FloatArray, IntArray

MIN_COVERAGE = 0.8
"""The share of a window's returns below which its mean and deviation are unknown."""


FOURS = 4
"""Loops over a multiple of four and then over the rest are compiled to several times faster code
than loops over all."""


@reordering
def _moments_of_all(values: FloatArray) -> tuple[float, float, float]:
    """Mean, sum of squared distances from it, and count, where nothing is NaN."""
    count = len(values)
    most, total, squares = count // FOURS * FOURS, 0.0, 0.0
    for k in range(most):
        total += values[k]
    for k in range(most, count):
        total += values[k]
    centre = total / count
    for k in range(most):
        squares += (values[k] - centre) ** 2
    for k in range(most, count):
        squares += (values[k] - centre) ** 2
    return centre, squares, float(count)


@reordering
def _moments_of_known(values: FloatArray) -> tuple[float, float, float]:
    """The same of the values that are not NaN."""
    total, known, squares = 0.0, 0.0, 0.0
    for value in values:
        total += 0.0 if np.isnan(value) else value
        known += 0.0 if np.isnan(value) else 1.0
    centre = total / known
    for value in values:
        apart = value - centre
        squares += 0.0 if np.isnan(apart) else apart * apart
    return centre, squares, known


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
            if gap < begin:
                centre, squares, known = _moments_of_all(window)
            else:
                centre, squares, known = _moments_of_known(window)
            if known < enough:
                continue
            mean[t, i] = centre
            deviation[t, i] = np.sqrt(returns.dtype.type(squares / (known - 1.0)))
    return mean, deviation
