"""One definition of every statistic of daily simple returns.

What is named in the plural works along the last axis, for one series (T) or for N of them (N x T):
the same sums in the same order, so that a series has the same figures alone and among others.

Yearly figures use 252 sessions, except CAGR, which uses calendar days / 365.25. Standard deviations
use n - 1; skew and excess kurtosis are the bias-corrected sample ones. Losses are negative
numbers: drawdown, VaR and CVaR are returns, -0.02 is a loss of 2 %. Alpha, Sharpe and the
information ratio are arithmetic. What cannot be computed is `Missing` with a reason.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from app.quant.measured import Measured, Missing, ratio
from app.quant.panel import SESSIONS_PER_YEAR, BoolArray, FloatArray

DAYS_PER_YEAR = 365.25
TAIL_95 = 0.05
TAIL_99 = 0.01
# Deviations of daily returns below this are rounding of a constant series, not risk.
NEGLIGIBLE = 1e-14
# Growth is a running product: a wealth this close to its peak, relatively, is back at it.
AT_PEAK = 1e-12
LARGEST_LOG = 700.0
FEWEST_FOR_SKEW, FEWEST_FOR_KURTOSIS = 3, 4
NO_SPREAD = "the returns do not vary"
NO_FALL = "there was no drawdown"
ALL_ABOVE = "no return was below the risk-free rate"
FLAT_BENCHMARK = "the benchmark's returns do not vary"


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall: peak to trough, and the first session back at the peak, if there is one.

    The peak is the last session at it before the fall. `sessions` counts from the peak to the
    recovery, or to the end while there is none.
    """

    depth: float
    peak: date
    trough: date
    recovery: date | None
    sessions: int


def cagr(growth: float, days: int) -> Measured:
    """Compound yearly growth of `growth` (1.1 is a gain of 10 %) over calendar days: those of the
    sessions with a return, each from the close before to its own."""
    if days <= 0:
        return Missing("the period has no length")
    if growth <= 0.0:
        return -1.0
    yearly = math.log(growth) * DAYS_PER_YEAR / days
    if yearly > LARGEST_LOG:
        return Missing("the period is too short for a yearly rate")
    return math.expm1(yearly)


def means(values: FloatArray) -> FloatArray:
    """As `ndarray.mean` along the last axis, without its checks: they take longer than the sum."""
    found: FloatArray = np.add.reduce(values, axis=-1) / values.shape[-1]
    return found


def deviations(values: FloatArray) -> FloatArray:
    """From the mean along the last axis."""
    return values - means(values)[..., None]


def volatilities(returns: FloatArray) -> FloatArray:
    """Yearly standard deviations of at least two returns; exactly 0 for a constant series."""
    from_mean = deviations(returns)
    squares = np.add.reduce(from_mean * from_mean, axis=-1)
    deviation = np.sqrt(squares / (returns.shape[-1] - 1))
    return np.where(deviation > NEGLIGIBLE, deviation * math.sqrt(SESSIONS_PER_YEAR), 0.0)


def volatility(returns: FloatArray) -> float:
    return float(volatilities(returns))


def excesses(returns: FloatArray, rf: float) -> FloatArray:
    """252 mean - rf: the yearly mean over the risk-free rate."""
    yearly: FloatArray = means(returns) * SESSIONS_PER_YEAR - rf
    return yearly


def sharpe(returns: FloatArray, rf: float) -> Measured:
    """(252 mean - rf) / volatility (Sharpe, 1994)."""
    return ratio(float(excesses(returns, rf)), volatility(returns), NO_SPREAD)


def downside_deviations(returns: FloatArray, rf: float) -> FloatArray:
    """Yearly root of the mean square below the daily rf, over all observations (Sortino, 1994)."""
    shortfall = np.minimum(returns - rf / SESSIONS_PER_YEAR, 0.0)
    downside = np.sqrt(means(shortfall * shortfall) * SESSIONS_PER_YEAR)
    return np.where(downside > NEGLIGIBLE, downside, 0.0)


def sortino(returns: FloatArray, rf: float) -> Measured:
    """Like Sharpe, over the downside deviation."""
    downside = float(downside_deviations(returns, rf))
    return ratio(float(excesses(returns, rf)), downside, ALL_ABOVE)


def falls(wealth: FloatArray) -> FloatArray:
    """Of growth that began at 1, from its highest so far; 0 or negative."""
    peaks = np.maximum.accumulate(wealth, axis=-1)
    return wealth / np.maximum(peaks, 1.0, out=peaks) - 1.0


