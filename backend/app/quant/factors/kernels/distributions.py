"""What ETFs paid out over trailing windows."""

import numpy as np

from app.quant.compiled import exactly
from app.quant.panel import BoolArray, FloatArray, IntArray


@exactly
def trailing_distributions(
    events: tuple[IntArray, IntArray, FloatArray, FloatArray],
    rows: IntArray,
    inside: BoolArray,
    ends: IntArray,
    count: int,
) -> FloatArray:
    """Per share of each end's session: what was paid on the last `count` sessions.

    `events`: where each row's events begin (and the last one's end), and by row and column their
    column, the amount paid per share of that column, and the new shares for one old. `rows` are
    the rows of the ETFs asked about. NaN before an ETF's first distribution.
    """
    starts, columns, amounts, ratios = events
    found = np.full(inside.shape, np.nan)
    for i in range(len(rows)):
        first, after = starts[rows[i]], starts[rows[i] + 1]
        paid = first
        while paid < after and not amounts[paid] > 0.0:
            paid += 1
        for t in range(len(ends)):
            if not inside[t, i] or paid == after or columns[paid] >= ends[t]:
                continue
            while first < after and columns[first] < ends[t] - count:
                first += 1
            total, event = 0.0, first
            while event < after and columns[event] < ends[t]:
                total = total / ratios[event] + amounts[event]
                event += 1
            found[t, i] = total
    return found
