"""What a factor may read: the past of the scored ETFs up to one session, and facts about them."""

from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np

from app.quant.panel import FloatArray, IntArray, Panel

CARRY_LIMIT = 5
"""For how many sessions a missing close is the last one before it."""


@cache
def kernels() -> ModuleType:
    """The compiled functions. Importing numba takes half a second, so only scoring pays for it."""
    from app.quant.factors import kernels as compiled  # noqa: PLC0415

    return compiled


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """Daily returns that ETFs are meant to follow.

    `returns` has one row per benchmark and one column per session of the panel; `assigned` gives
    each ETF of the panel its row, or -1 where it has none.
    """

    returns: FloatArray
    assigned: IntArray


@dataclass(frozen=True, slots=True)
class History:
    """Adjusted closes of some ETFs with short gaps closed, and the returns between them.

    `closes` and `returns` have one row per entry of `members` (rows of the panel, ascending) and
    one column per session from column `begin` of the panel on.
    """

    begin: int
    members: IntArray
    closes: FloatArray
    returns: FloatArray

    @classmethod
    def of(cls, panel: Panel, members: IntArray, *, begin: int, end: int) -> "History":
        """Columns begin .. end-1 of the panel; older ones only fill a gap at the beginning."""
        closes, returns = kernels().carried_closes(panel.adjusted, members, begin, end, CARRY_LIMIT)
        return cls(begin, members, closes, returns)


@dataclass(frozen=True, slots=True)
class Window:
    """The ETFs of one cross-section as known at one session.

    `rows` are rows of `history`; column `end` of it and everything after lies in the future and is
    read by no method. Answers have one entry per ETF, NaN where the history is too short.
    """

    history: History
    rows: IntArray
    end: int
    expense_ratio: FloatArray
    benchmarks: Benchmarks | None = None

    def closes_ago(self, sessions: int) -> FloatArray:
        """The closes `sessions` before the newest."""
        column = self.end - 1 - sessions
        if column < 0:
            return np.full(len(self.rows), np.nan)
        return self.history.closes[self.rows, column]

    def moments(self, count: int) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation (n - 1) of the last `count` daily returns."""
        mean, deviation = kernels().moments(self.history.returns, self.rows, self.end, count)
        return mean, deviation

    def drawdowns(self, count: int) -> FloatArray:
        """The deepest fall from a running peak over the last `count` closes, as a fraction <= 0."""
        worst: FloatArray = kernels().drawdowns(self.history.closes, self.rows, self.end, count)
        return worst

    def tracking_errors(self, count: int) -> FloatArray:
        """Standard deviation (n - 1) of the last `count` returns in excess of the benchmark's.

        NaN for an ETF without one.
        """
        if self.benchmarks is None or self.end < count:
            return np.full(len(self.rows), np.nan)
        history, last = self.history, slice(self.end - count, self.end)
        columns = slice(history.begin + last.start, history.begin + last.stop)
        assigned = self.benchmarks.assigned[history.members[self.rows]]
        followed = self.benchmarks.returns[assigned, columns]
        apart = history.returns[self.rows, last] - followed
        apart[assigned < 0] = np.nan
        deviation: FloatArray = kernels().moments(apart, np.arange(len(apart)), count, count)[1]
        return deviation
