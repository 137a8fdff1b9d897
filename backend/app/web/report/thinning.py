"""Fewer points where nobody could tell them apart."""

from collections.abc import Sequence
from datetime import date

LONG = 600
"""Sessions above which stacked figures show one a week: ten curves of thousands fill megabytes."""


def last_of_weeks(days: Sequence[date]) -> list[int]:
    """The places of the last day of each week; all of them in a short history."""
    if len(days) <= LONG:
        return list(range(len(days)))
    weeks = [day.isocalendar()[:2] for day in days]
    return [
        place
        for place, week in enumerate(weeks)
        if place + 1 == len(weeks) or weeks[place + 1] != week
    ]
