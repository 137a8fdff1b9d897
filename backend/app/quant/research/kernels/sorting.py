"""Ranks, quantiles, and what came after each."""

import numpy as np
import numpy.typing as npt

from app.quant.compiled import exactly
from app.quant.factors.kernels.cross_sections import ascending
from app.quant.panel import FloatArray, IntArray

CodeArray = npt.NDArray[np.int8]
RowArray = npt.NDArray[np.int32]


@exactly
def sort(
    values: FloatArray, entries: IntArray, room: tuple[FloatArray, IntArray, RowArray]
) -> None:
    """Bring entries into the order of their values, equal ones as they come. `room` is for as many
    values, as many places and four times as many buckets."""
    copy, order, buckets = room
    count = len(entries)
    if count == 0:
        return
    for k in range(count):
        copy[k] = values[entries[k]]
    ascending(copy[:count], order[:count], buckets)
    for k in range(count):
        order[k] = entries[order[k]]
    entries[:] = order[:count]


@exactly
def split(entries: IntArray, groups: IntArray, bounds: IntArray, found: IntArray) -> None:
    """Put the entries of one group after those of another, each in the order in which they come;
    group g is then found[bounds[g]] .. found[bounds[g + 1] - 1]."""
    bounds[:] = 0
    for at in entries:
        bounds[groups[at] + 1] += 1
    for group in range(1, len(bounds)):
        bounds[group] += bounds[group - 1]
    for at in entries:
        group = groups[at]
        found[bounds[group]] = at
        bounds[group] += 1
    for group in range(len(bounds) - 1, 0, -1):
        bounds[group] = bounds[group - 1]
    bounds[0] = 0


@exactly
def rank(values: FloatArray, ordered: IntArray, ranks: FloatArray) -> None:
    """The ranks of entries that are in order, among themselves."""
    first, count = 0, len(ordered)
    while first < count:
        value, after = values[ordered[first]], first + 1
        while after < count and values[ordered[after]] == value:
            after += 1
        for k in range(first, after):
            ranks[ordered[k]] = (first + after + 1) / 2.0
        first = after


@exactly
def divide(values: FloatArray, ordered: IntArray, quantiles: int, codes: CodeArray) -> None:
    """The quantile of each of at least two entries that are in order: the lowest whose upper edge,
    interpolated linearly between the two nearest values, it does not exceed. Equal values are in
    one quantile."""
    first, count = 0, len(ordered)
    while first < count:
        value, after = values[ordered[first]], first + 1
        while after < count and values[ordered[after]] == value:
            after += 1
        place = 0
        if first > 0:
            place = (first * quantiles + count - 2) // (count - 1) - 1
        for k in range(first, after):
            codes[ordered[k]] = place
        first = after


@exactly
def means(values: FloatArray, entries: IntArray, codes: CodeArray, found: FloatArray) -> None:
    """The mean value by code, 0 .. len(found) - 1; NaN for one without any."""
    count = np.zeros(len(found))
    found[:] = 0.0
    for at in entries:
        if codes[at] >= 0:
            found[codes[at]] += values[at]
            count[codes[at]] += 1.0
    for place in range(len(found)):
        found[place] = found[place] / count[place] if count[place] > 0.0 else np.nan


@exactly
def _correlation(first: FloatArray, second: FloatArray, entries: IntArray) -> float:
    """Of two sets of ranks of all the entries: their mean is known."""
    middle = (len(entries) + 1) / 2.0
    both, one, other = 0.0, 0.0, 0.0
    for at in entries:
        x, y = first[at] - middle, second[at] - middle
        both += x * y
        one += x * x
        other += y * y
    return both / np.sqrt(one * other) if one > 0.0 and other > 0.0 else np.nan


