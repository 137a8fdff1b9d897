"""Whose risk it is: parts of volatility and of expected shortfall that add up to the whole.

Euler's split of functions homogeneous in the weights (Tasche, "Risk contributions and performance
measurement", 1999): of volatility w_i cov(r_i, r_p) / sigma_p, of expected shortfall the mean
of w_i r_i over the days that make the portfolio's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.measured import Missing
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray, IntArray
from app.quant.statistics import TAIL_95, TAIL_99, volatility


@dataclass(frozen=True, slots=True)
class TailPart:
    """One position's part in the historical CVaR: `marginal` per unit of weight, and in all."""

    marginal: float
    component: float


@dataclass(frozen=True, slots=True)
class Contribution:
    """One position's part in the portfolio's risk.

    `marginal` is the change of volatility per unit of weight, `component` = weight * marginal (the
    components add up to the volatility), `share` = component / volatility.
    """

    ticker: str
    weight: float
    marginal: float
    component: float
    share: float
    cvar_95: TailPart
    cvar_99: TailPart


def contributions(
    tickers: Sequence[str], weights: FloatArray, returns: FloatArray
) -> tuple[Contribution, ...] | Missing:
    """The parts of N weights, yearly for volatility, from N x T returns; cash has none."""
    daily = weights @ returns
    total = volatility(daily)
    if total == 0.0:
        return Missing("the portfolio's value did not vary")
    centred = daily - daily.mean()
    covariances = returns @ centred / (len(daily) - 1) * SESSIONS_PER_YEAR
    in_95, in_99 = (returns[:, worst(daily, tail)].mean(axis=1) for tail in (TAIL_95, TAIL_99))
    return tuple(
        Contribution(
            ticker=ticker,
            weight=float(weight),
            marginal=float(marginal),
            component=float(weight * marginal),
            share=float(weight * marginal / total),
            cvar_95=TailPart(float(at_95), float(weight * at_95)),
            cvar_99=TailPart(float(at_99), float(weight * at_99)),
        )
        for ticker, weight, marginal, at_95, at_99 in zip(
            tickers, weights, covariances / total, in_95, in_99, strict=True
        )
    )


def worst(daily: FloatArray, tail: float) -> IntArray:
    """The days whose mean is `statistics.expected_shortfall`."""
    return np.argsort(daily, kind="stable")[: int((len(daily) - 1) * tail) + 1]
