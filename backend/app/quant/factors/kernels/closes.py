"""Closes with short gaps closed, the returns between them, and closes some sessions back."""

import numpy as np

from app.quant.compiled import exactly
from app.quant.panel import BoolArray, FloatArray, IntArray


@exactly
def _carry(prices: FloatArray, closes: FloatArray, begin: int, limit: int) -> None:
    """Fill `closes`, columns `begin` on of the row `prices`, from at most `limit` sessions back."""
    unknown = closes.dtype.type(np.nan)
    last, age = unknown, limit
    for column in range(max(begin - limit, 0), begin + len(closes)):
        price = prices[column]
        if price > 0:
            last, age = price, 0
        else:
            age += 1
        if column >= begin:
            closes[column - begin] = last if age <= limit else unknown


@exactly
def carried_closes(
    prices: FloatArray, rows: IntArray, begin: int, end: int, limit: int
) -> tuple[FloatArray, FloatArray]:
    """The closes of `rows` in columns begin .. end-1, and the returns between them.

    A missing close is the last one before it, at most `limit` sessions old, else NaN. The first
    column has no return.
    """
    closes = np.empty((len(rows), end - begin), prices.dtype)
    returns = np.empty_like(closes)
    one = prices.dtype.type(1)
    unknown = prices.dtype.type(np.nan)
    for i in range(len(rows)):
        row, missing = rows[i], 0
        for column in range(begin, end):
            price = prices[row, column]
            closes[i, column - begin] = price
            missing += not price > 0
        if missing:
            _carry(prices[row], closes[i], begin, limit)
        returns[i, 0] = unknown
        for column in range(1, end - begin):
            returns[i, column] = closes[i, column] / closes[i, column - 1] - one
    return closes, returns


@exactly
def closes_at(closes: FloatArray, inside: BoolArray, ends: IntArray, ago: int) -> FloatArray:
    """The closes `ago` sessions before each newest one."""
    found = np.full(inside.shape, np.nan, closes.dtype)
    for i in range(len(closes)):
        for t in range(len(ends)):
            column = ends[t] - 1 - ago
            if inside[t, i] and column >= 0:
                found[t, i] = closes[i, column]
    return found
