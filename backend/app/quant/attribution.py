"""Which positions made a period's return, with parts that add up to it.

A day's return is the sum of its parts; returns of days multiply. Carino's factors (1999) bridge the
two: with k_t = ln(1 + r_t) / r_t and K = ln(1 + R) / R, the parts of day t scaled by k_t / K
add up over all days to R exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.errors import QuantError
from app.quant.panel import FloatArray


@dataclass(frozen=True, slots=True)
class PositionContribution:
    ticker: str
    contribution: float


@dataclass(frozen=True, slots=True)
class PositionAttribution:
    """Contributions to `total`, the period's return, that add up to it.

    `cash` is what neither positions nor costs explain: interest, rounding, and whatever the caller
    counted to no position. A dividend is its position's profit, so that its ex-date is no loss.
    """

    positions: tuple[PositionContribution, ...]
    cash: float
    costs: float
    total: float


def by_position(
    tickers: Sequence[str],
    contributions: FloatArray,
    *,
    costs: FloatArray,
    returns: FloatArray,
) -> PositionAttribution:
    """Split the return of T days by N positions.

    `contributions` is T x N, each day's weight at the start times return, or profit over the day's
    starting capital (`contributions_of`); `costs` are the day's trading costs over that capital,
    positive; `returns` the portfolio's T time-weighted returns. All are fractions.
    """
    cash = returns - contributions.sum(axis=1) + costs
    linked = link(np.column_stack((contributions, cash, -costs)), returns)
    named = zip(tickers, linked[:-2], strict=True)
    return PositionAttribution(
        positions=tuple(PositionContribution(ticker, float(part)) for ticker, part in named),
        cash=float(linked[-2]),
        costs=float(linked[-1]),
        total=total_return(returns),
    )


def contributions_of(profits: FloatArray, capital: FloatArray) -> FloatArray:
    """Daily contributions from money: T x N profits over the capital at each day's start.

    A profit is the position's change in value less what was bought, plus what was sold, both at
    reference prices, plus what it paid out: what trading at worse prices cost belongs to costs. No
    capital, no return.
    """
    if (capital <= 0.0).any():
        raise QuantError("a day that starts without capital has no return to attribute")
    return profits / capital[:, np.newaxis]


def link(parts: FloatArray, returns: FloatArray) -> FloatArray:
    """Carino-linked sums of T x P daily parts: P numbers that add up to the period's return."""
    if not (returns > -1.0).all():
        raise QuantError("a day without a return, or that loses everything, cannot be linked")
    logs = np.log1p(returns)
    return (_per_log(returns, logs) @ parts) / float(
        _per_log(np.atleast_1d(np.expm1(logs.sum())), np.atleast_1d(logs.sum()))[0]
    )


def total_return(returns: FloatArray) -> float:
    return float(np.expm1(np.log1p(returns).sum()))


def _per_log(returns: FloatArray, logs: FloatArray) -> FloatArray:
    """ln(1 + r) / r, which is 1 at r = 0."""
    flat = returns == 0.0
    return np.where(flat, 1.0, logs / np.where(flat, 1.0, returns))
