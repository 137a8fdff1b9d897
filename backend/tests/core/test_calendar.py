"""The exchange calendar against rules and closings written down independently of its source."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import calendar

NEW_YORK = ZoneInfo("America/New_York")
YEARS = range(2000, 2027)
MONDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = 0, 3, 4, 5, 6

UNSCHEDULED_CLOSINGS = {
    *(date(2001, 9, day) for day in (11, 12, 13, 14)),
    date(2004, 6, 11),  # mourning for Reagan
    date(2007, 1, 2),  # Ford
    date(2012, 10, 29),  # hurricane Sandy
    date(2012, 10, 30),
    date(2018, 12, 5),  # G. H. W. Bush
    date(2025, 1, 9),  # Carter
}

days = st.dates(date(1991, 1, 1), date(2049, 12, 31))


def nth_weekday(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta((weekday - first.weekday()) % 7 + 7 * (n - 1))


def easter(year: int) -> date:
    """Meeus's form of the Gregorian computus."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def observed(holiday: date) -> date:
    return holiday + timedelta({SATURDAY: -1, SUNDAY: 1}.get(holiday.weekday(), 0))


def holidays(year: int) -> Iterator[date]:
    new_year = date(year, 1, 1)
    if new_year.weekday() != SATURDAY:  # the exchange does not close in the old year for it
        yield observed(new_year)
    yield nth_weekday(year, 1, MONDAY, 3)
    yield nth_weekday(year, 2, MONDAY, 3)
    yield easter(year) - timedelta(2)
    yield nth_weekday(year, 6, MONDAY, 1) - timedelta(7)
    if year >= 2022:
        yield observed(date(year, 6, 19))
    yield observed(date(year, 7, 4))
    yield nth_weekday(year, 9, MONDAY, 1)
    yield nth_weekday(year, 11, THURSDAY, 4)
    yield observed(date(year, 12, 25))


def half_days(year: int) -> Iterator[date]:
    yield nth_weekday(year, 11, THURSDAY, 4) + timedelta(1)
    if date(year, 12, 24).weekday() < FRIDAY:
        yield date(year, 12, 24)
    if year == 2003:
        yield date(2003, 12, 26)
    independence = date(year, 7, 4).weekday()
    if independence == THURSDAY and year < 2013:
        yield date(year, 7, 5)
    elif MONDAY < independence < SATURDAY:
        yield date(year, 7, 3)


def dates(array: calendar.DateArray) -> list[date]:
    return array.tolist()


def test_every_closed_weekday_of_27_years_is_a_holiday_or_a_known_closing() -> None:
    sessions = set(dates(calendar.sessions(date(2000, 1, 1), date(2026, 12, 31))))
    every = (date(2000, 1, 1) + timedelta(n) for n in range(9862))
    closed = {day for day in every if day.weekday() < SATURDAY} - sessions

    expected = UNSCHEDULED_CLOSINGS.union(*(holidays(year) for year in YEARS))
    assert (len(sessions), len(closed)) == (6790, 254)
    assert closed == expected


def test_sessions_close_at_four_and_half_days_at_one_in_new_york() -> None:
    sessions = dates(calendar.sessions(date(2000, 1, 1), date(2026, 12, 31)))
    closes = {day: calendar.session_close(day).astimezone(NEW_YORK) for day in sessions}

    early = {day for day, close in closes.items() if close.time() == time(13)}
    assert all(close.date() == day for day, close in closes.items())
    assert {closes[day].time() for day in sessions if day not in early} == {time(16)}
    assert len(early) == 60
    assert early == set().union(*(half_days(year) for year in YEARS))


def test_sessions_open_at_half_past_nine_in_new_york() -> None:
    for day in dates(calendar.sessions(date(2000, 1, 1), date(2026, 12, 31))):
        opening = calendar.session_open(day)
        assert opening.astimezone(NEW_YORK) == datetime.combine(day, time(9, 30), NEW_YORK)


def test_instants_are_in_utc() -> None:
    assert calendar.session_close(date(2025, 7, 3)) == datetime(2025, 7, 3, 17, tzinfo=UTC)
    assert calendar.session_close(date(2024, 12, 24)) == datetime(2024, 12, 24, 18, tzinfo=UTC)
    assert calendar.session_close(date(2025, 7, 2)) == datetime(2025, 7, 2, 20, tzinfo=UTC)
    assert calendar.session_close(date(2024, 12, 23)) == datetime(2024, 12, 23, 21, tzinfo=UTC)
    assert calendar.session_close(date(2024, 12, 23)).tzinfo is UTC


