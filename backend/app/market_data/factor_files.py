"""Files of the daily returns of published factors."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from app.core import calendar
from app.market_data.tables import Table, read_table

RISK_FREE = "rf"
MARKET_FACTOR = "mkt_rf"
SATURDAY = 6
NO_MORE_SATURDAYS = date(1952, 9, 29)
"""From then on the exchange trades on five days a week."""
PUBLISHED = {
    MARKET_FACTOR: "the market over the risk-free rate",
    "smb": "small less big",
    "hml": "high less low book to market",
    "rmw": "robust less weak profitability",
    "cma": "conservative less aggressive investment",
    "mom": "up less down: momentum",
    "qmj": "quality minus junk",
    "bab": "betting against beta",
}
"""The factors that can be imported, each a daily long-short return, beside the risk-free rate."""


def read_factors(path: Path) -> pl.DataFrame:
    """`date`, `rf`, `mkt_rf` and those others of `PUBLISHED` that the file has, one row per date.

    Float64 fractions, null where a cell is empty. Raises `BadFile`, also where a value looks like a
    percentage (no diversified factor moves by its whole value in a day), or is of a day on which
    the exchange was closed: its sessions are known from 1990 on, its weekends before that too.
    """
    needed = ("date", RISK_FREE, MARKET_FACTOR)
    table = read_table(path, needed, PUBLISHED)
    names = [name for name in (RISK_FREE, *PUBLISHED) if name in table.rows.columns]
    days = table.days("date")
    table.refuse("date", days.is_duplicated(), "names a day twice: keep one row of each")
    values = []
    for name in names:
        column = table.numbers(name).fill_nan(None)
        table.refuse(name, column.abs() >= 1.0, "has a return of 100 % or more: write 0.01 for 1 %")
        values.append(column)
    rows = pl.DataFrame([days, *values])
    _refuse_closed(table, rows.with_columns(known=_any_known(names)))
    return rows


def _any_known(names: Sequence[str]) -> pl.Expr:
    return pl.any_horizontal(pl.col(name).is_not_null() for name in names)


def _refuse_closed(table: Table, rows: pl.DataFrame) -> None:
    """Raise `BadFile` for returns of a day without a session, as far as sessions are known."""
    days = rows["date"]
    saturday = days.dt.weekday() == SATURDAY
    closed = (days.dt.weekday() > SATURDAY) | (saturday & (days >= NO_MORE_SATURDAYS))
    inside = days.is_between(calendar.FIRST_DAY, calendar.LAST_DAY)
    sessions = pl.Series(calendar.sessions(calendar.FIRST_DAY, calendar.LAST_DAY)).cast(pl.Date)
    wrong = rows["known"] & (closed | (inside & ~days.is_in(sessions.implode())))
    places = wrong.arg_true()
    if len(places):
        day: date = days[places[0]]
        weekend = f", a {day:%A}" * (day.isoweekday() >= SATURDAY)
        table.refuse("date", wrong, f"has {day}{weekend}, when New York's exchange was closed")