@exactly
def ranked(
    scores: FloatArray, starts: IntArray, groups: IntArray, asked: tuple[int, int, int]
) -> tuple[IntArray, IntArray, FloatArray, CodeArray]:
    """`asked`: how many groups, how many quantiles, and the fewest ETFs of a group that is divided.

    Answers with the entries of each session by group and then by score, how many there are [G, T],
    and the rank and the quantile of each in its group.
    """
    many, quantiles, fewest = asked
    sessions = len(starts) - 1
    most = np.diff(starts).max() if sessions else 0
    ordered, counts = np.empty(len(scores), np.int64), np.zeros((many, sessions), np.int64)
    ranks, codes = np.empty(len(scores)), np.full(len(scores), -1, np.int8)
    room = np.empty(most), np.empty(most, np.int64), np.empty(4 * most + 1, np.int32)
    entries, bounds = np.empty(most, np.int64), np.zeros(many + 1, np.int64)
    for t in range(sessions):
        begin, end = starts[t], starts[t + 1]
        for at in range(begin, end):
            entries[at - begin] = at
        sort(scores, entries[: end - begin], room)
        split(entries[: end - begin], groups, bounds, ordered[begin:end])
        for group in range(many):
            members = ordered[begin + bounds[group] : begin + bounds[group + 1]]
            counts[group, t] = len(members)
            rank(scores, members, ranks)
            if len(members) >= fewest:
                divide(scores, members, quantiles, codes)
    return ordered, counts, ranks, codes


@exactly
def by_return(returns: FloatArray, starts: IntArray) -> tuple[IntArray, IntArray]:
    """The entries of each session that have a return, in order of it, and how many: those of
    session t are order[starts[t]] .. order[starts[t] + counts[t] - 1]."""
    sessions = len(starts) - 1
    order, counts = np.empty(len(returns), np.int64), np.zeros(sessions, np.int64)
    most = np.diff(starts).max() if sessions else 0
    room = np.empty(most), np.empty(most, np.int64), np.empty(4 * most + 1, np.int32)
    for t in range(sessions):
        begin, count = starts[t], 0
        for at in range(begin, starts[t + 1]):
            order[begin + count] = at
            count += not np.isnan(returns[at])
        sort(returns, order[begin : begin + count], room)
        counts[t] = count
    return order, counts


@exactly
def compared(
    scores: FloatArray,
    returns: FloatArray,
    returned: tuple[IntArray, IntArray],
    arranged: tuple[IntArray, IntArray, IntArray, CodeArray],
    asked: tuple[int, int, int],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scores against the returns of one horizon, in each group of each session.

    `returned`: what `by_return` answers; `arranged`: where sessions start, the group of each entry,
    and what `ranked` answers as order and quantiles; `asked` as there. Answers with the rank
    correlation of score and return [G, T], over the entries that have a return, their mean return
    [G, T], and that of each quantile [G, T, Q]. NaN where fewer than the fewest have one.
    """
    starts, groups, ordered, codes = arranged
    many, quantiles, fewest = asked
    sessions = len(starts) - 1
    ics, everyone = np.full((many, sessions), np.nan), np.full((many, sessions), np.nan)
    each = np.full((many, sessions, quantiles), np.nan)
    most = np.diff(starts).max() if sessions else 0
    by_score, by_value = np.empty(most, np.int64), np.empty(most, np.int64)
    bounds = np.zeros(many + 1, np.int64)
    ours, theirs = np.empty(len(scores)), np.empty(len(scores))
    for t in range(sessions):
        count = returned[1][t]
        split(returned[0][starts[t] : starts[t] + count], groups, bounds, by_value)
        count = 0
        for at in ordered[starts[t] : starts[t + 1]]:
            if not np.isnan(returns[at]):
                by_score[count] = at
                count += 1
        for group in range(many):
            begin, end = bounds[group], bounds[group + 1]
            if end - begin < fewest:
                continue
            members = by_score[begin:end]
            rank(scores, members, ours)
            rank(returns, by_value[begin:end], theirs)
            ics[group, t] = _correlation(ours, theirs, members)
            everyone[group, t] = returns[members].mean()
            means(returns, members, codes, each[group, t])
    return ics, everyone, each
