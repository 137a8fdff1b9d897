"""One number out of several factors, and the places that it gives."""

from math import exp

import numpy as np
import numpy.typing as npt

from app.quant.compiled import exactly
from app.quant.factors.kernels.cross_sections import ascending
from app.quant.panel import BoolArray, FloatArray, IntArray

RowArray = npt.NDArray[np.int32]


@exactly
def integrated(log_ranks: FloatArray, which: IntArray, weights: FloatArray) -> FloatArray:
    """exp(sum of weight x log rank) over the lines `which`."""
    found = np.empty(log_ranks.shape[1])
    for i in range(len(found)):
        total = 0.0
        for k in range(len(which)):
            total += weights[k] * log_ranks[which[k], i]
        found[i] = exp(total)
    return found


@exactly
def mixed(z: FloatArray, which: IntArray, weights: FloatArray) -> FloatArray:
    """Sum of weight x z over the lines `which`, an unknown z counting 0."""
    found = np.zeros(z.shape[1])
    for i in range(len(found)):
        for k in range(len(which)):
            score = z[which[k], i]
            found[i] += 0.0 if np.isnan(score) else weights[k] * score
    return found


@exactly
def placed(
    values: FloatArray,
    lacking: BoolArray,
    starts: IntArray,
    rows: RowArray,
    found: tuple[FloatArray, RowArray, RowArray, BoolArray],
) -> None:
    """Put into `found`, per session: each ETF's value, its place from 1 (the largest), the rows
    from best to worst, and which ETFs lack something.

    Session t has the entries starts[t] .. starts[t + 1] - 1 of `values`, `lacking` and `rows`.
    Equal values are placed as they come.
    """
    composite, rank, best, incomplete = found
    most = best.shape[1]
    order, room = np.empty(most, np.int64), np.empty(4 * most, np.int32)
    for t in range(len(best)):
        begin, count = starts[t], starts[t + 1] - starts[t]
        if count == 0:
            continue
        ascending(-values[begin : begin + count], order[:count], room)
        for place in range(count):
            at = begin + order[place]
            row = rows[at]
            best[t, place], rank[t, row] = row, place + 1
            composite[t, row], incomplete[t, row] = values[at], lacking[at]