def test_history_begins_in_1990() -> None:
    assert calendar.next_session(date(1990, 1, 1)) == date(1990, 1, 2)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2025, 7, 3, 16, 59, 59, 999_999, tzinfo=UTC), date(2025, 7, 2)),
        (datetime(2025, 7, 3, 17, tzinfo=UTC), date(2025, 7, 3)),
        (datetime(2025, 7, 6, 12, tzinfo=UTC), date(2025, 7, 3)),
        (datetime(2025, 1, 9, 23, tzinfo=UTC), date(2025, 1, 8)),
        (datetime(2025, 1, 10, 21, tzinfo=UTC), date(2025, 1, 10)),
        (datetime(2025, 1, 11, 2, tzinfo=timezone(timedelta(hours=9))), date(2025, 1, 8)),
        (datetime(2024, 12, 23, 15, 59, tzinfo=NEW_YORK), date(2024, 12, 20)),
        (datetime(2024, 12, 23, 16, 0, tzinfo=NEW_YORK), date(2024, 12, 23)),
    ],
)
def test_a_session_is_complete_from_its_close_on(now: datetime, expected: date) -> None:
    assert calendar.last_completed_session(now) == expected


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        calendar.last_completed_session(datetime(2025, 7, 3, 17))  # noqa: DTZ001


def test_how_far_behind_counts_sessions_not_days() -> None:
    friday, monday = date(2025, 1, 3), date(2025, 1, 6)
    assert calendar.sessions_between(friday, monday) == 1
    assert calendar.sessions_between(friday, friday) == 0
    assert calendar.sessions_between(date(2025, 1, 8), date(2025, 1, 9)) == 0
    assert calendar.sessions_between(date(2025, 1, 8), date(2025, 1, 10)) == 1
    assert calendar.sessions_between(monday, friday) == -1


@given(days, days)
def test_sessions_between_is_the_length_of_the_range_after_the_first_day(a: date, b: date) -> None:
    a, b = min(a, b), max(a, b)
    listed = dates(calendar.sessions(a, b))
    assert calendar.sessions_between(a, b) == len(listed) - calendar.is_session(a)


@given(days)
def test_next_and_previous_are_the_nearest_sessions_on_each_side(day: date) -> None:
    before, after = calendar.previous_session(day), calendar.next_session(day)
    between = dates(calendar.sessions(before, after))
    assert before < day < after
    assert between == ([before, day, after] if calendar.is_session(day) else [before, after])


@given(days)
def test_the_last_completed_session_is_the_day_itself_once_it_has_closed(day: date) -> None:
    night = datetime.combine(day, time(23, 59), UTC)
    expected = day if calendar.is_session(day) else calendar.previous_session(day)
    assert calendar.last_completed_session(night) == expected


def test_an_empty_range_has_no_sessions() -> None:
    assert len(calendar.sessions(date(2025, 7, 4), date(2025, 7, 6))) == 0
    assert len(calendar.sessions(date(2025, 7, 10), date(2025, 7, 1))) == 0


def test_sessions_are_days_and_cannot_be_written_to() -> None:
    found = calendar.sessions(date(2025, 1, 1), date(2025, 2, 1))
    assert found.dtype == np.dtype("datetime64[D]")
    with pytest.raises(ValueError, match="read-only"):
        found[0] = found[1]


def test_a_week_starts_on_its_first_session_even_after_a_holiday() -> None:
    found = calendar.first_session_of_each(
        calendar.Period.WEEK, calendar.sessions(date(2025, 1, 2), date(2025, 1, 31))
    )
    assert dates(found) == [
        date(2025, 1, 6),
        date(2025, 1, 13),
        date(2025, 1, 21),
        date(2025, 1, 27),
    ]


@given(days)
def test_exactly_one_session_of_a_week_is_its_first(day: date) -> None:
    monday = day - timedelta(day.weekday())
    week = calendar.sessions(monday, monday + timedelta(6))
    assert dates(calendar.first_session_of_each(calendar.Period.WEEK, week)) == dates(week[:1])


@pytest.mark.parametrize("day", [date(2025, 1, 9), date(2025, 7, 4), date(2025, 7, 5)])
def test_a_day_without_trading_has_no_hours(day: date) -> None:
    assert not calendar.is_session(day)
    with pytest.raises(calendar.NotASession, match=day.isoformat()):
        calendar.session_close(day)


@pytest.mark.parametrize("day", [date(1989, 12, 29), date(2051, 1, 3), date.min, date.max])
def test_days_beyond_the_calendar_are_refused_not_guessed(day: date) -> None:
    with pytest.raises(calendar.OutsideCalendar, match=day.isoformat()):
        calendar.is_session(day)
    with pytest.raises(calendar.OutsideCalendar):
        calendar.sessions(date(2025, 1, 1), day)
    with pytest.raises(calendar.OutsideCalendar):
        calendar.last_completed_session(datetime.combine(day, time(12), UTC))


def test_a_kept_schedule_is_the_built_one_and_a_broken_file_is_built_again(tmp_path: Path) -> None:
    built = calendar._build()
    file = tmp_path / "schedule.npz"
    calendar._write(file, built)
    kept = calendar._read(file)
    assert kept is not None
    for name in ("sessions", "opens", "closes"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(built, name))

    file.write_bytes(file.read_bytes()[:1000])
    assert calendar._read(file) is None
    assert calendar._read(tmp_path / "absent.npz") is None
