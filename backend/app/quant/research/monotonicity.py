"""Whether returns rise from quantile to quantile, or only from the lowest to the highest.

Two figures: the rank correlation (Spearman) of the quantiles' mean returns with their numbers, and
the test of Patton and Timmermann, "Monotonicity in asset returns" (2010). Its hypothesis is that
the means do not rise; the statistic is the smallest step between neighbouring means, and the
p-value the share of stationary bootstrap resamples (Politis and Romano, 1994) whose smallest step,
about the steps that were measured, is larger. Blocks are on average as long as the horizon or
longer.
"""

from dataclasses import dataclass

import numpy as np

from app.quant.evidence.bootstrap import FEWEST, block_length
from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray
from app.quant.research.signals import kernels

RESAMPLES = 1_000
SEED = 20_100
EMPTY = Missing("a quantile is empty on too many sessions")


@dataclass(frozen=True, slots=True)
class Monotonicity:
    """`rank_correlation` is 1 where the means rise with every step; `p_value` is small where it is
    unlikely that they only seem to."""

    rank_correlation: Measured
    p_value: Measured


def monotonicity(means: FloatArray, horizon: int) -> Monotonicity:
    """From the mean returns [T, Q] of quantiles; sessions on which one is empty are left out."""
    whole = means[np.isfinite(means).all(axis=1)]
    if not len(whole):
        return Monotonicity(EMPTY, EMPTY)
    return Monotonicity(_rank_correlation(whole.mean(axis=0)), _p_value(whole, horizon))


def _rank_correlation(means: FloatArray) -> float:
    places = np.argsort(np.argsort(means, kind="stable"), kind="stable")
    return float(np.corrcoef(places, np.arange(len(means)))[0, 1])


def _p_value(means: FloatArray, horizon: int) -> Measured:
    least = max(FEWEST, 2 * horizon)
    if len(means) < least:
        return Missing(f"{len(means)} sessions with every quantile; {least} are needed")
    steps = np.diff(means, axis=1)
    measured = steps.mean(axis=0)
    block = max(block_length(means[:, -1] - means[:, 0]), float(horizon))
    draws = np.random.default_rng(SEED).random((RESAMPLES, len(steps)))
    resamples: FloatArray = kernels().resampled_means(steps, draws, block)
    return float(((resamples - measured).min(axis=1) > measured.min()).mean())
