"""Regression of daily returns on the daily returns of published factors.

Returns in excess of the risk-free rate are regressed by ordinary least squares on the factors and
an intercept, alpha (Jensen, 1968; Fama and French, 1993 and 2015; Carhart, 1997). Standard errors
allow for autocorrelation and changing variance: Newey and West (1987), Bartlett weights, over
floor(4 (n / 100)^(2/9)) lags, times n / (n - k) for the k coefficients that were estimated. The
error of a coefficient is the long-run error of the mean of its influences, one number per session:
the rows of (X'X / n)^-1 x_t e_t.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.evidence.comparison import long_run_variance
from app.quant.evidence.sharpe import NORMAL
from app.quant.measured import Measured, Missing
from app.quant.panel import SESSIONS_PER_YEAR, DateArray, FloatArray
from app.quant.statistics import NEGLIGIBLE, NO_SPREAD

FEWEST = 63
"""Observations below which loadings say little."""
WINDOW = 252
STEP = 21
CONFIDENCE = 0.95
SINGULAR = 1e-12
NO_VARIATION = Missing(NO_SPREAD)
NO_ERROR = Missing("the factors explain the returns without error")


@dataclass(frozen=True, slots=True)
class Coefficient:
    """An estimate with its standard error, its t-statistic, the two-sided probability of one so
    large by chance, and the interval that covers the true value with 95 % confidence."""

    name: str
    value: float
    error: float
    t: Measured
    p_value: Measured
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Regression:
    """`alpha` is per year, its intercept times 252; `loadings` are per unit of factor return.

    `residual_volatility` is per year; `lags` are those of the standard errors.
    """

    observations: int
    lags: int
    alpha: Coefficient
    loadings: tuple[Coefficient, ...]
    r_squared: float
    adjusted_r_squared: float
    residual_volatility: float


@dataclass(frozen=True, slots=True)
class Rolling:
    """Loadings of windows of `window` observations that end on `ends` [W]; `values`, `low` and
    `high` are [W, K], `alphas` [W] per year."""

    window: int
    ends: DateArray
    alphas: FloatArray
    values: FloatArray
    low: FloatArray
    high: FloatArray


def regress(
    returns: FloatArray, factors: FloatArray, names: Sequence[str], *, lags: int | None = None
) -> Regression | Missing:
    """Of T excess returns on [T, K] factors, all known; `lags` left out are the automatic ones."""
    count = len(returns)
    if count < FEWEST:
        return Missing(f"{count} sessions with returns of both; {FEWEST} are needed")
    if float(returns.std()) <= NEGLIGIBLE:
        return NO_VARIATION
    design = np.column_stack((np.ones(count), factors))
    inverse = _inverse(design)
    if inverse is None:
        return Missing("the factors cannot be told apart in this period")
    estimates = inverse @ (design.T @ returns) / count
    residuals = returns - design @ estimates
    used = lags_for(count) if lags is None else lags
    freedom = count - design.shape[1]
    influences = (design * residuals[:, np.newaxis]) @ inverse
    errors = [math.sqrt(long_run_variance(series, used) / freedom) for series in influences.T]
    unexplained, spread = float(residuals @ residuals), float(returns.var() * count)
    share = 1.0 - unexplained / spread
    return Regression(
        observations=count,
        lags=used,
        alpha=_coefficient(
            "alpha", float(estimates[0]) * SESSIONS_PER_YEAR, errors[0] * SESSIONS_PER_YEAR
        ),
        loadings=tuple(
            _coefficient(name, float(value), error)
            for name, value, error in zip(names, estimates[1:], errors[1:], strict=True)
        ),
        r_squared=share,
        adjusted_r_squared=1.0 - (1.0 - share) * (count - 1) / freedom,
        residual_volatility=math.sqrt(unexplained / freedom * SESSIONS_PER_YEAR),
    )


def lags_for(count: int) -> int:
    """The lags of Newey and West's rule of thumb for so many observations."""
    return int(4.0 * (count / 100.0) ** (2.0 / 9.0))


def rolling(
    returns: FloatArray,
    factors: FloatArray,
    dates: DateArray,
    *,
    window: int = WINDOW,
    step: int = STEP,
) -> Rolling | Missing:
    """The regression of every `step`-th window, the last one ending with the last of T `dates`."""
    if len(returns) < window:
        return Missing(f"{len(returns)} sessions with returns of both; a window has {window}")
    names = [str(k) for k in range(factors.shape[1])]
    found: list[tuple[int, Regression]] = []
    for end in range(window + (len(returns) - window) % step, len(returns) + 1, step):
        part = slice(end - window, end)
        one = regress(returns[part], factors[part], names)
        if isinstance(one, Regression):
            found.append((end - 1, one))
    if not found:
        return NO_VARIATION
    table = [[(each.value, each.low, each.high) for each in one.loadings] for _, one in found]
    values, low, high = np.moveaxis(np.array(table), 2, 0)
    alphas = np.array([one.alpha.value for _, one in found])
    return Rolling(window, dates[[end for end, _ in found]], alphas, values, low, high)


def _inverse(design: FloatArray) -> FloatArray | None:
    """(X'X / n)^-1; None where columns depend on each other."""
    moments = design.T @ design / len(design)
    scale = np.sqrt(np.diagonal(moments))
    if (scale <= 0.0).any():
        return None
    scaled = moments / np.outer(scale, scale)
    if float(np.linalg.eigvalsh(scaled)[0]) < SINGULAR:
        return None
    inverse: FloatArray = np.linalg.inv(scaled) / np.outer(scale, scale)
    return inverse


def _coefficient(name: str, value: float, error: float) -> Coefficient:
    reach = NORMAL.inv_cdf(0.5 + CONFIDENCE / 2.0) * error
    t: Measured = value / error if error > NEGLIGIBLE else NO_ERROR
    chance = t if isinstance(t, Missing) else math.erfc(abs(t) / math.sqrt(2.0))
    return Coefficient(name, value, error, t, chance, value - reach, value + reach)
