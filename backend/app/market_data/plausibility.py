"""Bars that break no rule and yet cannot be true beside what came before them.

*Split or unit?* An ETF opens at a simple fraction or multiple of its last close, stays there all
day, and no split is known of: either its history was not adjusted, or a unit changed. Which one is
nobody's guess. This bar is refused, and with it all that follow, until the price is back where it
was or a split explains it. Real moves do not look like this: they come within the day, or miss the
fraction. In 4.6 million real bars the rule finds one jump, and that is an error of its source.

*Far range.* The lowest price is far below both open and close, or the highest far above: such as on
2010-05-06 and 2015-08-24, when orders were filled at prices that exchanges cancelled later, or with
a mistyped price. The close of such a bar may be right; its range must set off no order.

Every bar is judged by those before it, never by one after it: what is refused at a date is what
would have been refused then.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl

from app.market_data.validation import Reason, Sorted
from app.quant.panel import BoolArray, IntArray

RATIOS = np.array([2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100], dtype=float)
RATIOS = np.concatenate([RATIOS, 1.0 / RATIOS])
NEAR_RATIO = 0.02
NEAR_OPEN = 0.10
"""How far the close may move from where a split would have left the open."""
BACK = 0.25
"""A price this near to the last good close is back at it."""
FAR = 0.25


@dataclass(frozen=True, slots=True)
class Before:
    """What is known from earlier imports, by ticker: the last good `closes` before the bars that
    arrive, and which tickers are `held` since a jump. `splits` are the tickers and days of splits
    that are known of."""

    closes: Mapping[str, float] = field(default_factory=dict)
    held: Collection[str] = frozenset()
    splits: Collection[tuple[str, date]] = frozenset()


def sift(sorted_bars: Sorted, before: Before) -> Sorted:
    """Move what cannot be true from the good bars to the refused ones."""
    if sorted_bars.good.is_empty():
        return sorted_bars
    bars = _in_order(sorted_bars.good)
    jumped = _jumped(bars, before)
    far = _far_range(bars) & ~jumped
    refused = [sorted_bars.quarantined]
    for mask, reason in ((jumped, Reason.SPLIT_OR_UNIT), (far, Reason.FAR_RANGE)):
        found = bars.filter(pl.Series(mask))
        refused.append(
            found.with_columns(
                reason=pl.lit(str(reason)), copy=pl.lit(0, sorted_bars.quarantined.schema["copy"])
            ).select(sorted_bars.quarantined.columns)
        )
    return Sorted(bars.filter(pl.Series(~(jumped | far))), pl.concat(refused))


def _in_order(bars: pl.DataFrame) -> pl.DataFrame:
    """ETF by ETF, oldest first. Files often are already, and sorting text takes seconds."""
    keys = _codes(bars) << 32
    keys += bars["date"].to_physical().cast(pl.Int64).to_numpy()
    if (np.diff(keys) > 0).all():
        return bars
    return bars[np.argsort(keys)]


def _codes(bars: pl.DataFrame) -> IntArray:
    """A number for each ticker."""
    physical = bars["ticker"].cast(pl.Categorical).to_physical()
    codes: IntArray = physical.cast(pl.Int64).to_numpy().copy()
    return codes


def _far_range(bars: pl.DataFrame) -> BoolArray:
    lower = pl.min_horizontal("open", "close") * (1.0 - FAR)
    upper = pl.max_horizontal("open", "close") / (1.0 - FAR)
    far = (pl.col("low") < lower) | (pl.col("high") > upper)
    return bars.select(far.alias("far"))["far"].to_numpy()


def _jumped(bars: pl.DataFrame, before: Before) -> BoolArray:
    found = np.zeros(len(bars), np.bool_)
    starts = np.flatnonzero(np.diff(_codes(bars), prepend=-1))
    tickers = bars["ticker"][starts].cast(pl.String).to_list()
    suspects = _suspects(bars, starts, before)
    ends = [*starts[1:].tolist(), len(bars)]
    for ticker, start, end in zip(tickers, starts.tolist(), ends, strict=True):
        if suspects[start:end].any() or ticker in before.held:
            found[start:end] = _held(bars[start:end], suspects[start:end], before, ticker)
    return found


def _suspects(bars: pl.DataFrame, starts: IntArray, before: Before) -> BoolArray:
    """Bars that open at a simple ratio of the close before and stay there; a first pass, in which
    that close may itself be one that is refused."""
    close = bars["close"].to_numpy()
    last = np.concatenate([[np.nan], close[:-1]])
    known = [before.closes.get(ticker, np.nan) for ticker in bars["ticker"][starts].cast(pl.String)]
    last[starts] = known
    opened = bars["open"].to_numpy() / last
    ratio = RATIOS[np.abs(np.log(opened[:, None] / RATIOS)).argmin(axis=1)]
    with np.errstate(invalid="ignore"):
        return (
            (np.abs(opened / ratio - 1.0) < NEAR_RATIO)
            & (np.abs(close / (last * ratio) - 1.0) < NEAR_OPEN)
            & (
                (bars["high"].to_numpy() < last * (1.0 - FAR))
                | (bars["low"].to_numpy() > last / 0.75)
            )
        )


def _held(bars: pl.DataFrame, suspects: BoolArray, before: Before, ticker: str) -> BoolArray:
    """The bars of one ETF from an unexplained jump on, until the price is back or a split explains
    it."""
    found = np.zeros(len(bars), np.bool_)
    good, held = before.closes.get(ticker, np.nan), ticker in before.held
    for place, (day, close) in enumerate(bars.select("date", "close").iter_rows()):
        explained = (ticker, day) in before.splits
        is_back = abs(close / good - 1.0) < BACK if good > 0 else True
        if explained or (held and is_back):
            held = False
        elif suspects[place] and not held:
            held = True
        found[place] = held
        if not held:
            good = close
    return found
