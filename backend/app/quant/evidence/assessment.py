"""Everything that says whether the best of many runs can be believed, in one value."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from app.quant.evidence.bootstrap import CONFIDENCE, RESAMPLES, Interval, Intervals, intervals
from app.quant.evidence.overfitting import BLOCKS, Overfitting, affordable, cross_validate
from app.quant.evidence.records import TrackRecord, aligned
from app.quant.evidence.sharpe import (
    SharpeEstimate,
    estimate,
    expected_maximum,
    minimum_track_record,
    probabilistic,
    yearly,
)
from app.quant.evidence.trials import FEWEST, NEARLY_EQUAL, EffectiveTrials, effective
from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray

COVERAGE = 0.95
"""The share of the best run's sessions that a trial must have to be cross-validated with it, and as
many sessions as that for its ratio to be compared."""
ONE_TRIAL = Missing("only one trial was made: nothing was chosen")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the best run of many. Sharpe ratios are per year.

    `trials` were made, which `effective` gathers into distinct ones. `psr` and `dsr` are the
    probabilities that the true Sharpe ratio is above zero, and above `expected_maximum`, the best
    that so many distinct trials would show without skill. `min_track_record` is the number of
    sessions that the observed ratio needs to be above zero with `confidence`, of which there are
    `observations`. `pbo` is the probability of overfitting, `overfitting` its details.
    """

    confidence: float
    observations: int
    trials: int
    effective: EffectiveTrials
    sharpe: Measured
    psr: Measured
    expected_maximum: Measured
    dsr: Measured
    min_track_record: Measured
    pbo: Measured
    overfitting: Overfitting | Missing
    block: Measured
    sharpe_interval: Interval | Missing
    cagr_interval: Interval | Missing
    drawdown_interval: Interval | Missing

    def missing(self) -> dict[str, str]:
        """Why, for each field that has no value."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value.reason for name, value in named if isinstance(value, Missing)}


def assess(
    trials: Sequence[TrackRecord],
    best: int,
    *,
    rf: float,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    blocks: int = BLOCKS,
    nearly_equal: float = NEARLY_EQUAL,
) -> Evidence:
    """The evidence for `trials[best]`, among all trials ever made on the data.

    `trials` holds every one, the best included and the failed ones too: what is left out makes the
    best look better than it is. Spans may differ. Each trial's Sharpe ratio is over its own
    sessions; two are compared on their common ones; cross-validation needs one set of sessions, so
    it takes the trials with at least 95 % of the best one's, on the sessions that all of them have.
    """
    record = trials[best]
    _, rows = aligned(trials)
    returns = record.observed()
    long_enough = math.ceil(COVERAGE * len(returns))
    distinct = effective(rows, rf=rf, nearly_equal=nearly_equal, fewest=long_enough)
    tested = _cross_validated(rows, best, rf=rf, blocks=blocks)
    drawn = intervals(
        returns, days=record.days, rf=rf, seed=seed, resamples=resamples, confidence=confidence
    )
    return Evidence(
        confidence=confidence,
        observations=len(returns),
        trials=len(trials),
        effective=distinct,
        **_ratios(estimate(returns, rf), _by_chance(distinct, len(returns)), confidence),
        pbo=tested if isinstance(tested, Missing) else tested.probability,
        overfitting=tested,
        **_drawn(drawn),
    )


def _by_chance(distinct: EffectiveTrials, observations: int) -> Measured:
    """The ratio per session that the best of the distinct trials would reach without skill.

    Where fewer than two of them are long enough to show how far their ratios lie apart, these are
    taken to differ as those of independent runs without skill do: by 1 / (T - 1) (Lo, 2002).
    """
    if distinct.number == 1:
        return expected_maximum(1, 0.0)
    variance = distinct.variance
    if isinstance(variance, Missing):
        if observations < FEWEST:
            return variance
        variance = 1.0 / (observations - 1)
    return expected_maximum(distinct.number, variance)


def _ratios(
    sample: SharpeEstimate | Missing, threshold: Measured, confidence: float
) -> dict[str, Any]:
    by_chance = threshold if isinstance(threshold, Missing) else yearly(threshold)
    if isinstance(sample, Missing):
        names = ("sharpe", "psr", "dsr", "min_track_record")
        return {"expected_maximum": by_chance, **dict.fromkeys(names, sample)}
    deflated = threshold if isinstance(threshold, Missing) else probabilistic(sample, threshold)
    return {
        "sharpe": yearly(sample.ratio),
        "psr": probabilistic(sample),
        "expected_maximum": by_chance,
        "dsr": deflated,
        "min_track_record": minimum_track_record(sample, confidence=confidence),
    }


def _cross_validated(
    rows: FloatArray, best: int, *, rf: float, blocks: int
) -> Overfitting | Missing:
    if len(rows) < 2:
        return ONE_TRIAL
    during = rows[:, np.isfinite(rows[best])]
    known = np.isfinite(during)
    covering = known.sum(axis=1) >= COVERAGE * known.shape[1]
    common = known[covering].all(axis=0)
    tested = during[covering][:, common]
    return cross_validate(tested, rf=rf, blocks=affordable(len(tested), blocks))


def _drawn(found: Intervals | Missing) -> dict[str, Any]:
    if isinstance(found, Missing):
        names = ("block", "sharpe_interval", "cagr_interval", "drawdown_interval")
        return dict.fromkeys(names, found)
    return {
        "block": found.block,
        "sharpe_interval": found.sharpe,
        "cagr_interval": found.cagr,
        "drawdown_interval": found.drawdown,
    }
