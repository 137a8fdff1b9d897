"""How far a Sharpe ratio can be trusted: its length, its shape, and how many were tried.

Bailey and López de Prado, "The Sharpe ratio efficient frontier" (2012): probabilistic Sharpe ratio
and minimum track record length. The same, "The deflated Sharpe ratio" (2014): the expected maximum
of N trials, and what is left of the best one. The standard error is Mertens' (2002): independent
returns of any skew and kurtosis.

Every ratio in this module is per observation (a session), not annualised; `yearly` and
`per_session` are the border. Kurtosis is Pearson's, 3 for a normal distribution, as in the papers.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from app.quant import statistics
from app.quant.measured import Measured, Missing
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray

NORMAL = NormalDist()
NORMAL_KURTOSIS = 3.0
CONFIDENCE = 0.95
NO_ERROR = Missing("the returns' skew and kurtosis leave the ratio no standard error")


def yearly(ratio: float) -> float:
    """A Sharpe ratio per session as one per year of 252 sessions."""
    return ratio * math.sqrt(SESSIONS_PER_YEAR)


def per_session(ratio: float) -> float:
    """A yearly Sharpe ratio as one per session."""
    return ratio / math.sqrt(SESSIONS_PER_YEAR)


def normal_below(score: float) -> float:
    """The standard normal distribution function, exact in both tails."""
    return 0.5 * math.erfc(-score / math.sqrt(2.0))


@dataclass(frozen=True, slots=True)
class SharpeEstimate:
    """A Sharpe ratio per observation, and the sample it was estimated from."""

    ratio: float
    observations: int
    skew: float = 0.0
    kurtosis: float = NORMAL_KURTOSIS


def estimate(returns: FloatArray, rf: float) -> SharpeEstimate | Missing:
    """The estimate from known daily returns; `rf` is the yearly risk-free rate.

    Skew and kurtosis are the bias-corrected ones that the metrics report.
    """
    if len(returns) < 4:
        return Missing("fewer than 4 observations")
    ratio = statistics.sharpe(returns, rf)
    skew, excess = statistics.shape(returns)
    if isinstance(ratio, Missing) or isinstance(skew, Missing) or isinstance(excess, Missing):
        return Missing(statistics.NO_SPREAD)
    return SharpeEstimate(
        ratio=per_session(ratio),
        observations=len(returns),
        skew=skew,
        kurtosis=excess + NORMAL_KURTOSIS,
    )


def standard_error(sample: SharpeEstimate) -> Measured:
    """Of the ratio: sqrt((1 - skew SR + (kurtosis - 1) / 4 SR^2) / (n - 1))."""
    spread = _spread(sample)
    if sample.observations < 2 or spread <= 0.0:
        return NO_ERROR
    return math.sqrt(spread / (sample.observations - 1))


def probabilistic(sample: SharpeEstimate, benchmark: float = 0.0) -> Measured:
    """PSR: the probability that the true ratio is above `benchmark` (per observation)."""
    error = standard_error(sample)
    if isinstance(error, Missing):
        return error
    return normal_below((sample.ratio - benchmark) / error)


def minimum_track_record(
    sample: SharpeEstimate, benchmark: float = 0.0, confidence: float = CONFIDENCE
) -> Measured:
    """MinTRL: observations of this ratio and shape after which the PSR reaches `confidence`."""
    if sample.ratio <= benchmark:
        return Missing("the ratio is not above the benchmark: no length would show that it is")
    spread = _spread(sample)
    if spread <= 0.0:
        return NO_ERROR
    return 1.0 + spread * (NORMAL.inv_cdf(confidence) / (sample.ratio - benchmark)) ** 2


def expected_maximum(trials: int, variance: float) -> float:
    """The largest ratio to expect of `trials` independent ones without skill.

    `variance` is that of the ratios across the trials; the answer is in its unit. One trial has no
    selection in it: 0, the expectation of any single one.
    """
    if trials < 1:
        raise ValueError(f"{trials} trials have no maximum")
    if variance < 0.0:
        raise ValueError(f"a variance is not negative: {variance}")
    if trials == 1:
        return 0.0
    largest = NORMAL.inv_cdf(1.0 - 1.0 / trials)
    beyond = NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    gamma = float(np.euler_gamma)
    return math.sqrt(variance) * ((1.0 - gamma) * largest + gamma * beyond)


def deflated(sample: SharpeEstimate, trials: int, variance: float) -> Measured:
    """DSR: the probability that the true ratio of the best of `trials` is above zero skill.

    The PSR against the ratio that the best of so many would have reached by chance. `variance` is
    that of the trials' ratios per observation.
    """
    return probabilistic(sample, expected_maximum(trials, variance))


def _spread(sample: SharpeEstimate) -> float:
    ratio = sample.ratio
    return 1.0 - sample.skew * ratio + (sample.kurtosis - 1.0) / 4.0 * ratio * ratio
