"""What was earned after each score."""

import numpy as np
import numpy.typing as npt

from app.quant.compiled import exactly
from app.quant.panel import FloatArray, IntArray

RowArray = npt.NDArray[np.int32]


@exactly
def forward_returns(
    enter: FloatArray,
    leave: FloatArray,
    entries: tuple[IntArray, IntArray, RowArray],
    horizons: IntArray,
) -> FloatArray:
    """Returns [H, entries] from the price paid a session after columns[t] to h sessions later.

    `enter` and `leave` are [session, ETF]; `entries`: columns, starts and rows. NaN where there is
    no price to enter at, and where the horizon ends beyond the last session.
    """
    columns, starts, rows = entries
    sessions = len(enter)
    found = np.full((len(horizons), len(rows)), np.nan)
    for t in range(len(columns)):
        entry = columns[t] + 1
        for k in range(len(horizons)):
            end = entry + horizons[k]
            if end >= sessions:
                continue
            for at in range(starts[t], starts[t + 1]):
                found[k, at] = leave[end, rows[at]] / enter[entry, rows[at]] - 1.0
    return found
