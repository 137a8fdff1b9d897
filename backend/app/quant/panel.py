"""The price history that factors, optimizers and risk read: plain arrays, no input or output."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]
DateArray: TypeAlias = npt.NDArray[np.datetime64]

SESSIONS_PER_YEAR = 252
CARRY_SESSIONS = 5
"""A missing close is taken from the last known one for at most so many sessions."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Aligned daily history of a market: one row per ETF, one column per session, oldest first.

    `sessions` (datetime64[D]) holds every exchange session between its ends, without gaps, so a
    look-back of n columns is a look-back of n sessions. A missing, zero or negative close is NaN.
    `close` is the traded price, `adjusted` the close adjusted for splits and distributions (the
    same array where a source has only adjusted prices), `volume` is in shares.

    Rows are contiguous in memory: a kernel passes once over each ETF.
    """

    tickers: tuple[str, ...]
    sessions: DateArray
    close: FloatArray
    adjusted: FloatArray
    volume: FloatArray

    def __len__(self) -> int:
        return len(self.sessions)

    def until(self, session: date) -> "Panel":
        """What was known at the close of `session`, nothing later. A view, not a copy."""
        end = int(np.searchsorted(self.sessions, np.datetime64(session, "D"), side="right"))
        return self._columns(slice(None, end))

    def first(self, sessions: int) -> "Panel":
        return self._columns(slice(None, sessions))

    def columns(self, begin: int, end: int) -> "Panel":
        return self._columns(slice(begin, end))

    def last(self, sessions: int) -> "Panel":
        return self._columns(slice(max(len(self) - sessions, 0), None))

    def rows(self, indices: IntArray) -> "Panel":
        """The given ETFs only, in the given order."""
        return replace(
            self,
            tickers=tuple(self.tickers[i] for i in indices),
            close=self.close[indices],
            adjusted=self.adjusted[indices],
            volume=self.volume[indices],
        )

    def _columns(self, columns: slice) -> "Panel":
        return replace(
            self,
            sessions=self.sessions[columns],
            close=self.close[:, columns],
            adjusted=self.adjusted[:, columns],
            volume=self.volume[:, columns],
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about each ETF of a panel, aligned with its rows.

    `expense_ratio` is a yearly fraction (0.0009 = 0.09 %), NaN where unknown. An ETF of which it
    is unknown whether it is leveraged or inverse counts as neither.
    """

    expense_ratio: FloatArray
    leveraged: BoolArray
    inverse: BoolArray
    asset_class: npt.NDArray[Any]

    def rows(self, indices: IntArray) -> "Facts":
        return Facts(
            self.expense_ratio[indices],
            self.leveraged[indices],
            self.inverse[indices],
            self.asset_class[indices],
        )
