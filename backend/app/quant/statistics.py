"""One definition of every statistic of daily simple returns.

Yearly figures use 252 sessions, except CAGR, which uses calendar days / 365.25. Standard deviations
use n - 1; skew and excess kurtosis are the bias-corrected sample ones. Losses are negative
numbers: drawdown, VaR and CVaR are returns, -0.02 is a loss of 2 %. Alpha, Sharpe and the
information ratio are arithmetic. What cannot be computed is `Missing` with a reason.
"""

import math
from dataclasses import dataclass
from datetime import date

import numpy as np

from app.quant.measured import Measured, Missing, ratio
from app.quant.panel import SESSIONS_PER_YEAR, BoolArray, DateArray, FloatArray

DAYS_PER_YEAR = 365.25
TAIL_95 = 0.05
TAIL_99 = 0.01
# Deviations of daily returns below this are rounding of a constant series, not risk.
NEGLIGIBLE = 1e-14
# Growth is a running product: a wealth this close to its peak, relatively, is back at it.
AT_PEAK = 1e-12
LARGEST_LOG = 700.0
NO_SPREAD = "the returns do not vary"


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall: peak to trough, and the first session back at the peak, if there is one.

    `sessions` counts from the peak to the recovery, or to the end while there is none.
    """

    depth: float
    peak: date
    trough: date
    recovery: date | None
    sessions: int


def cagr(growth: float, days: int) -> Measured:
    """Compound yearly growth of `growth` (1.1 is a gain of 10 %) over calendar days."""
    if days <= 0:
        return Missing("the period has no length")
    if growth <= 0.0:
        return -1.0
    yearly = math.log(growth) * DAYS_PER_YEAR / days
    if yearly > LARGEST_LOG:
        return Missing("the period is too short for a yearly rate")
    return math.expm1(yearly)


def volatility(returns: FloatArray) -> float:
    """Yearly standard deviation of at least two returns; exactly 0 for a constant series."""
    deviation = float(returns.std(ddof=1))
    return deviation * math.sqrt(SESSIONS_PER_YEAR) if deviation > NEGLIGIBLE else 0.0


def sharpe(returns: FloatArray, rf: float) -> Measured:
    """(252 mean - rf) / volatility."""
    excess = float(returns.mean()) * SESSIONS_PER_YEAR - rf
    return ratio(excess, volatility(returns), NO_SPREAD)


def sortino(returns: FloatArray, rf: float) -> Measured:
    """Like Sharpe, over the downside deviation about the daily rf of all observations."""
    shortfall = np.minimum(returns - rf / SESSIONS_PER_YEAR, 0.0)
    downside = math.sqrt(float(shortfall @ shortfall) / len(returns) * SESSIONS_PER_YEAR)
    excess = float(returns.mean()) * SESSIONS_PER_YEAR - rf
    return ratio(
        excess, downside if downside > NEGLIGIBLE else 0.0, "no return was below the risk-free rate"
    )


def deepest_fall(wealth: FloatArray, ends: DateArray, start: np.datetime64) -> Drawdown | Missing:
    """The deepest fall of growth `wealth` (1 at `start`, then one value per session)."""
    path = np.concatenate(([1.0], wealth))
    peaks = np.maximum.accumulate(path)
    falls = path / peaks - 1.0
    trough = int(falls.argmin())
    if falls[trough] > -AT_PEAK:
        return Missing("there was no drawdown")
    peak = int(np.argmax(path == peaks[trough]))
    back = np.flatnonzero(path[trough:] >= peaks[trough] * (1.0 - AT_PEAK))
    recovery = trough + int(back[0]) if len(back) else None
    days = np.concatenate(([start], ends))
    return Drawdown(
        depth=float(falls[trough]),
        peak=day_of(days[peak]),
        trough=day_of(days[trough]),
        recovery=None if recovery is None else day_of(days[recovery]),
        sessions=(len(path) - 1 if recovery is None else recovery) - peak,
    )


def shape(returns: FloatArray) -> tuple[Measured, Measured]:
    """Bias-corrected skew and excess kurtosis (Joanes and Gill, 1998: G1 and G2)."""
    n = len(returns)
    deviations = returns - returns.mean()
    squares = deviations * deviations
    second = float(squares.mean())
    if math.sqrt(second) <= NEGLIGIBLE:
        return Missing(NO_SPREAD), Missing(NO_SPREAD)
    third, fourth = float((squares * deviations).mean()), float((squares * squares).mean())
    skew: Measured = Missing("fewer than 3 observations")
    kurtosis: Measured = Missing("fewer than 4 observations")
    if n >= 3:
        skew = math.sqrt(n * (n - 1)) / (n - 2) * third / second**1.5
    if n >= 4:
        excess = fourth / second**2 - 3.0
        kurtosis = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6.0)
    return skew, kurtosis


def value_at_risk(ordered: FloatArray, tail: float) -> float:
    """Historical VaR: the `tail` quantile of ascending returns, linearly interpolated."""
    place = (len(ordered) - 1) * tail
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def expected_shortfall(ordered: FloatArray, tail: float) -> float:
    """Historical CVaR: the mean of the ascending returns up to the VaR."""
    return float(ordered[: int((len(ordered) - 1) * tail) + 1].mean())


def beta(returns: FloatArray, benchmark: FloatArray) -> Measured:
    """Slope of returns on the benchmark's; a constant risk-free rate on both sides leaves it."""
    centred = benchmark - benchmark.mean()
    variation = float(centred @ centred)
    if math.sqrt(variation / len(benchmark)) <= NEGLIGIBLE:
        return Missing("the benchmark's returns do not vary")
    return float(centred @ (returns - returns.mean())) / variation


def alpha(returns: FloatArray, benchmark: FloatArray, slope: Measured, rf: float) -> Measured:
    """252 times the intercept of the regression of daily excess returns."""
    if isinstance(slope, Missing):
        return slope
    excess = float(returns.mean()) * SESSIONS_PER_YEAR - rf
    return excess - slope * (float(benchmark.mean()) * SESSIONS_PER_YEAR - rf)


SMALLEST_MOVE = 1e-12
"""A mean return below this is rounding: a quotient by it would say nothing."""


def capture(
    returns: FloatArray, benchmark: FloatArray, sessions: BoolArray, moved: str
) -> Measured:
    """Mean return over the benchmark's mean return, on the sessions on which that one moved."""
    if not sessions.any() or abs(benchmark[sessions].mean()) < SMALLEST_MOVE:
        return Missing(f"the benchmark never {moved}")
    return float(returns[sessions].mean() / benchmark[sessions].mean())


def day_of(moment: np.datetime64) -> date:
    day: date = moment.astype("datetime64[D]").item()
    return day
