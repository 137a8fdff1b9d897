"""Deepest falls within trailing windows, in a constant number of steps per session.

The deepest fall of two neighbouring stretches is the smallest of the two stretches' own and the
second's lowest close over the first's highest. Rounding keeps the order of quotients, so this is
exact and the way in which a window is cut makes no difference. Windows are cut at blocks of their
own length (van Herk, 1992): the end of one block and the beginning of the next.
"""

import numpy as np

from app.quant.compiled import exactly
from app.quant.panel import BoolArray, FloatArray, IntArray


@exactly
def _ends_of_block(closes: FloatArray, highest: FloatArray, deepest: FloatArray) -> None:
    """For each column of the block: the highest close from it on, and the deepest fall.

    A fall is a close over an earlier one, 1 where there is none. Comparisons with NaN are false,
    so that a missing close changes nothing.
    """
    high, low, worst = closes.dtype.type(0), closes.dtype.type(np.inf), closes.dtype.type(1)
    for back in range(len(closes)):
        column = len(closes) - 1 - back
        close = closes[column]
        high = close if close > high else high  # noqa: FURB136
        low = close if close < low else low  # noqa: FURB136
        share = low / close
        worst = share if share < worst else worst  # noqa: FURB136
        highest[column], deepest[column] = high, worst


@exactly
def drawdowns(closes: FloatArray, inside: BoolArray, ends: IntArray, count: int) -> FloatArray:
    """Each ETF's deepest fall from a running peak over its last `count` closes, never above 0."""
    found = np.full(inside.shape, np.nan, closes.dtype)
    highest, deepest = np.empty(count, closes.dtype), np.empty(count, closes.dtype)
    zero, one = closes.dtype.type(0), closes.dtype.type(1)
    far = closes.dtype.type(np.inf)
    first = max(ends[0] - count, 0)
    for i in range(len(closes)):
        block, seen = -1, 0
        high, low, worst = zero, far, one
        for t in range(len(ends)):
            begin = ends[t] - count
            if begin < 0 or not inside[t, i]:
                continue
            offset = (begin - first) % count
            if begin - offset != block:
                block = begin - offset
                seen, high, low, worst = block + count, zero, far, one
                _ends_of_block(closes[i, block:seen], highest, deepest)
            for close in closes[i, seen : ends[t]]:
                high = close if close > high else high  # noqa: FURB136
                low = close if close < low else low  # noqa: FURB136
                share = close / high
                worst = share if share < worst else worst  # noqa: FURB136
            seen = ends[t]
            fall = deepest[offset]
            across = low / highest[offset]
            fall = across if across < fall else fall  # noqa: FURB136
            fall = worst if worst < fall else fall  # noqa: FURB136
            if highest[offset] > zero or low < far:
                found[t, i] = fall - one
    return found
