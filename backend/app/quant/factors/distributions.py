"""What ETFs paid out and how their shares were split, aligned to a panel."""

from dataclasses import dataclass

import numpy as np

from app.quant.panel import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Distributions:
    """By row of a panel and then column: what happened to holders on that ex-date.

    Row i has the entries starts[i] .. starts[i + 1] - 1. `amounts` are paid per share of the
    column's session, 0 where there was only a split; `ratios` are new shares per old, 1 where there
    was none. A split divides what was paid on earlier columns, not on its own.
    """

    starts: IntArray
    columns: IntArray
    amounts: FloatArray
    ratios: FloatArray

    @classmethod
    def of(
        cls,
        rows: IntArray,
        columns: IntArray,
        amounts: FloatArray,
        ratios: FloatArray,
        *,
        etfs: int,
    ) -> "Distributions":
        """From events in any order; those of one row and column become one."""
        cells, event = np.unique(np.stack([rows, columns]), axis=1, return_inverse=True)
        event = event.reshape(-1)
        paid, split = np.zeros(cells.shape[1]), np.ones(cells.shape[1])
        np.add.at(paid, event, amounts)
        np.multiply.at(split, event, ratios)
        starts = np.searchsorted(cells[0], np.arange(etfs + 1))
        return cls(starts, cells[1].astype(np.int64), paid, split)

    @property
    def since(self) -> int | None:
        """The column of the market's first distribution, None where none is known."""
        paid = self.columns[self.amounts > 0]
        return int(paid.min()) if len(paid) else None
