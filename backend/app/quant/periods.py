"""The periods a history is looked at over: 1M 3M 6M 1Y 3Y YTD ALL, or from a day to a day."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np

from app.quant.errors import EmptyPeriod
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
    """Values `first` to before `end` belong to the period; not `complete` if history began within
    it."""

    first: int
    end: int
    complete: bool


def window(period: Period, dates: DateArray) -> Window:
    """Where a period begins in the dates of daily values, ascending and not empty.

    The first value is the last one at or before the same day of the month so many months ago (the
    last of the previous year for YTD), so that the period's first return is whole.
    """
    if period is Period.ALL:
        return Window(0, len(dates), complete=True)
    return _from(_anchor(period, dates[-1]), dates)


def between(
    dates: DateArray, *, start: date | None, end: date | None, period: Period = Period.ALL
) -> Window:
    """The values from the last at or before `start` to the last at or before `end`.

    Without `start` the period counts back from the end. Raises EmptyPeriod where no return lies
    in between.
    """
    stop = len(dates) if end is None else _up_to(np.datetime64(end, "D"), dates)
    seen = dates[:stop]
    if not len(seen):
        raise EmptyPeriod(f"There are no values on or before {end}: they begin on {dates[0]}.")
    found = window(period, seen) if start is None else _from(np.datetime64(start, "D"), seen)
    if start is not None and found.first == stop - 1:
        raise EmptyPeriod(f"No session with a value lies between {start} and {seen[-1]}.")
    return found


def _from(day: np.datetime64, dates: DateArray) -> Window:
    before = _up_to(day, dates)
    return Window(max(before - 1, 0), len(dates), complete=before > 0)


def _up_to(day: np.datetime64, dates: DateArray) -> int:
    return int(np.searchsorted(dates, day, side="right"))


def _anchor(period: Period, last: np.datetime64) -> np.datetime64:
    day = last.astype("datetime64[D]")
    if period is Period.YTD:
        return day.astype("datetime64[Y]").astype("datetime64[D]") - np.timedelta64(1, "D")
    month = day.astype("datetime64[M]")
    day_of_month = day - month.astype("datetime64[D]")
    target = month - np.timedelta64(MONTHS[period], "M")
    end_of_target = (target + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    return min(target.astype("datetime64[D]") + day_of_month, end_of_target)
