"""Several factors at once: sums for regressions, and sorts by two."""

import numpy as np

from app.quant.compiled import exactly
from app.quant.panel import FloatArray, IntArray
from app.quant.research.kernels.sorting import divide, means, sort, split


@exactly
def session_moments(
    z: FloatArray, returns: FloatArray, starts: IntArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Sums over the entries of a session that have every factor (a line of `z` each) and a return.

    With x = (1, z) and y the return: of x x' [T, K + 1, K + 1], of x y [T, K + 1], and how many
    there are [T].
    """
    lines, sessions = len(z) + 1, len(starts) - 1
    squares, products = np.zeros((sessions, lines, lines)), np.zeros((sessions, lines))
    counts, x = np.zeros(sessions, np.int64), np.ones(lines)
    for t in range(sessions):
        for at in range(starts[t], starts[t + 1]):
            whole = not np.isnan(returns[at])
            for line in range(1, lines):
                x[line] = z[line - 1, at]
                whole = whole and not np.isnan(x[line])
            if not whole:
                continue
            counts[t] += 1
            for i in range(lines):
                products[t, i] += x[i] * returns[at]
                for j in range(i + 1):
                    squares[t, i, j] += x[i] * x[j]
        for i in range(lines):
            for j in range(i):
                squares[t, j, i] = squares[t, i, j]
    return squares, products, counts


@exactly
def doubly_sorted(
    scores: FloatArray,
    other: FloatArray,
    returns: FloatArray,
    arranged: tuple[IntArray, IntArray],
    asked: tuple[int, int],
) -> FloatArray:
    """Mean returns [H, T, G, G] of entries sorted by another factor into G quantiles, and within
    each by score.

    `arranged`: where sessions start, and the entries of each by score; `asked`: G, and the fewest
    entries with the other factor.
    """
    starts, ordered = arranged
    many, fewest = asked
    sessions = len(starts) - 1
    found = np.full((len(returns), sessions, many * many), np.nan)
    most = np.diff(starts).max() if sessions else 0
    room = np.empty(most), np.empty(most, np.int64), np.empty(4 * most + 1, np.int32)
    entries, known = np.empty(most, np.int64), np.empty(most, np.int64)
    inside, bounds = np.empty(most, np.int64), np.zeros(many + 1, np.int64)
    codes, cells = np.full(len(scores), -1, np.int8), np.full(len(scores), -1, np.int8)
    outer = np.zeros(len(scores), np.int64)
    for t in range(sessions):
        count = 0
        for at in ordered[starts[t] : starts[t + 1]]:
            known[count] = entries[count] = at
            count += not np.isnan(other[at])
        if count < fewest:
            continue
        sort(other, entries[:count], room)
        divide(other, entries[:count], many, codes)
        for at in entries[:count]:
            outer[at] = codes[at]
        split(known[:count], outer, bounds, inside)
        for group in range(many):
            members = inside[bounds[group] : bounds[group + 1]]
            divide(scores, members, many, codes)
            for at in members:
                cells[at] = group * many + codes[at]
        for k in range(len(returns)):
            valued = 0
            for at in known[:count]:
                entries[valued] = at
                valued += not np.isnan(returns[k, at])
            if valued >= fewest:
                means(returns[k], entries[:valued], cells, found[k, t])
    return found.reshape((len(returns), sessions, many, many))
