"""The rules on traded closes and volumes, asked of every ETF on many sessions."""

import numpy as np
import numpy.typing as npt

from app.quant.compiled import exactly
from app.quant.panel import FloatArray, IntArray

CodeArray = npt.NDArray[np.int8]


@exactly
def _middle(close: FloatArray, volume: FloatArray) -> float:
    """The median value traded, where it is known; the mean of the middle two of an even number."""
    values = np.empty(len(close))
    known = 0
    for column in range(len(close)):
        value = close[column] * volume[column]
        if not np.isnan(value):
            values[known] = value
            known += 1
    values = np.sort(values[:known])
    return (values[(known - 1) // 2] + values[known // 2]) / 2.0


@exactly
def _known(close: FloatArray) -> int:
    known = 0
    for column in range(len(close)):
        known += 1 if close[column] > 0 else 0
    return known


@exactly
def _closes(
    close: FloatArray, ends: IntArray, limits: tuple[int, float, float], codes: CodeArray
) -> int:
    """The rules on the closes of one ETF. `limits`: sessions, missing ones allowed, lowest close.

    Answers with the closes missing in the last window.
    """
    count, allowed, lowest = limits
    left, right = max(ends[0] - count, 0), ends[0]
    known, sought, old = _known(close[left:right]), 0, False
    for t in range(len(ends)):
        begin = ends[t] - count
        while right < ends[t]:
            known += 1 if close[right] > 0 else 0
            right += 1
        while left < begin:
            known -= 1 if close[left] > 0 else 0
            left += 1
        newest = close[right - 1]
        if not newest > 0:
            codes[t] = 1
            continue
        if begin >= 0 and not old:
            while sought <= begin and not (close[sought] > 0 or close[begin] > 0):
                sought += 1
            old = sought <= begin
        if not old:
            codes[t] = 2
        elif count - known > allowed:
            codes[t] = 3
        elif not newest >= lowest:
            codes[t] = 4
        else:
            codes[t] = 0
    return count - known


@exactly
def _value_traded(
    close: FloatArray,
    volume: FloatArray,
    ends: IntArray,
    limits: tuple[int, float],
    codes: CodeArray,
) -> None:
    """The rule on the median value traded, by counting the sessions that reach the limit.

    More than half of them reach it or less than half: the median does or does not. Only where
    exactly half do is the median itself needed.
    """
    count, lowest = limits
    left = right = max(ends[0] - count, 0)
    known = enough = 0
    for t in range(len(ends)):
        while right < ends[t]:
            value = close[right] * volume[right]
            known += 0 if np.isnan(value) else 1
            enough += 1 if value >= lowest else 0
            right += 1
        while left < right - count:
            value = close[left] * volume[left]
            known -= 0 if np.isnan(value) else 1
            enough -= 1 if value >= lowest else 0
            left += 1
        if codes[t] == 0 and 2 * enough <= known:
            tied = 2 * enough == known > 0
            if not tied or not _middle(close[left:right], volume[left:right]) >= lowest:
                codes[t] = 5


@exactly
def traded(
    close: FloatArray,
    volume: FloatArray,
    ends: IntArray,
    closes: tuple[int, float, float],
    value: tuple[int, float],
) -> tuple[CodeArray, IntArray]:
    """The first failing rule [T, N] of each ETF on each session, and closes missing [N] in the last
    window.

    The codes are those of `universe.Exclusion`, 0 where all rules passed. Rules: a newest close; a
    close at the first of the sessions or before it; not too many missing; a close high enough; a
    median value traded high enough (`value`: sessions, limit).
    """
    found, missing = np.empty((len(ends), len(close)), np.int8), np.empty(len(close), np.int64)
    codes = np.empty(len(ends), np.int8)
    for i in range(len(close)):
        missing[i] = _closes(close[i], ends, closes, codes)
        if (codes == 0).any():
            _value_traded(close[i], volume[i], ends, value, codes)
        found[:, i] = codes
    return found, missing
