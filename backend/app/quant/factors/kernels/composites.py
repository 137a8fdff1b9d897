"""One number out of several factors, and the places that it gives."""

from math import exp

import numpy as np
import numpy.typing as npt

from app.quant.compiled import exactly
from app.quant.factors.kernels.cross_sections import ascending
from app.quant.panel import BoolArray, FloatArray, IntArray

PlaceArray = npt.NDArray[np.int32]


@exactly
def integrated(
    log_ranks: FloatArray,
    weighing: tuple[IntArray, FloatArray],
    inside: BoolArray,
    rows: IntArray,
    found: FloatArray,
) -> None:
    """exp(sum of weight x log rank) into the columns `rows` of `found`.

    `weighing`: some planes of the first axis, and the weight of each.
    """
    which, weights = weighing
    for t in range(len(inside)):
        for i in range(len(rows)):
            if inside[t, i]:
                total = 0.0
                for k in range(len(which)):
                    total += weights[k] * log_ranks[which[k], t, i]
                found[t, rows[i]] = exp(total)


@exactly
def mixed(
    z: FloatArray,
    weighing: tuple[IntArray, FloatArray],
    inside: BoolArray,
    rows: IntArray,
    found: FloatArray,
) -> None:
    """Sum of weight x z, an unknown z counting 0, likewise."""
    which, weights = weighing
    for t in range(len(inside)):
        for i in range(len(rows)):
            if inside[t, i]:
                total = 0.0
                for k in range(len(which)):
                    score = z[which[k], t, i]
                    total += 0.0 if np.isnan(score) else weights[k] * score
                found[t, rows[i]] = total


@exactly
def lacking(
    z: FloatArray, which: IntArray, inside: BoolArray, rows: IntArray, found: BoolArray
) -> None:
    """Mark in the columns `rows` of `found` who is inside and lacks one of the factors `which`."""
    for t in range(len(inside)):
        for i in range(len(rows)):
            if inside[t, i]:
                for k in range(len(which)):
                    found[t, rows[i]] |= np.isnan(z[which[k], t, i])


@exactly
def places(composite: FloatArray, rows: IntArray, rank: PlaceArray) -> PlaceArray:
    """Per session the scored ones of `rows`, best first, equal ones as they come, then -1.

    Also puts each one's place, from 1, into its column of `rank`.
    """
    most = 0
    for t in range(len(composite)):
        scored = 0
        for row in rows:
            scored += not np.isnan(composite[t, row])
        most = max(most, scored)
    found = np.full((len(composite), most), -1, np.int32)
    values, scored_rows = np.empty(len(rows)), np.empty(len(rows), np.int64)
    order, counts = np.empty(len(rows), np.int64), np.empty(len(rows) + 2, np.int64)
    for t in range(len(composite)):
        known = 0
        for row in rows:
            if not np.isnan(composite[t, row]):
                values[known], scored_rows[known] = -composite[t, row], row
                known += 1
        if known == 0:
            continue
        ascending(values[:known], order[:known], counts)
        for k in range(known):
            row = scored_rows[order[k]]
            found[t, k] = row
            rank[t, row] = k + 1
    return found
