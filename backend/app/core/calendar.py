"""The sessions of the New York Stock Exchange, 1990 to 2050: days, opening and closing instants.

Past closings (mourning, storms, half days) are facts; the future follows the exchange's published
rules. Look-backs and freshness count these sessions, never days. No function reads a clock.

The schedule comes from `exchange_calendars`. Importing that costs over a second (pandas), so an
installation keeps the schedule in a file named after the library's version, and a process reads
it, or builds it, once, at the first question.
"""

import warnings
import zipfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

DateArray: TypeAlias = npt.NDArray[np.datetime64]

FIRST_DAY = date(1990, 1, 1)
LAST_DAY = date(2050, 12, 31)


class Period(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


class OutsideCalendar(ValueError):
    """A day or instant before 1990 or after 2050, where the sessions are not known."""


class NotASession(ValueError):
    """A day on which the exchange does not trade, asked for its hours."""


@dataclass(frozen=True, slots=True)
class _Schedule:
    """One entry per session, oldest first: its date (D) and UTC instants (s)."""

    sessions: DateArray
    opens: DateArray
    closes: DateArray


_kept_in: list[Path] = []


def keep_in(folder: Path) -> None:
    """Read the schedule from a file in `folder` from now on, and write it there once built."""
    _kept_in[:] = [folder / f"xnys-{version('exchange-calendars')}.npz"]


@cache
def _schedule() -> _Schedule:
    for file in _kept_in:
        if (found := _read(file)) is not None:
            return found
    built = _build()
    for file in _kept_in:
        _write(file, built)
    return built


def _build() -> _Schedule:
    # Imported here because it takes over a second, which commands without dates must not pay.
    from exchange_calendars.exchange_calendar_xnys import (  # noqa: PLC0415
        XNYSExchangeCalendar,
    )

    with warnings.catch_warnings():
        # The library reads a series in a way that pandas has deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        exchange = XNYSExchangeCalendar(start=FIRST_DAY.isoformat(), end=LAST_DAY.isoformat())

    return _Schedule(
        sessions=_frozen(exchange.sessions.to_numpy(), "datetime64[D]"),
        opens=_frozen(exchange.opens.dt.tz_convert(None).to_numpy(), "datetime64[s]"),
        closes=_frozen(exchange.closes.dt.tz_convert(None).to_numpy(), "datetime64[s]"),
    )


def _read(file: Path) -> _Schedule | None:
    """None where there is no file, or one that was cut short."""
    try:
        with file.open("rb") as opened, np.load(opened) as kept:
            return _Schedule(
                sessions=_frozen(kept["sessions"], "datetime64[D]"),
                opens=_frozen(kept["opens"], "datetime64[s]"),
                closes=_frozen(kept["closes"], "datetime64[s]"),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write(file: Path, schedule: _Schedule) -> None:
    """In one step, so that nobody reads half of it; without it the next process builds again."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile(dir=file.parent, suffix=".npz", delete=False) as draft:
            np.savez(
                draft, sessions=schedule.sessions, opens=schedule.opens, closes=schedule.closes
            )
        Path(draft.name).replace(file)
    except OSError:
        return


def _frozen(values: DateArray, unit: str) -> DateArray:
    array = values.astype(unit)
    array.flags.writeable = False
    return array


def sessions(start: date, end: date) -> DateArray:
    """Every session from `start` to `end`, both included, as a read-only datetime64[D] array.

    Raises OutsideCalendar if either end is.
    """
    known = _schedule().sessions
    return known[_count_before(start) : _count_through(end)]


def is_session(day: date) -> bool:
    """Whether the exchange trades on `day`, for a half day too."""
    return _count_through(day) > _count_before(day)


def session_open(session: date) -> datetime:
    """The instant (UTC) at which `session` opens; raises NotASession."""
    return _instant(_schedule().opens[_position(session)])


def session_close(session: date) -> datetime:
    """The instant (UTC) at which `session` closes, early on half days; raises NotASession."""
    return _instant(_schedule().closes[_position(session)])


def last_completed_session(now: datetime) -> date:
    """The newest session that has closed at `now`, an aware datetime of any zone.

    A session is complete from the instant of its close on. Naive datetimes raise ValueError.
    """
    if now.utcoffset() is None:
        raise ValueError("the time has no zone; pass an aware datetime")
    instant = np.datetime64(now.astimezone(UTC).replace(tzinfo=None), "us")
    _known_day(now.astimezone(UTC).date())
    closed = int(np.searchsorted(_schedule().closes, instant, side="right"))
    return _session_at(closed - 1)


def sessions_between(a: date, b: date) -> int:
    """How many sessions lie after `a` up to and including `b`: how far data of `a` is behind `b`.

    Neither need be a session. Negative where b precedes a.
    """
    return _count_through(b) - _count_through(a)


def next_session(day: date) -> date:
    """The first session after `day`, which need not be one."""
    return _session_at(_count_through(day))


def previous_session(day: date) -> date:
    """The last session before `day`, which need not be one."""
    return _session_at(_count_before(day) - 1)


def first_session_of_each(period: Period, among: DateArray) -> DateArray:
    """Those of the given sessions on which a week (Monday to Sunday), month or quarter begins to
    trade.

    Decided by the exchange's calendar, so a range that starts in midweek does not begin with one
    and any two ranges agree on the days they share.
    """
    known = _schedule().sessions
    months = known.astype("datetime64[M]").astype(np.int64)
    numbers = {
        Period.DAY: np.arange(len(known)),
        Period.WEEK: (known.astype(np.int64) + 3) // 7,  # day 0, 1970-01-01, was a Thursday
        Period.MONTH: months,
        Period.QUARTER: months // 3,
    }[period]
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    return among[np.isin(among, known[starts])]


def _count_before(day: date) -> int:
    return int(np.searchsorted(_schedule().sessions, _known_day(day), side="left"))


def _count_through(day: date) -> int:
    return int(np.searchsorted(_schedule().sessions, _known_day(day), side="right"))


def _position(session: date) -> int:
    if not is_session(session):
        raise NotASession(f"{session} is not a session of the exchange")
    return _count_before(session)


def _known_day(day: date) -> np.datetime64:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise OutsideCalendar(f"{day} is outside the calendar, {FIRST_DAY} to {LAST_DAY}")
    return np.datetime64(day, "D")


def _session_at(position: int) -> date:
    known = _schedule().sessions
    if not 0 <= position < len(known):
        raise OutsideCalendar(f"the calendar knows no session beyond {FIRST_DAY} to {LAST_DAY}")
    found: date = known[position].item()
    return found


def _instant(utc: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(utc.astype(np.int64)), UTC)
