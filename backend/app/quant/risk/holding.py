"""The risk of holding the current weights, measured over their ETFs' recent daily returns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.evidence.comparison import automatic_lag, long_run_variance
from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray
from app.quant.risk.concentration import Concentration, concentration_of, with_bets
from app.quant.risk.contributions import Contribution, contributions
from app.quant.risk.volatilities import Estimate
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
NO_BENCHMARK = Missing("no benchmark was given")


@dataclass(frozen=True, slots=True)
class Risk:
    """Yearly volatility, daily historical VaR and CVaR (negative: losses) and where they come from.

    `observations` is the number of sessions on which every position had a return.
    """

    observations: int
    volatility: Measured
    beta: Measured
    beta_error: Measured
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
    benchmark: FloatArray | Missing = NO_BENCHMARK,
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
        return _unmeasured(count, too_few(tickers, recent, count), concentration)
    observed = recent[:, common]
    daily = weights @ observed
    known = benchmark if isinstance(benchmark, Missing) else benchmark[-lookback:][common]
    slope = beta_of(daily, known)
    ordered = np.sort(daily)
    return Risk(
        observations=count,
        volatility=volatility(daily),
        beta=slope.value,
        beta_error=slope.error,
        var_95=value_at_risk(ordered, TAIL_95),
        var_99=value_at_risk(ordered, TAIL_99),
        cvar_95=expected_shortfall(ordered, TAIL_95),
        cvar_99=expected_shortfall(ordered, TAIL_99),
        concentration=with_bets(concentration, weights, observed),
        contributions=contributions(tickers, weights, observed),
    )


def beta_of(daily: FloatArray, benchmark: FloatArray | Missing) -> Estimate:
    """Of known daily returns, with its standard error; NaN where the benchmark had none."""
    if isinstance(benchmark, Missing):
        return Estimate.missing(benchmark)
    known = np.isfinite(benchmark)
    if np.count_nonzero(known) < FEWEST:
        return Estimate.missing(Missing(f"fewer than {FEWEST} sessions with a benchmark return"))
    mine, market = daily[known], benchmark[known]
    slope = beta(mine, market)
    return Estimate(slope, _error(mine, market, slope))


def _error(daily: FloatArray, benchmark: FloatArray, slope: Measured) -> Measured:
    """Heteroskedasticity- and autocorrelation-consistent: Newey and West (1987, lag of 1994)."""
    if isinstance(slope, Missing):
        return slope
    centred = benchmark - benchmark.mean()
    scores = centred * (daily - daily.mean() - slope * centred)
    count = len(scores)
    spread = long_run_variance(scores, automatic_lag(scores)) * count * count / (count - 2)
    return math.sqrt(spread) / float(centred @ centred)


def too_few(tickers: Sequence[str], returns: FloatArray, count: int) -> Missing:
    """Why N x T returns with `count` common sessions are no basis, and whose returns are behind."""
    known = np.isfinite(returns).sum(axis=1)
    fewest = int(known.argmin())
    return Missing(
        f"only {count} sessions on which every position has a return, {FEWEST} are needed; "
        f"{tickers[fewest]} has {known[fewest]}"
    )


def _unmeasured(count: int, why: Missing, concentration: Concentration) -> Risk:
    return Risk(
        observations=count,
        volatility=why,
        beta=why,
        beta_error=why,
        var_95=why,
        var_99=why,
        cvar_95=why,
        cvar_99=why,
        concentration=concentration,
        contributions=why,
    )
