"""From traded closes to closes adjusted for splits and distributions.

Back-adjustment by the CRSP multipliers: a price before an ex-date is multiplied by 1 / ratio for
a split (ratio = new shares per old share) and by 1 - dividend / previous close for a dividend.
Ratios of adjusted closes are then total returns, dividends being reinvested at the previous close
less the dividend.
"""

from dataclasses import dataclass

import numpy as np

from app.quant.panel import BoolArray, DateArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Actions:
    """Splits and dividends, one entry per event, in any order.

    `rows`: the ETF's row in the arrays of prices. `ex_dates`: datetime64[D]. `values`: where
    `is_split`, new shares per old share; elsewhere USD per share, of the shares of the ex-date.
    """

    rows: IntArray
    ex_dates: DateArray
    is_split: BoolArray
    values: FloatArray

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, mask: BoolArray) -> "Actions":
        return Actions(self.rows[mask], self.ex_dates[mask], self.is_split[mask], self.values[mask])


def adjustment_factors(sessions: DateArray, close: FloatArray, actions: Actions) -> FloatArray:
    """Factors of the shape of `close` (one row per ETF); adjusted close = close * factor.

    An ex-date that is no session counts from the next session. Events after the last session
    change nothing: they are not known yet. A dividend's previous close is the newest one before
    the ex-date that is not missing; without one there is nothing to adjust. Where no factor
    makes sense (a ratio that is not positive and finite, a dividend negative or not below the
    previous close) the factors before the ex-date are NaN.
    """
    columns = np.searchsorted(sessions, actions.ex_dates, side="left").astype(np.int64)
    acts = (columns > 0) & (columns < len(sessions))
    actions, columns = actions.where(acts), columns[acts]

    splits, paid = actions.is_split, ~actions.is_split
    split_steps = np.ones_like(close)
    usable = (actions.values > 0.0) & np.isfinite(actions.values)
    ratios = np.where(usable, actions.values, np.nan)
    np.multiply.at(split_steps, (actions.rows[splits], columns[splits]), 1.0 / ratios[splits])
    split_factors = _product_of_later_steps(split_steps)
    if not paid.any():
        return split_factors

    dividends = actions.where(paid)
    dividend_steps = _dividend_steps(close, split_factors, dividends, columns[paid])
    return split_factors * _product_of_later_steps(dividend_steps)


def _product_of_later_steps(steps: FloatArray) -> FloatArray:
    """At column t the product of the steps of all columns after t."""
    factors = np.ones_like(steps)
    factors[:, :-1] = np.cumprod(steps[:, :0:-1], axis=1)[:, ::-1]
    return factors


def _dividend_steps(
    close: FloatArray, split_factors: FloatArray, dividends: Actions, columns: IntArray
) -> FloatArray:
    """1 - dividend / previous close in the cell of each ex-date, 1 elsewhere.

    Both are brought to the newest shares first, so a split since the previous close, or on the
    ex-date itself, does no harm. Dividends of one date add up.
    """
    rows, previous = dividends.rows, _previous_known(close, dividends.rows, columns)
    has_previous = previous >= 0
    rows, columns, previous = rows[has_previous], columns[has_previous], previous[has_previous]
    amount = dividends.values[has_previous] * split_factors[rows, columns]
    share = amount / (close[rows, previous] * split_factors[rows, previous])

    steps = np.ones_like(close)
    np.subtract.at(steps, (rows, columns), np.where(share >= 0.0, share, np.nan))
    cells = steps[rows, columns]
    steps[rows, columns] = np.where(cells > 0.0, cells, np.nan)
    return steps


def _previous_known(close: FloatArray, rows: IntArray, columns: IntArray) -> IntArray:
    """The newest column before each given one whose close is known, -1 where there is none."""
    previous = columns - 1
    missing = np.flatnonzero(np.isnan(close[rows, previous]))
    while len(missing):
        previous[missing] -= 1
        missing = missing[previous[missing] >= 0]
        missing = missing[np.isnan(close[rows[missing], previous[missing]])]
    return previous
