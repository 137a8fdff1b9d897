"""Where each period begins in a series of sessions."""

import numpy as np
import pytest

from app.quant.panel import DateArray
from app.quant.periods import Period, window


def weekdays(first: str, last: str) -> DateArray:
    days = np.arange(first, np.datetime64(last) + 1, dtype="datetime64[D]")
    return days[np.is_busday(days)]


@pytest.mark.parametrize(
    ("period", "first"),
    [
        (Period.MONTH, "2025-05-30"),
        (Period.QUARTER, "2025-03-28"),
        (Period.HALF, "2024-12-30"),
        (Period.YEAR, "2024-06-28"),
        (Period.THREE_YEARS, "2022-06-30"),
        (Period.YTD, "2024-12-31"),
        (Period.ALL, "2020-01-01"),
    ],
)
def test_a_period_starts_with_the_last_value_before_it(period: Period, first: str) -> None:
    dates = weekdays("2020-01-01", "2025-06-30")
    found = window(period, dates)
    assert dates[found.first] == np.datetime64(first)
    assert found.complete


def test_a_month_before_the_31st_of_march_is_the_end_of_february() -> None:
    dates = np.arange("2025-01-01", "2025-04-01", dtype="datetime64[D]")
    assert dates[window(Period.MONTH, dates).first] == np.datetime64("2025-02-28")


def test_a_history_shorter_than_the_period_is_used_whole_and_marked() -> None:
    found = window(Period.YEAR, weekdays("2025-01-02", "2025-06-30"))
    assert (found.first, found.complete) == (0, False)
