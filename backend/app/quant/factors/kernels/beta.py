"""How ETFs move with the market."""

from math import log

import numpy as np

from app.quant.compiled import exactly, reordering
from app.quant.panel import BoolArray, FloatArray, IntArray


@exactly
def market_returns(prices: FloatArray, counted: BoolArray, begin: int, end: int) -> FloatArray:
    """Mean return of the counted ETFs from the session before, columns begin .. end-1.

    An ETF counts on a session if it has a close there and on the session before.
    """
    total, known = np.zeros(end - begin), np.zeros(end - begin)
    for i in range(len(prices)):
        if not counted[i]:
            continue
        for column in range(max(begin, 1), end):
            now, before = prices[i, column], prices[i, column - 1]
            if now > 0 and before > 0:
                total[column - begin] += now / before - 1.0
                known[column - begin] += 1.0
    return total / known


@exactly
def log_moves(closes: FloatArray, span: int) -> FloatArray:
    """Log returns over `span` sessions ending at each column, NaN in the first columns."""
    found = np.full(closes.shape, np.nan)
    for i in range(len(closes)):
        for column in range(span, closes.shape[1]):
            found[i, column] = log(closes[i, column] / closes[i, column - span])
    return found


@exactly
def log_sums(returns: FloatArray, span: int) -> FloatArray:
    """Sums of the last `span` log returns at each column, NaN in the first columns."""
    found = np.full(len(returns), np.nan)
    for column in range(span - 1, len(returns)):
        total = 0.0
        for past in range(column - span + 1, column + 1):
            total += log(1.0 + returns[past])
        found[column] = total
    return found


@reordering
def _correlation(one: FloatArray, other: FloatArray, least: float) -> float:
    """Over the places where both are known; NaN where those are fewer than `least`."""
    known, one_total, other_total = 0.0, 0.0, 0.0
    for k in range(len(one)):
        both = not np.isnan(one[k] + other[k])
        known += 1.0 if both else 0.0
        one_total += one[k] if both else 0.0
        other_total += other[k] if both else 0.0
    if known < least:
        return np.nan
    one_mean, other_mean = one_total / known, other_total / known
    one_squares, other_squares, products = 0.0, 0.0, 0.0
    for k in range(len(one)):
        both = not np.isnan(one[k] + other[k])
        a = one[k] - one_mean if both else 0.0
        b = other[k] - other_mean if both else 0.0
        one_squares += a * a
        other_squares += b * b
        products += a * b
    return products / np.sqrt(one_squares * other_squares)


@exactly
def correlations(
    moves: FloatArray,
    market: FloatArray,
    inside: BoolArray,
    ends: IntArray,
    window: tuple[int, int],
) -> FloatArray:
    """Of each ETF's row with the market's, over `window` = (columns, known ones needed)."""
    found = np.full(inside.shape, np.nan)
    count, least = window
    for i in range(len(moves)):
        for t in range(len(ends)):
            if inside[t, i]:
                columns = slice(max(ends[t] - count, 0), ends[t])
                found[t, i] = _correlation(moves[i, columns], market[columns], float(least))
    return found
