"""Which positions made a period's return, with parts that add up to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.attribution.linking import link, total_return
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

    `contributions` is T x N, what each position earned over the capital at work; `costs` are the
    day's trading costs over that capital, positive; `returns` the portfolio's T time-weighted
    returns. All are fractions, as in `BookOverTime`.
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
