"""Clipping, standardising and ranking of the ETFs of one session, session after session."""

from math import log
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.quant.compiled import exactly, reordering
from app.quant.panel import BoolArray, FloatArray, IntArray

Groups: TypeAlias = tuple[IntArray, IntArray]
"""The columns in the order of their groups, and where each group begins and the last one ends: an
ETF is compared with its group alone."""

RoomArray: TypeAlias = npt.NDArray[np.int32]

FEW = 64
"""So many values at an end are kept in order while looking; for more all values are sorted."""

ROUNDING = 1e-12
"""Values closer together than this, relative to their size, differ by rounding only."""


@exactly
def _smallest(values: FloatArray, found: FloatArray) -> None:
    """The smallest values in order, as many as `found` has room for."""
    room, held = len(found), 0
    for value in values:
        if held == room:
            if not value < found[room - 1]:
                continue
            held -= 1
        place = held
        while place > 0 and found[place - 1] > value:
            found[place] = found[place - 1]
            place -= 1
        found[place] = value
        held += 1


@exactly
def percentile(values: FloatArray, percentile: float, found: FloatArray) -> float:
    """Of the values, interpolated linearly between the two nearest in order; none is NaN."""
    position = (len(values) - 1) * percentile / 100.0
    below = int(position)
    above = min(below + 1, len(values) - 1)
    from_top = len(values) - below
    if above < FEW:
        _smallest(values, found[: above + 1])
        low, high = found[below], found[above]
    elif from_top <= FEW:
        _smallest(-values, found[:from_top])
        low, high = -found[from_top - 1], -found[len(values) - 1 - above]
    else:
        ordered = np.sort(values)
        low, high = ordered[below], ordered[above]
    return low + (position - below) * (high - low)


@reordering
def _standardise(values: FloatArray) -> bool:
    """(x - mean) / std with n - 1, in place; False, and nothing done, where all are equal."""
    total = 0.0
    low, high = values[0], values[0]
    for value in values:
        total += value
        low = min(value, low)
        high = max(value, high)
    if high - low <= ROUNDING * max(abs(low), abs(high)):
        return False
    mean, squares = total / len(values), 0.0
    for value in values:
        squares += (value - mean) * (value - mean)
    deviation = np.sqrt(squares / (len(values) - 1))
    for k in range(len(values)):
        values[k] = (values[k] - mean) / deviation
    return True


@exactly
def _gather(
    row: FloatArray, inside: BoolArray, members: IntArray, values: FloatArray, places: IntArray
) -> int:
    """Known values of the members inside, and their columns; how many."""
    known = 0
    for column in members:
        values[known], places[known] = row[column], column
        known += inside[column] and not np.isnan(row[column])
    return known


@exactly
def standardised(
    rows: FloatArray, inside: BoolArray, groups: Groups, clip: tuple[float, float]
) -> FloatArray:
    """z-scores of values clipped at two percentiles; not clipped at 0 and 100."""
    members, starts = groups
    found = np.full(rows.shape, np.nan)
    buffer, places = np.empty(len(members) + 1), np.empty(len(members) + 1, np.int64)
    few = np.empty(FEW)
    low_at, high_at = clip
    for t in range(len(rows)):
        for group in range(len(starts) - 1):
            part = members[starts[group] : starts[group + 1]]
            known = _gather(rows[t], inside[t], part, buffer, places)
            if known < 2:
                continue
            values = buffer[:known]
            if low_at > 0.0 or high_at < 100.0:
                low, high = percentile(values, low_at, few), percentile(values, high_at, few)
                for k in range(known):
                    values[k] = min(max(values[k], low), high)
            if _standardise(values):
                for k in range(known):
                    found[t, places[k]] = values[k]
    return found


@exactly
def ascending(values: FloatArray, order: IntArray, room: RoomArray) -> None:
    """Fill `order` with the places of the values, smallest first, equal ones as they come.

    Values are dealt into twice as many buckets of equal width, and neighbours then brought into
    order (a bucket sort): a few steps per value for any shape met in practice. Values so bunched
    that it takes many are sorted by merging; the order is the same. `room` is for 4 integers per
    value.
    """
    count = len(values)
    buckets, counts = room[:count], room[count : 3 * count + 1]
    low, high = values[0], values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    scale = (2 * count - 1) / (high - low)
    if not (scale > 0.0 and scale < np.inf):
        order[:] = np.argsort(values, kind="mergesort")
        return
    counts[:] = 0
    for place in range(count):
        bucket = np.int32((values[place] - low) * scale)
        buckets[place] = bucket
        counts[bucket + 1] += 1
    for k in range(1, 2 * count):
        counts[k] += counts[k - 1]
    for place in range(count):
        bucket = buckets[place]
        order[counts[bucket]] = place
        counts[bucket] += 1
    if not _neighbours(values, order):
        order[:] = np.argsort(values, kind="mergesort")


@exactly
def _neighbours(values: FloatArray, order: IntArray) -> bool:
    """Bring into order what is nearly in it; False where that takes many steps."""
    moves, most = 0, 8 * len(values)
    for k in range(1, len(values)):
        place = order[k]
        value, at = values[place], k
        while at > 0 and values[order[at - 1]] > value:
            order[at] = order[at - 1]
            at -= 1
        order[at] = place
        moves += k - at
        if moves > most:
            return False
    return True


@exactly
def _log_ranks(values: FloatArray, order: IntArray, room: RoomArray, logs: FloatArray) -> None:
    """In place: log(rank / count), 1 = highest; equal values share their average rank.

    `logs` are those of 1 / count, 2 / count and so on.
    """
    ascending(values, order, room)
    count, first = len(values), 0
    while first < count:
        value, after = values[order[first]], first + 1
        while after < count and values[order[after]] == value:
            after += 1
        if after - first == 1:
            values[order[first]] = logs[first]
        else:
            shared = log((first + (after - first + 1) / 2.0) / count)
            for k in range(first, after):
                values[order[k]] = shared
        first = after


@exactly
def log_ranks(z: FloatArray, starts: IntArray, groups: IntArray, unknown: float) -> FloatArray:
    """Logarithms of percentile ranks in each line, that of `unknown` where there is no value.

    The ETFs of session t are the entries starts[t] .. starts[t + 1] - 1; `groups` numbers the group
    of each.
    """
    found = np.full(z.shape, log(unknown))
    most = np.diff(starts).max() if len(starts) > 1 else 0
    values, places = np.empty(most + 1), np.empty(most + 1, np.int64)
    order, room, logs = np.empty(most, np.int64), np.empty(4 * most, np.int32), np.empty(most)
    last, listed = groups.max() if len(groups) else -1, 0
    for t in range(len(starts) - 1):
        for group in range(last + 1):
            for line in range(len(z)):
                known = 0
                for at in range(starts[t], starts[t + 1]):
                    values[known], places[known] = z[line, at], at
                    known += groups[at] == group and not np.isnan(z[line, at])
                if known == 0:
                    continue
                if known != listed:
                    for k in range(known):
                        logs[k] = log((k + 1.0) / known)
                    listed = known
                _log_ranks(values[:known], order[:known], room, logs)
                for k in range(known):
                    found[line, places[k]] = values[k]
    return found
