"""The dated daily returns of one run, and those of many runs side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.panel import DateArray, FloatArray


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """T daily simple returns between the T + 1 values dated `dates` (datetime64[D], ascending).

    A return that is NaN (no capital at work) is not an observation.
    """

    dates: DateArray
    returns: FloatArray

    def __post_init__(self) -> None:
        if len(self.dates) != len(self.returns) + 1:
            count = len(self.returns)
            raise ValueError(f"{count} returns lie between {count + 1} dates")
        if not (self.dates[1:] > self.dates[:-1]).all():
            raise ValueError("the dates of a track record ascend")
        if np.isinf(self.returns).any():
            raise ValueError("a return is finite, or NaN where there is none")

    @property
    def sessions(self) -> DateArray:
        """The session that each return ended with."""
        return self.dates[1:]

    @property
    def days(self) -> int:
        """Calendar days from the first value to the last."""
        return int((self.dates[-1] - self.dates[0]).astype("timedelta64[D]").astype(int))

    def observed(self) -> FloatArray:
        """The returns that are known."""
        return self.returns[np.isfinite(self.returns)]


def aligned(records: Sequence[TrackRecord]) -> tuple[DateArray, FloatArray]:
    """All sessions of any record, and one row of returns per record, NaN where it has none.

    Records are matched by date and by nothing else: spans may differ, overlap in part or not at
    all, and no return is moved, shortened or made up.
    """
    calendars = {record.dates.tobytes(): record.sessions for record in records}
    if not calendars:
        return np.empty(0, "datetime64[D]"), np.empty((0, 0))
    sessions = np.unique(np.concatenate(list(calendars.values())))
    rows = np.full((len(records), len(sessions)), np.nan)
    for row, record in zip(rows, records, strict=True):
        row[np.searchsorted(sessions, record.sessions)] = record.returns
    return sessions, rows
