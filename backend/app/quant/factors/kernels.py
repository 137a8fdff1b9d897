"""Compiled passes over price histories: one ETF's row after the other, one date at a time.

Importing this module imports numba, so only `history` and `universe` do it, when first called.

Sums run in double precision; every result is rounded to the precision of the prices, as numpy and
pandas do. Mean and variance take two passes over the window and no running sums, so a date scored
alone and the same date scored in a sweep are equal to the last bit.

`end` is the column after the newest one that may be read. A close that is not above zero (NaN,
zero, negative) is missing.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from app.quant.panel import FloatArray, IntArray

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

MIN_COVERAGE = 0.8
"""The share of a window's returns below which its mean and deviation are unknown."""


def _compiled(function: Kernel) -> Kernel:
    """Compile without the GIL, keeping the machine code on disk where some folder allows it.

    Several terms of a sum may be added at a time; NaN and infinity keep their meaning, and a
    division by zero gives one of them.
    """
    options = {"nogil": True, "fastmath": {"reassoc", "nsz"}, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # neither the source folder nor the user's cache folder is writable
        return njit(**options)(function)


@_compiled
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


@_compiled
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


@_compiled
def moments(
    returns: FloatArray, rows: IntArray, end: int, count: int
) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation (n - 1) of each row's last `count` returns, NaN where unknown."""
    mean = np.full(len(rows), np.nan, returns.dtype)
    deviation = np.full(len(rows), np.nan, returns.dtype)
    if end < count:
        return mean, deviation
    for i in range(len(rows)):
        row, total, known = rows[i], 0.0, 0.0
        for column in range(end - count, end):
            value = returns[row, column]
            total += 0.0 if np.isnan(value) else value
            known += 0.0 if np.isnan(value) else 1.0
        if known < max(2.0, MIN_COVERAGE * count):
            continue
        centre, squares = total / known, 0.0
        for column in range(end - count, end):
            apart = returns[row, column] - centre
            squares += 0.0 if np.isnan(apart) else apart * apart
        mean[i] = centre
        deviation[i] = np.sqrt(returns.dtype.type(squares / (known - 1.0)))
    return mean, deviation


@_compiled
def drawdowns(closes: FloatArray, rows: IntArray, end: int, count: int) -> FloatArray:
    """Each row's deepest fall from a running peak over the last `count` closes, never above 0."""
    worst = np.full(len(rows), np.nan, closes.dtype)
    if end < count:
        return worst
    one = closes.dtype.type(1)
    for i in range(len(rows)):
        peak, lowest = closes.dtype.type(0), one
        for close in closes[rows[i], end - count : end]:
            # Comparisons with NaN are false, so that a missing close changes nothing.
            peak = close if close > peak else peak  # noqa: FURB136
            share = close / peak
            lowest = share if share < lowest else lowest  # noqa: FURB136
        if peak > 0:
            worst[i] = lowest - one
    return worst


@_compiled
def gaps(prices: FloatArray, end: int, count: int) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """How many of each row's last `count` closes are missing, and whether it is as old as that.

    A row is old enough if it has a close at the first of those sessions or before it.
    """
    missing = np.full(len(prices), count)
    listed = np.zeros(len(prices), np.bool_)
    begin = end - count
    for i in range(len(prices)):
        known = 0
        for price in prices[i, max(begin, 0) : end]:
            known += price > 0
        missing[i] = count - known
        # Backwards: an ETF with a history has a close near the column, so most rows end at once.
        for column in range(begin, -1, -1):
            if prices[i, column] > 0:
                listed[i] = True
                break
    return missing, listed
