"""The files an import understands: bars, facts about ETFs, and a volatility index."""

from pathlib import Path

import polars as pl

from app.core.errors import BadFile
from app.market_data.action_files import ACTION_COLUMNS, LARGEST_ACTION, SMALLEST_ACTION
from app.market_data.tables import Table, read_table
from app.models import ActionKind

PRICES = ("open", "high", "low", "close")
BAR_COLUMNS = ("ticker", "date", *PRICES, "volume")
WORD_FACTS = ("name", "issuer", "category", "asset_class", "region")
NUMBER_FACTS = ("expense_ratio", "leverage")
FLAG_FACTS = ("is_leveraged", "is_inverse")
_TRADED_ACTION = ("ticker", "ex_date", "kind", "value")
FACTS = (*WORD_FACTS, *NUMBER_FACTS, *FLAG_FACTS, "inception_date")


def read_bars(path: Path) -> pl.DataFrame:
    """Daily bars in long format: `BAR_COLUMNS`, in the order of the file, not yet validated.

    Prices and volume are Float64 with null where a cell is empty. Raises `BadFile`.
    """
    return _bars(read_table(path, BAR_COLUMNS))


def read_traded(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bars at traded prices, and what `dividend` and `split_ratio` say: some `ACTION_COLUMNS`.

    A dividend of 0 and a ratio of 0 or 1 mean that nothing happened. Raises `BadFile`.
    """
    table = read_table(path, BAR_COLUMNS, ("dividend", "split_ratio"))
    bars = _bars(table)
    return bars, pl.concat(
        [
            _actions(table, bars, "dividend", ActionKind.DIVIDEND, nothing=(0.0,)),
            _actions(table, bars, "split_ratio", ActionKind.SPLIT, nothing=(0.0, 1.0)),
        ]
    )


def read_facts(path: Path) -> pl.DataFrame:
    """`ticker` and those of `FACTS` that the file has, one row per ticker; null is unknown.

    Raises `BadFile`, also where two rows of one ticker disagree.
    """
    table = read_table(path, ("ticker",), FACTS)
    has = table.rows.columns
    facts = pl.DataFrame(
        [
            table.tickers(),
            *(table.words(name) for name in WORD_FACTS if name in has),
            *(_statistic(table, name) for name in NUMBER_FACTS if name in has),
            *(table.flags(name) for name in FLAG_FACTS if name in has),
            *(table.optional_days(name) for name in ("inception_date",) if name in has),
        ]
    ).unique(maintain_order=True)
    again = facts.filter(facts["ticker"].is_duplicated())
    if len(again):
        raise BadFile(f"{path}: {again['ticker'][0]} has two rows that disagree; keep one.")
    return facts


def read_index(path: Path) -> pl.DataFrame:
    """The closes of an index (`date`, `close`), not yet validated; raises `BadFile`."""
    table = read_table(path, ("date", "close"))
    return pl.DataFrame([table.days("date"), table.numbers("close")])


def _bars(table: Table) -> pl.DataFrame:
    return pl.DataFrame(
        [
            table.tickers(),
            table.days("date"),
            *(table.numbers(name) for name in (*PRICES, "volume")),
        ]
    )


def _actions(
    table: Table, bars: pl.DataFrame, column: str, kind: ActionKind, *, nothing: tuple[float, ...]
) -> pl.DataFrame:
    if column not in table.rows.columns:
        return pl.DataFrame(schema={name: ACTION_COLUMNS[name] for name in _TRADED_ACTION})
    values = table.numbers(column)
    happened = values.is_not_null() & values.is_not_nan() & ~values.is_in(nothing)
    if not values.filter(happened).is_between(SMALLEST_ACTION, LARGEST_ACTION).all():
        raise table.fault(
            column, f"has a value outside {SMALLEST_ACTION:g} to {LARGEST_ACTION:g}; correct it"
        )
    return bars.filter(happened).select(
        pl.col("ticker").cast(pl.String),
        ex_date="date",
        kind=pl.lit(str(kind)),
        value=values.filter(happened),
    )


def _statistic(table: Table, name: str) -> pl.Series:
    """Finite numbers, NaN being another word for unknown; an expense ratio is not negative."""
    values = table.numbers(name).fill_nan(None)
    if values.is_infinite().any():
        raise table.fault(name, "has a number without end; leave unknown values empty")
    if name == "expense_ratio" and not (values.drop_nulls() >= 0.0).all():
        raise table.fault(name, "is negative somewhere; write a fraction such as 0.0009")
    return values
