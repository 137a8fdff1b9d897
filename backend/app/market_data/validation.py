"""Which bars may be used: each refused one keeps the first rule that it breaks.

These are the checks that need no judgement; `plausibility` has two that do. A refused bar is never
valued, scored or traded on.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
import polars as pl

from app.core import calendar
from app.market_data.files import PRICES

RANGE_TOLERANCE = 1e-6
"""How far, as a fraction, a close may lie outside [low, high].

Prices stored in single precision or multiplied by an adjustment factor are off by some 1e-7. In
2.7 million real bars no close of a finished session lay between 0 and 1e-5 outside; bars fetched
before their session had settled lay 1e-5 to 3e-2 outside.
"""

SMALLEST_PRICE, HUGE_PRICE = 1e-6, 1e12
"""The book keeps prices with six decimals and twelve digits before them."""


class Reason(StrEnum):
    """Why a bar was refused, in the order in which the rules are tried."""

    NOT_A_SESSION = "not_a_session"
    FUTURE_SESSION = "future_session"
    MISSING_VALUE = "missing_value"
    NEGATIVE_PRICE = "negative_price"
    ZERO_PRICE = "zero_price"
    HUGE_PRICE = "huge_price"
    NEGATIVE_VOLUME = "negative_volume"
    HIGH_BELOW_LOW = "high_below_low"
    CLOSE_OUTSIDE_RANGE = "close_outside_range"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    SPLIT_OR_UNIT = "split_or_unit"
    FAR_RANGE = "far_range"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Reason.NOT_A_SESSION: "The exchange does not trade on this day.",
    Reason.FUTURE_SESSION: "The session had not closed when the bar arrived.",
    Reason.MISSING_VALUE: "A price or the volume is missing or not a finite number.",
    Reason.NEGATIVE_PRICE: "A price is negative.",
    Reason.ZERO_PRICE: "A price is zero or below a millionth.",
    Reason.HUGE_PRICE: "A price is a trillion or more.",
    Reason.NEGATIVE_VOLUME: "The volume is negative.",
    Reason.HIGH_BELOW_LOW: "The high is below the low.",
    Reason.CLOSE_OUTSIDE_RANGE: "The close lies outside the range from low to high.",
    Reason.DUPLICATE: "The same bar is in the file again; one copy was kept.",
    Reason.CONFLICT: "The file has several bars of this day that disagree; none was taken.",
    Reason.SPLIT_OR_UNIT: (
        "The price jumped to a simple fraction or multiple of the last good close, and no split is "
        "known of: refused until it is back or a split explains it."
    ),
    Reason.FAR_RANGE: "The low is far below open and close, or the high far above.",
}


@dataclass(frozen=True, slots=True)
class Sorted:
    """`good` rows, and the `quarantined` ones with their `reason` and `copy`.

    `copy` tells rows of one series, day and reason apart, counting from 0 in the order of the file.
    """

    good: pl.DataFrame
    quarantined: pl.DataFrame


def sort_bars(bars: pl.DataFrame, *, last_completed: date) -> Sorted:
    """Split bars (columns of `files.BAR_COLUMNS`) by the rules of `Reason`.

    `last_completed` is the newest session that has closed: later bars are refused.
    """
    prices = [pl.col(name) for name in PRICES]
    every = [*prices, pl.col("volume")]
    room = 1.0 + RANGE_TOLERANCE
    return _sort(
        bars,
        ("ticker", "date"),
        [
            *_day_rules(bars, last_completed),
            (Reason.MISSING_VALUE, ~pl.all_horizontal(_finite(each) for each in every)),
            (Reason.NEGATIVE_PRICE, pl.any_horizontal(price < 0.0 for price in prices)),
            (Reason.ZERO_PRICE, pl.any_horizontal(price < SMALLEST_PRICE for price in prices)),
            (Reason.HUGE_PRICE, pl.any_horizontal(price >= HUGE_PRICE for price in prices)),
            (Reason.NEGATIVE_VOLUME, pl.col("volume") < 0.0),
            (Reason.HIGH_BELOW_LOW, pl.col("high") < pl.col("low")),
            (
                Reason.CLOSE_OUTSIDE_RANGE,
                (pl.col("close") > pl.col("high") * room)
                | (pl.col("close") * room < pl.col("low")),
            ),
        ],
    )


def sort_index(closes: pl.DataFrame, *, last_completed: date) -> Sorted:
    """Split the closes of an index (`date`, `close`) by those rules that concern them."""
    close = pl.col("close")
    return _sort(
        closes,
        ("date",),
        [
            *_day_rules(closes, last_completed),
            (Reason.MISSING_VALUE, ~_finite(close)),
            (Reason.NEGATIVE_PRICE, close < 0.0),
            (Reason.ZERO_PRICE, close < SMALLEST_PRICE),
            (Reason.HUGE_PRICE, close >= HUGE_PRICE),
        ],
    )


def _finite(value: pl.Expr) -> pl.Expr:
    return value.is_finite().fill_null(value=False)


def _day_rules(rows: pl.DataFrame, last_completed: date) -> list[tuple[Reason, pl.Expr]]:
    days = rows["date"].unique()
    known = calendar.sessions(calendar.FIRST_DAY, calendar.LAST_DAY)
    closed_days = days.filter(~days.is_in(pl.Series(known).implode()))
    return [
        (Reason.NOT_A_SESSION, pl.col("date").is_in(closed_days.implode())),
        (Reason.FUTURE_SESSION, pl.col("date") > last_completed),
    ]


def _sort(rows: pl.DataFrame, key: tuple[str, ...], rules: list[tuple[Reason, pl.Expr]]) -> Sorted:
    is_broken = rows.select(pl.any_horizontal(broken for _, broken in rules)).to_series()
    first_broken = pl.coalesce(
        pl.when(broken).then(pl.lit(str(reason))) for reason, broken in rules
    )
    refused = [rows.filter(is_broken).with_columns(reason=first_broken)]
    good = rows.filter(~is_broken)

    repeated = _repeated(good, key)
    if repeated.any():
        kept, extra = _settle_copies(good.filter(repeated), key)
        good = pl.concat([good.filter(~repeated), kept])
        refused.append(extra)
    return Sorted(good, _numbered(pl.concat(refused), key))


def _repeated(rows: pl.DataFrame, key: tuple[str, ...]) -> pl.Series:
    """Which rows share their key with another one.

    Sorting one integer per row answers "none do" ten times faster than grouping by text.
    """
    numbers = rows["date"].to_physical().cast(pl.Int64).to_numpy()
    if "ticker" in key:
        codes = rows["ticker"].cast(pl.Categorical).to_physical().to_numpy()
        numbers = numbers + (codes.astype(np.int64) << 32)
    in_order = np.sort(numbers)
    again = in_order[1:][in_order[1:] == in_order[:-1]]
    return pl.Series(np.isin(numbers, again))


def _settle_copies(copies: pl.DataFrame, key: tuple[str, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of rows with a shared key: one each where all agree, and the rest with their reason."""
    values = [name for name in copies.columns if name not in key]
    agree = pl.all_horizontal((pl.col(v) == pl.col(v).first()).all().over(key) for v in values)
    is_first = pl.int_range(pl.len()).over(key) == 0
    marked = copies.with_columns(agree=agree, is_first=is_first)
    kept = marked.filter(pl.col("agree") & pl.col("is_first")).select(copies.columns)
    extra = marked.filter(~(pl.col("agree") & pl.col("is_first"))).select(
        *copies.columns,
        reason=pl.when("agree")
        .then(pl.lit(str(Reason.DUPLICATE)))
        .otherwise(pl.lit(str(Reason.CONFLICT))),
    )
    return kept, extra


def _numbered(refused: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    position = pl.int_range(pl.len(), dtype=pl.Int32).over(*key, "reason")
    return refused.with_columns(copy=position)
