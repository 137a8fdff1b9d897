"""What past crises would have done to what is held today.

The weights are bought at the close before a crisis and held to its end; cash stays as it is. An
ETF without prices throughout is replaced by a proxy: of the older ETFs of its asset class the one
whose daily returns correlate best with its own over all sessions that both have. The proxy's
returns are multiplied by the slope of the ETF's on them. Where the best correlation is below
`LEAST_CORRELATION`, or no two have `LEAST_OVERLAP` common returns, the ETF's part is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from app.quant.measured import Measured, Missing
from app.quant.panel import BoolArray, FloatArray

LEAST_CORRELATION = 0.8
LEAST_OVERLAP = 252


@dataclass(frozen=True, slots=True)
class Crisis:
    """From the close of `start` to the close of `end`."""

    name: str
    start: date
    end: date
    what: str


CRISES = (
    Crisis("2008", date(2007, 10, 9), date(2009, 3, 9), "financial crisis, peak to trough"),
    Crisis("2010-05-06", date(2010, 5, 5), date(2010, 5, 6), "flash crash, one session"),
    Crisis("2011", date(2011, 7, 22), date(2011, 10, 3), "euro crisis and US downgrade"),
    Crisis("2015", date(2015, 8, 17), date(2015, 8, 25), "China's devaluation"),
    Crisis("2018 Q4", date(2018, 9, 20), date(2018, 12, 24), "tightening"),
    Crisis("2020", date(2020, 2, 19), date(2020, 3, 23), "pandemic"),
    Crisis("2022", date(2022, 1, 3), date(2022, 10, 12), "inflation and rising rates"),
)
"""Closes of the S&P 500 at its high and low of each, but for the one session of 2010."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Correlation with each older ETF of the class over the `overlap` common returns, and the
    slope on it; NaN where nothing can be said. `rows` are theirs in the panel."""

    rows: tuple[int, ...]
    correlation: FloatArray
    overlap: FloatArray
    slope: FloatArray

    def best(self, alive: BoolArray) -> "Proxy | Missing":
        """The best of those that `alive` marks among all rows of the panel."""
        usable = alive[list(self.rows)] & np.isfinite(self.correlation)
        if not usable.any():
            return Missing("no older ETF of its asset class has prices of the time")
        places = np.flatnonzero(usable)
        place = int(places[self.correlation[places].argmax()])
        correlation, overlap = float(self.correlation[place]), int(self.overlap[place])
        if correlation < LEAST_CORRELATION:
            return Missing(
                f"the best proxy of its asset class correlates {correlation:.2f}; "
                f"{LEAST_CORRELATION:.2f} is needed"
            )
        return Proxy(self.rows[place], correlation, overlap, float(self.slope[place]))


@dataclass(frozen=True, slots=True)
class Proxy:
    row: int
    correlation: float
    overlap: int
    slope: float


@dataclass(frozen=True, slots=True)
class Replay:
    """Returns over the crisis; `drawdown` and `worst_day` are of the daily path."""

    total: Measured
    drawdown: Measured
    worst_day: Measured
    positions: tuple[Measured, ...]


def candidates(own: FloatArray, others: FloatArray, rows: Sequence[int]) -> Candidates:
    """Compare T returns with C x T others, NaN where unknown, pairwise over common sessions."""
    here = np.isfinite(own)
    mine = own[here]
    theirs = others[:, here]
    known = np.isfinite(theirs)
    filled = np.where(known, theirs, 0.0)
    overlap = known.sum(axis=1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = filled.sum(axis=1) / overlap
        my_mean = known @ mine / overlap
        variance = (filled * filled).sum(axis=1) / overlap - mean * mean
        my_variance = known @ (mine * mine) / overlap - my_mean * my_mean
        covariance = filled @ mine / overlap - mean * my_mean
        correlation = covariance / np.sqrt(variance * my_variance)
        slope = covariance / variance
    few = (overlap < LEAST_OVERLAP) | (variance <= 0.0) | (my_variance <= 0.0)
    return Candidates(tuple(rows), np.where(few, np.nan, correlation), overlap, slope)


def replay(weights: FloatArray, returns: Sequence[FloatArray | Missing]) -> Replay:
    """Hold N weights through the T daily returns of each position, or of its proxy."""
    grown = [each if isinstance(each, Missing) else (1.0 + each).cumprod() for each in returns]
    positions = tuple(
        each if isinstance(each, Missing) else float(each[-1]) - 1.0 for each in grown
    )
    if not len(weights):
        return _unknown(Missing("nothing is held"), positions)
    paths = [each for each in grown if not isinstance(each, Missing)]
    if len(paths) < len(grown):
        absent = sum(w for w, each in zip(weights, grown, strict=True) if isinstance(each, Missing))
        count = len(grown) - len(paths)
        named = "a position" if count == 1 else f"{count} positions"
        why = f"neither prices nor a proxy of {named} with {absent:.1%} of the portfolio"
        return _unknown(Missing(why), positions)
    wealth = np.concatenate(([1.0], 1.0 + weights @ (np.array(paths) - 1.0)))
    fall = float((wealth / np.maximum.accumulate(wealth) - 1.0).min())
    daily = wealth[1:] / wealth[:-1] - 1.0
    return Replay(float(wealth[-1]) - 1.0, fall, float(daily.min()), positions)


def _unknown(why: Missing, positions: tuple[Measured, ...]) -> Replay:
    return Replay(why, why, why, positions)
