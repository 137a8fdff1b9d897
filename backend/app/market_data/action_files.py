"""Files of corporate actions: splits, dividends, changes of ticker and closures, one per row."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from app.core.errors import BadFile
from app.market_data.tables import Table, read_table
from app.models import ActionKind

ACTION_COLUMNS = {
    "ticker": pl.String(),
    "ex_date": pl.Date(),
    "kind": pl.String(),
    "value": pl.Float64(),
    "pay_date": pl.Date(),
    "new_ticker": pl.String(),
    "source": pl.String(),
}
_NEEDED = ("ticker", "ex_date", "kind")

SMALLEST_ACTION, LARGEST_ACTION = 1e-6, 1e9
_ONE_ACTION = ("ticker", "ex_date", "kind")


def read_actions(path: Path) -> pl.DataFrame:
    """`ACTION_COLUMNS` of a file; what it leaves out is null, except the source: the file's name.

    `value`: of a split new shares per old, 1 withdrawing it; of a dividend USD per share, 0
    withdrawing it; of a closure USD paid per share or null for the last price. Raises `BadFile`
    naming the first row that says too little, too much or something impossible.
    """
    optional = [name for name in ACTION_COLUMNS if name not in _NEEDED]
    table = read_table(path, _NEEDED, optional)
    kinds = table.words("kind").str.to_lowercase()
    known = kinds.is_in([str(kind) for kind in ActionKind]).fill_null(value=False)
    table.refuse("kind", ~known, f"must be one of {', '.join(ActionKind)}")
    sources = _column(table, "source", table.words)
    found = pl.DataFrame(
        [
            table.tickers().cast(pl.String),
            table.days("ex_date"),
            kinds,
            _column(table, "value", table.numbers).fill_nan(None),
            _column(table, "pay_date", table.optional_days),
            _column(table, "new_ticker", table.optional_tickers),
            sources.fill_null(path.name),
        ]
    )
    _check_values(table, found)
    _check_tickers(table, found)
    late = found["pay_date"] < found["ex_date"]
    table.refuse("pay_date", late, "is before the ex-date")
    return _each_once(path, found)


def _column(table: Table, name: str, read: Callable[[str], pl.Series]) -> pl.Series:
    if name in table.rows.columns:
        return read(name)
    return pl.Series(name, [None] * len(table.rows), ACTION_COLUMNS[name])


def _check_values(table: Table, found: pl.DataFrame) -> None:
    kinds, values = found["kind"], found["value"]
    sound = values.is_between(SMALLEST_ACTION, LARGEST_ACTION).fill_null(value=False)
    span = f"must be a number from {SMALLEST_ACTION:g} to {LARGEST_ACTION:g}"
    table.refuse("value", (kinds == ActionKind.SPLIT) & ~sound, f"{span} for a split")
    table.refuse(
        "value",
        (kinds == ActionKind.DIVIDEND) & ~(sound | (values == 0.0).fill_null(value=False)),
        f"{span} for a dividend, or 0 where none was paid",
    )
    table.refuse(
        "value",
        (kinds == ActionKind.CLOSURE) & ~values.is_between(0.0, LARGEST_ACTION),
        f"of a closure must be empty or a number from 0 to {LARGEST_ACTION:g}",
    )
    table.refuse(
        "value",
        (kinds == ActionKind.TICKER_CHANGE) & values.is_not_null(),
        "must be empty for a ticker_change",
    )


def _check_tickers(table: Table, found: pl.DataFrame) -> None:
    changes, new = found["kind"] == ActionKind.TICKER_CHANGE, found["new_ticker"]
    table.refuse("kind", changes & new.is_null(), "is ticker_change and new_ticker is empty")
    table.refuse("new_ticker", changes & (new == found["ticker"]), "is the old ticker")
    table.refuse("new_ticker", ~changes & new.is_not_null(), "is only for a ticker_change")


def _each_once(path: Path, found: pl.DataFrame) -> pl.DataFrame:
    once = found.unique(maintain_order=True)
    again = once.filter(once.select(_ONE_ACTION).is_duplicated())
    if len(again):
        ticker, day, kind = again.select(_ONE_ACTION).row(0)
        raise BadFile(
            f"{path}: {ticker} has two rows of kind {kind} on {day} that differ: write one, "
            "with the sum if both happened."
        )
    return once