def deepest_fall(fallen: FloatArray, days: Sequence[date]) -> Drawdown | Missing:
    """The deepest of the falls of one series, of which `days` are the start and every session."""
    trough = int(fallen.argmin())
    depth = float(fallen[trough])
    if depth > -AT_PEAK:
        return Missing(NO_FALL)
    before = np.flatnonzero(fallen[:trough] > -AT_PEAK)
    after = np.flatnonzero(fallen[trough:] > -AT_PEAK)
    # One more than the place among the falls, which begin a session after the start.
    peak = int(before[-1]) + 1 if len(before) else 0
    recovery = trough + int(after[0]) + 1 if len(after) else None
    return Drawdown(
        depth=depth,
        peak=days[peak],
        trough=days[trough + 1],
        recovery=None if recovery is None else days[recovery],
        sessions=(len(fallen) if recovery is None else recovery) - peak,
    )


def shapes(returns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bias-corrected skew and excess kurtosis (Joanes and Gill, 1998: G1 and G2).

    NaN where the returns do not vary, or are fewer than 3, or 4 for kurtosis.
    """
    n = returns.shape[-1]
    from_mean = deviations(returns)
    squares = from_mean * from_mean
    second = means(squares)
    second = np.where(np.sqrt(second) > NEGLIGIBLE, second, np.nan)
    third, fourth = means(squares * from_mean), means(squares * squares)
    nothing = np.full_like(second, np.nan)
    skew = kurtosis = nothing
    if n >= FEWEST_FOR_SKEW:
        skew = math.sqrt(n * (n - 1)) / (n - 2) * third / second**1.5
    if n >= FEWEST_FOR_KURTOSIS:
        excess = fourth / second**2 - 3.0
        kurtosis = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6.0)
    return skew, kurtosis


def shape(returns: FloatArray) -> tuple[Measured, Measured]:
    skew, kurtosis = shapes(returns)
    count = len(returns)
    return (
        moment(float(skew), count, FEWEST_FOR_SKEW),
        moment(float(kurtosis), count, FEWEST_FOR_KURTOSIS),
    )


def moment(value: float, count: int, fewest: int) -> Measured:
    """One of `shapes`, or why there is none."""
    if not math.isnan(value):
        return value
    return Missing(f"fewer than {fewest} observations" if count < fewest else NO_SPREAD)


def values_at_risk(ordered: FloatArray, tail: float) -> FloatArray:
    """Historical VaR: the `tail` quantile of ascending returns, linearly interpolated."""
    last = ordered.shape[-1] - 1
    below = int(last * tail)
    low, high = ordered[..., below], ordered[..., min(below + 1, last)]
    found: FloatArray = low + (last * tail - below) * (high - low)
    return found


def value_at_risk(ordered: FloatArray, tail: float) -> float:
    return float(values_at_risk(ordered, tail))


def expected_shortfalls(ordered: FloatArray, tail: float) -> FloatArray:
    """Historical CVaR: the mean of the ascending returns up to the VaR."""
    worst = np.ascontiguousarray(ordered[..., : int((ordered.shape[-1] - 1) * tail) + 1])
    return means(worst)


def expected_shortfall(ordered: FloatArray, tail: float) -> float:
    return float(expected_shortfalls(ordered, tail))


def betas(returns: FloatArray, benchmark: FloatArray) -> FloatArray:
    """Slopes of returns on one benchmark's (T) or each on its own (N x T); a constant risk-free
    rate on both sides leaves them. NaN where the benchmark does not vary."""
    centred = deviations(benchmark)
    variation = np.add.reduce(centred * centred, axis=-1)
    flat = np.sqrt(variation / benchmark.shape[-1]) <= NEGLIGIBLE
    moved = np.add.reduce(deviations(returns) * centred, axis=-1)
    slopes: FloatArray = moved / np.where(flat, np.nan, variation)
    return slopes


def beta(returns: FloatArray, benchmark: FloatArray) -> Measured:
    slope = float(betas(returns, benchmark))
    return Missing(FLAT_BENCHMARK) if math.isnan(slope) else slope


SMALLEST_MOVE = 1e-12
"""A mean return below this is rounding: a quotient by it would say nothing."""


def captures(returns: FloatArray, benchmark: FloatArray, sessions: BoolArray) -> FloatArray | None:
    """Mean returns over the benchmark's, on the sessions on which that one moved; None if never."""
    places = np.flatnonzero(sessions)
    moved = float(means(benchmark[places])) if len(places) else 0.0
    if abs(moved) < SMALLEST_MOVE:
        return None
    found: FloatArray = means(np.take(returns, places, axis=-1)) / moved
    return found


def day_of(moment: np.datetime64) -> date:
    day: date = moment.astype("datetime64[D]").item()
    return day
