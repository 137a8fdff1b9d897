"""Whether losses beyond a value at risk came as often, and as scattered, as it promised.

Kupiec, "Techniques for verifying the accuracy of risk measurement models" (1995): the proportion
of failures. Christoffersen, "Evaluating interval forecasts" (1998): independence of a day's
exception from that of the day before (first-order Markov), and both together, the sum of the two.
All are likelihood ratios, asymptotically chi-squared with 1, 1 and 2 degrees of freedom.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.quant.measured import Measured, Missing
from app.quant.panel import BoolArray, FloatArray

FEWEST = 63
"""Forecasts below which no test is made; at least one exception must be expected, too."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """A likelihood ratio and the chance of one as large where the forecasts are right."""

    ratio: Measured
    p_value: Measured


@dataclass(frozen=True, slots=True)
class Coverage:
    """On `exceptions` of `forecasts` days more was lost than forecast; `expected` were to be.

    `after_calm` and `after_exception` are the exceptions that followed a day without and with one.
    """

    forecasts: int
    exceptions: int
    expected: float
    after_calm: int
    after_exception: int
    kupiec: Likelihood
    independence: Likelihood
    conditional: Likelihood


def coverage(returns: FloatArray, forecasts: FloatArray, tail: float) -> Coverage | Missing:
    """Judge the `forecasts` (returns, losses negative) that were made for the days of `returns`."""
    count = len(returns)
    if count < FEWEST or count * tail < 1.0:
        needed = max(FEWEST, math.ceil(1.0 / tail))
        return Missing(f"{count} days have a forecast made before them; {needed} are needed")
    exceptions = returns < forecasts
    calm_calm, calm_bad, bad_calm, bad_bad = transitions(exceptions)
    failures = int(exceptions.sum())
    kupiec = proportion_of_failures(count, failures, tail)
    chain = independence(calm_calm, calm_bad, bad_calm, bad_bad)
    return Coverage(
        forecasts=count,
        exceptions=failures,
        expected=count * tail,
        after_calm=calm_bad,
        after_exception=bad_bad,
        kupiec=kupiec,
        independence=chain,
        conditional=conditional(kupiec, chain),
    )


def transitions(exceptions: BoolArray) -> tuple[int, int, int, int]:
    """How often a day without exception followed one without, one with, and so on: 00 01 10 11."""
    before, after = exceptions[:-1], exceptions[1:]
    pairs = np.bincount(2 * before.astype(np.int64) + after, minlength=4)
    first, second, third, fourth = pairs.tolist()
    return first, second, third, fourth


def proportion_of_failures(forecasts: int, exceptions: int, tail: float) -> Likelihood:
    """Kupiec's LR_uc: -2 ln(L(tail) / L(x / n)) of x exceptions in n forecasts."""
    calm, share = forecasts - exceptions, exceptions / forecasts
    promised = _times_log(calm, 1.0 - tail) + _times_log(exceptions, tail)
    seen = _times_log(calm, 1.0 - share) + _times_log(exceptions, share)
    ratio = max(2.0 * (seen - promised), 0.0)
    return Likelihood(ratio, _beyond_one(ratio))


def independence(calm_calm: int, calm_bad: int, bad_calm: int, bad_bad: int) -> Likelihood:
    """Christoffersen's LR_ind: exceptions as frequent after a calm day as after an exception."""
    after_calm, after_bad = calm_calm + calm_bad, bad_calm + bad_bad
    if not after_calm or not after_bad:
        followed = "a day without exception" if not after_calm else "an exception"
        nothing = Missing(f"no day followed {followed}")
        return Likelihood(nothing, nothing)
    failures, days = calm_bad + bad_bad, after_calm + after_bad
    alike = _times_log(days - failures, 1.0 - failures / days) + _times_log(
        failures, failures / days
    )
    apart = (
        _times_log(calm_calm, calm_calm / after_calm)
        + _times_log(calm_bad, calm_bad / after_calm)
        + _times_log(bad_calm, bad_calm / after_bad)
        + _times_log(bad_bad, bad_bad / after_bad)
    )
    ratio = max(2.0 * (apart - alike), 0.0)
    return Likelihood(ratio, _beyond_one(ratio))


def conditional(kupiec: Likelihood, chain: Likelihood) -> Likelihood:
    """Christoffersen's LR_cc = LR_uc + LR_ind."""
    if isinstance(kupiec.ratio, Missing) or isinstance(chain.ratio, Missing):
        why = chain.ratio if isinstance(chain.ratio, Missing) else kupiec.ratio
        return Likelihood(why, why)
    ratio = kupiec.ratio + chain.ratio
    return Likelihood(ratio, math.exp(-ratio / 2.0))


def _beyond_one(ratio: float) -> float:
    """The chance that a chi-squared variable of one degree of freedom exceeds `ratio`."""
    return math.erfc(math.sqrt(ratio / 2.0))


def _times_log(count: int, probability: float) -> float:
    """count * ln(probability), 0 where nothing was counted."""
    return count * math.log(probability) if count else 0.0
