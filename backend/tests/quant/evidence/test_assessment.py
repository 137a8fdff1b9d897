"""The whole evidence for the best of many runs."""

from dataclasses import replace

import numpy as np
import pytest

from app.quant.evidence.assessment import ONE_TRIAL, Evidence, assess
from app.quant.evidence.overfitting import Overfitting, cross_validate
from app.quant.evidence.records import TrackRecord, aligned
from app.quant.evidence.sharpe import deflated, estimate, expected_maximum
from app.quant.measured import Missing
from app.quant.panel import FloatArray
from app.quant.statistics import sharpe

DAY = np.datetime64("2015-01-01")


def record(returns: FloatArray, *, after: int = 0) -> TrackRecord:
    return TrackRecord(DAY + after + np.arange(len(returns) + 1), returns)


def noise(trials: int, sessions: int = 800, seed: int = 1) -> list[TrackRecord]:
    rows = np.random.default_rng(seed).normal(0.0002, 0.01, (trials, sessions))
    return [record(row) for row in rows]


def best_of(trials: list[TrackRecord]) -> int:
    return int(np.argmax([float(sharpe(trial.returns, 0.02)) for trial in trials]))  # type: ignore[arg-type]


def judged(trials: list[TrackRecord], best: int) -> Evidence:
    return assess(trials, best, rf=0.02, seed=1, resamples=100, blocks=8)


def test_the_best_of_much_noise_is_not_believed_and_a_true_edge_is() -> None:
    trials = noise(80)
    lucky = judged(trials, best_of(trials))
    assert lucky.psr > 0.95  # type: ignore[operator]
    assert lucky.dsr < 0.9  # type: ignore[operator]
    assert lucky.pbo > 0.2  # type: ignore[operator]
    skilled = judged([*trials, record(trials[0].returns + 0.0025)], 80)
    assert skilled.dsr > 0.99  # type: ignore[operator]
    assert skilled.pbo == 0.0
    assert lucky.missing() == skilled.missing() == {}


def test_the_deflated_ratio_is_that_of_the_distinct_trials() -> None:
    trials = noise(20)
    best = best_of(trials)
    rows = np.array([trial.returns for trial in trials])
    ratios = [sharpe(row, 0.02) / np.sqrt(252) for row in rows]
    sample = estimate(rows[best], 0.02)
    assert not isinstance(sample, Missing)
    expected = deflated(sample, 20, float(np.var(ratios, ddof=1)))
    again = judged([*trials, trials[3], trials[3], trials[best]], best)
    assert (again.trials, again.effective.number) == (23, 20)
    assert judged(trials, best).dsr == again.dsr == pytest.approx(expected)


def test_one_trial_has_a_probability_but_was_not_chosen() -> None:
    found = judged(noise(1), 0)
    assert found.dsr == found.psr
    assert found.expected_maximum == 0.0
    assert found.pbo == found.overfitting == ONE_TRIAL


def test_trials_are_matched_by_date_and_short_ones_count_without_being_cross_validated() -> None:
    trials = noise(6)
    late = record(trials[0].returns[400:], after=400)
    # A third of a percent of the sessions is missing, so the others lose as much.
    almost = record(noise(1, seed=9)[0].returns[3:], after=3)
    found = judged([*trials, late, almost], 2)
    assert found.effective.clusters[0] == (0, 6)
    assert found.effective.number == 7
    assert isinstance(found.overfitting, Overfitting)
    assert (found.overfitting.trials, found.overfitting.sessions) == (7, 797)
    rows = np.array([*(trial.returns[3:] for trial in trials), almost.returns])
    expected = cross_validate(rows, rf=0.02, blocks=8)
    assert isinstance(expected, Overfitting)
    assert found.pbo == expected.probability


def test_a_short_trial_counts_but_does_not_widen_the_spread_of_long_ones() -> None:
    """The ratio of a hundred sessions is off by three times as much as that of eight hundred."""
    trials = noise(10)
    wild = record(np.random.default_rng(5).normal(-0.005, 0.01, 100), after=300)
    before, after = judged(trials, 0), judged([*trials, wild], 0)
    assert after.effective.number == 11
    assert after.effective.variance == before.effective.variance
    assert after.expected_maximum > before.expected_maximum  # type: ignore[operator]
    assert after.expected_maximum == pytest.approx(before.expected_maximum, rel=0.06)


def test_beside_short_trials_alone_a_ratio_is_held_against_pure_chance() -> None:
    """Ratios of T sessions without skill have the variance 1 / (T - 1) (Lo, 2002)."""
    long, short = noise(1)[0], record(noise(1, seed=3)[0].returns[:100])
    found = judged([long, short], 0)
    chance = expected_maximum(2, 1.0 / 799)
    assert found.expected_maximum == pytest.approx(chance * np.sqrt(252))


def test_another_order_of_the_trials_gives_the_same_evidence() -> None:
    trials = noise(12)
    forward, backward = judged(trials, 4), judged(trials[::-1], 7)
    for name in ("sharpe", "psr", "dsr", "expected_maximum", "pbo", "sharpe_interval"):
        assert getattr(forward, name) == getattr(backward, name), name


def test_too_short_a_run_gets_reasons_and_no_numbers() -> None:
    found = judged([record(np.array([0.01, 0.02, 0.01])), *noise(3)], 0)
    assert found.observations == 3
    assert set(found.missing()) == {
        "sharpe", "psr", "dsr", "min_track_record", "pbo", "overfitting",
        "block", "sharpe_interval", "cagr_interval", "drawdown_interval",
    }  # fmt: skip
    assert found.missing()["psr"] == "fewer than 4 observations"
    assert found.missing()["pbo"] == "the trials have 3 common sessions; 80 are needed"


def test_records_align_on_the_sessions_of_any() -> None:
    first, second = record(np.array([0.1, 0.2])), record(np.array([0.3]), after=2)
    sessions, rows = aligned([first, second])
    np.testing.assert_array_equal(sessions, DAY + np.array([1, 2, 3]))
    np.testing.assert_array_equal(rows, [[0.1, 0.2, np.nan], [np.nan, np.nan, 0.3]])
    assert first.days == 2


def test_a_track_record_has_ascending_dates_and_finite_returns() -> None:
    good = record(np.array([0.1, np.nan]))
    np.testing.assert_array_equal(good.observed(), [0.1])
    with pytest.raises(ValueError, match="lie between 2 dates"):
        replace(good, returns=np.array([0.1]))
    with pytest.raises(ValueError, match="ascend"):
        replace(good, dates=good.dates[::-1])
    with pytest.raises(ValueError, match="finite"):
        replace(good, returns=np.array([0.1, np.inf]))
