"""The risk of holding the current weights, measured over their ETFs' recent daily returns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.measured import Measured, Missing
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray
from app.quant.statistics import (
    TAIL_95,
    TAIL_99,
    beta,
    expected_shortfall,
    value_at_risk,
    volatility,
)

LOOKBACK = 252
FEWEST = 63


@dataclass(frozen=True, slots=True)
class Contribution:
    """One position's part in the portfolio's volatility.

    `marginal` is the change of volatility per unit of weight, `component` = weight * marginal (the
    components add up to the volatility), `share` = component / volatility.
    """

    ticker: str
    weight: float
    marginal: float
    component: float
    share: float


@dataclass(frozen=True, slots=True)
class Concentration:
    """Herfindahl-Hirschman index of the invested part, and the equal positions it is worth."""

    hhi: Measured
    effective_number: Measured


@dataclass(frozen=True, slots=True)
class Risk:
    """Yearly volatility, daily historical VaR and CVaR (negative: losses) and where they come from.

    `observations` is the number of sessions on which every position had a return.
    """

    observations: int
    volatility: Measured
    beta: Measured
    var_95: Measured
    var_99: Measured
    cvar_95: Measured
    cvar_99: Measured
    concentration: Concentration
    contributions: tuple[Contribution, ...] | Missing


def assess(
    tickers: Sequence[str],
    weights: FloatArray,
    returns: FloatArray,
    *,
    benchmark: FloatArray | None = None,
    lookback: int = LOOKBACK,
) -> Risk:
    """Risk of N weights (fractions of the portfolio; the rest is cash, without risk).

    `returns` is N x T, one row per position, NaN where unknown; the last `lookback` columns are
    read. Only sessions on which every position has a return count, and at least 63 are needed.
    """
    recent = returns[:, -lookback:]
    common = np.isfinite(recent).all(axis=0)
    count = int(np.count_nonzero(common))
    concentration = concentration_of(weights)
    if not weights.any():
        return _unmeasured(count, Missing("nothing is held"), concentration)
    if count < FEWEST:
        return _unmeasured(count, _too_few(tickers, recent, count), concentration)
    observed = recent[:, common]
    daily = weights @ observed
    ordered = np.sort(daily)
    return Risk(
        observations=count,
        volatility=volatility(daily),
        beta=_beta(daily, None if benchmark is None else benchmark[-lookback:][common]),
        var_95=value_at_risk(ordered, TAIL_95),
        var_99=value_at_risk(ordered, TAIL_99),
        cvar_95=expected_shortfall(ordered, TAIL_95),
        cvar_99=expected_shortfall(ordered, TAIL_99),
        concentration=concentration,
        contributions=contributions(tickers, weights, observed),
    )


def concentration_of(weights: FloatArray) -> Concentration:
    """Of the invested part alone: twenty equal positions count as twenty however much is cash."""
    invested = float(weights.sum())
    if invested <= 0.0:
        nothing = Missing("nothing is held")
        return Concentration(nothing, nothing)
    hhi = float(weights @ weights) / invested**2
    return Concentration(hhi, 1.0 / hhi)


def contributions(
    tickers: Sequence[str], weights: FloatArray, returns: FloatArray
) -> tuple[Contribution, ...] | Missing:
    """Euler's split of volatility: w_i cov(r_i, r_p) / sigma_p, yearly, from N x T returns."""
    daily = weights @ returns
    total = volatility(daily)
    if total == 0.0:
        return Missing("the portfolio's value did not vary")
    centred = daily - daily.mean()
    covariances = returns @ centred / (len(daily) - 1) * SESSIONS_PER_YEAR
    return tuple(
        Contribution(ticker, float(w), float(m), float(w * m), float(w * m / total))
        for ticker, w, m in zip(tickers, weights, covariances / total, strict=True)
    )


def _beta(daily: FloatArray, benchmark: FloatArray | None) -> Measured:
    if benchmark is None:
        return Missing("no benchmark was given")
    known = np.isfinite(benchmark)
    if np.count_nonzero(known) < FEWEST:
        return Missing(f"fewer than {FEWEST} sessions with a benchmark return")
    return beta(daily[known], benchmark[known])


def _too_few(tickers: Sequence[str], returns: FloatArray, count: int) -> Missing:
    known = np.isfinite(returns).sum(axis=1)
    fewest = int(known.argmin())
    return Missing(
        f"only {count} sessions on which every position has a return, {FEWEST} are needed; "
        f"{tickers[fewest]} has {known[fewest]}"
    )


def _unmeasured(count: int, why: Missing, concentration: Concentration) -> Risk:
    return Risk(count, why, why, why, why, why, why, concentration, why)
