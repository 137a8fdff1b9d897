"""Parts of daily returns that add up to the return of a whole period.

A day's return is the sum of its parts; returns of days multiply. Carino, "Combining attribution
effects over time" (1999), bridges the two with factors that come from logarithms. Of a return:
k_t = ln(1 + r_t) / r_t and K = ln(1 + R) / R. Of the difference to a benchmark:
k_t = (ln(1 + r_t) - ln(1 + b_t)) / (r_t - b_t), and K alike from both totals. The parts of day t
scaled by k_t / K add up over all days to R, or to R - B, exactly.
"""

import numpy as np

from app.quant.errors import QuantError
from app.quant.panel import FloatArray

NEARLY_EQUAL = 1e-9
"""Returns closer than this have the factor of equal ones: their difference is mostly rounding."""


def link(parts: FloatArray, returns: FloatArray, benchmark: FloatArray | None = None) -> FloatArray:
    """Linked sums of T x P daily parts, which add up to `returns`, or to what they are more than
    the `benchmark`'s: P numbers that add up to the period's return, or its difference to theirs."""
    other = np.zeros_like(returns) if benchmark is None else benchmark
    if not ((returns > -1.0).all() and (other > -1.0).all()):
        raise QuantError("a day without a return, or that loses everything, cannot be linked")
    mine, theirs = np.log1p(returns), np.log1p(other)
    daily = _factors(returns, other)
    total = _factors(*(np.atleast_1d(np.expm1(logs.sum())) for logs in (mine, theirs)))[0]
    linked: FloatArray = (daily @ parts) / float(total)
    return linked


def total_return(returns: FloatArray) -> float:
    return float(np.expm1(np.log1p(returns).sum()))


def _factors(returns: FloatArray, other: FloatArray) -> FloatArray:
    """(ln(1 + r) - ln(1 + b)) / (r - b), which is 1 / (1 + r) where both are equal."""
    apart = returns - other
    close = np.abs(apart) < NEARLY_EQUAL
    ratio = apart / (1.0 + other)
    logs = np.log1p(ratio) / np.where(close, 1.0, apart)
    # ln(1 + x) / x = 1 - x / 2 + ..., with x = (r - b) / (1 + b).
    series = (1.0 - ratio / 2.0) / (1.0 + other)
    return np.where(close, series, logs)
