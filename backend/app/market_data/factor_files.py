"""Files of the daily returns of published factors."""

from pathlib import Path

import polars as pl

from app.market_data.tables import read_table

RISK_FREE = "rf"
MARKET_FACTOR = "mkt_rf"
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
    percentage: no diversified factor moves by its whole value in a day.
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
    return pl.DataFrame([days, *values])
