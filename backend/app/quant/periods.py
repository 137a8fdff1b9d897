"""The periods a history is looked at over: 1M 3M 6M 1Y 3Y YTD ALL."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.quant.panel import DateArray


class Period(StrEnum):
    MONTH = "1M"
    QUARTER = "3M"
    HALF = "6M"
    YEAR = "1Y"
    THREE_YEARS = "3Y"
    YTD = "YTD"
    ALL = "ALL"


MONTHS = {
    Period.MONTH: 1,
    Period.QUARTER: 3,
    Period.HALF: 6,
    Period.YEAR: 12,
    Period.THREE_YEARS: 36,
}


@dataclass(frozen=True, slots=True)
class Window:
    """Values `first` to the end belong to the period; not `complete` if history began within it."""

    first: int
    complete: bool


def window(period: Period, dates: DateArray) -> Window:
    """Where a period begins in the dates of daily values, ascending and not empty.

    The first value is the last one at or before the same day of the month so many months ago (the
    last of the previous year for YTD), so that the period's first return is whole.
    """
    if period is Period.ALL:
        return Window(0, complete=True)
    anchor = _anchor(period, dates[-1])
    before = int(np.searchsorted(dates, anchor, side="right"))
    return Window(max(before - 1, 0), complete=before > 0)


def _anchor(period: Period, last: np.datetime64) -> np.datetime64:
    day = last.astype("datetime64[D]")
    if period is Period.YTD:
        return day.astype("datetime64[Y]").astype("datetime64[D]") - np.timedelta64(1, "D")
    month = day.astype("datetime64[M]")
    day_of_month = day - month.astype("datetime64[D]")
    target = month - np.timedelta64(MONTHS[period], "M")
    end_of_target = (target + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    return min(target.astype("datetime64[D]") + day_of_month, end_of_target)
