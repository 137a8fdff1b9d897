"""Sharpe ratios beside the worked examples of their papers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from app.quant.evidence.sharpe import (
    SharpeEstimate,
    deflated,
    estimate,
    expected_maximum,
    minimum_track_record,
    per_session,
    probabilistic,
    standard_error,
    yearly,
)
from app.quant.measured import Missing
from app.quant.panel import SESSIONS_PER_YEAR

# Bailey and López de Prado (2014), numerical example: a yearly Sharpe ratio of 2.5 after five years
# of 250 days, V[SR] = 1/2 per year, skew -3, kurtosis 10.
BEST = SharpeEstimate(2.5 / math.sqrt(250), 1250, skew=-3.0, kurtosis=10.0)
VARIANCE = 0.5 / 250

# Bailey and López de Prado (2012): a hedge fund's two years of monthly returns.
FUND = SharpeEstimate(0.458, 24, skew=-2.448, kurtosis=10.164)


def test_the_expected_maximum_of_a_hundred_trials_is_that_of_the_paper() -> None:
    assert expected_maximum(100, VARIANCE) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(
    ("sample", "trials", "expected"),
    [
        (BEST, 100, 0.9004),
        (BEST, 46, 0.9505),
        (SharpeEstimate(BEST.ratio, BEST.observations), 88, 0.9505),
    ],
    ids=["100 trials", "46 trials", "88 trials of normal returns"],
)
def test_the_deflated_ratio_is_that_of_the_paper(
    sample: SharpeEstimate, trials: int, expected: float
) -> None:
    assert deflated(sample, trials, VARIANCE) == pytest.approx(expected, abs=1e-4)


def test_the_probabilistic_ratio_is_that_of_the_paper() -> None:
    assert probabilistic(SharpeEstimate(FUND.ratio, 24)) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic(FUND) == pytest.approx(0.913, abs=5e-4)


@pytest.mark.parametrize(("per_year", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)])
def test_the_track_record_that_tells_a_ratio_of_2_from_1_is_that_of_the_paper(
    per_year: int, years: float
) -> None:
    sample = SharpeEstimate(2 / math.sqrt(per_year), 10)
    needed = minimum_track_record(sample, 1 / math.sqrt(per_year))
    assert needed / per_year == pytest.approx(years, abs=5e-3)  # type: ignore[operator]


def test_the_track_record_of_a_skewed_index_is_that_of_the_paper() -> None:
    sample = SharpeEstimate(2 / math.sqrt(12), 10, skew=-0.72, kurtosis=5.78)
    needed = minimum_track_record(sample, 1 / math.sqrt(12))
    assert needed / 12 == pytest.approx(4.99, abs=5e-3)  # type: ignore[operator]


@pytest.mark.parametrize(("trials", "exact"), [(2, 0.56419), (10, 1.53875), (100, 2.50759)])
def test_the_expected_maximum_is_close_to_that_of_normal_order_statistics(
    trials: int, exact: float
) -> None:
    """Exact values: Harter, "Expected values of normal order statistics" (1961)."""
    assert expected_maximum(trials, 1.0) == pytest.approx(exact, rel=0.08)


@given(trials=st.integers(1, 100_000), more=st.integers(1, 1000))
def test_more_trials_leave_less_of_the_same_result(trials: int, more: int) -> None:
    before = deflated(BEST, trials, VARIANCE)
    after = deflated(BEST, trials + more, VARIANCE)
    assert after < before  # type: ignore[operator]


def test_one_trial_deflates_nothing() -> None:
    assert deflated(BEST, 1, VARIANCE) == probabilistic(BEST)


@given(
    ratio=st.floats(0.02, 0.5),
    skew=st.floats(-2, 2),
    tail=st.floats(0, 10),
    confidence=st.floats(0.55, 0.999),
)
def test_after_the_minimum_track_record_the_probability_is_the_confidence(
    ratio: float, skew: float, tail: float, confidence: float
) -> None:
    kurtosis = 1.0 + skew * skew + tail + 0.1
    needed = minimum_track_record(SharpeEstimate(ratio, 10, skew, kurtosis), 0.0, confidence)
    assert not isinstance(needed, Missing)
    whole = SharpeEstimate(ratio, math.ceil(needed), skew, kurtosis)
    assert probabilistic(whole) >= confidence - 1e-9  # type: ignore[operator]
    shorter = SharpeEstimate(ratio, math.ceil(needed) - 1, skew, kurtosis)
    if shorter.observations >= 2:
        assert probabilistic(shorter) < confidence + 1e-9  # type: ignore[operator]


def test_an_estimate_takes_pearsons_kurtosis_and_the_ratio_per_session() -> None:
    returns = np.random.default_rng(1).standard_t(6, 500) * 0.01 + 0.0005
    found = estimate(returns, rf=0.03)
    assert isinstance(found, SharpeEstimate)
    excess = returns - 0.03 / SESSIONS_PER_YEAR
    assert found.ratio == pytest.approx(excess.mean() / excess.std(ddof=1))
    assert yearly(found.ratio) == pytest.approx(found.ratio * math.sqrt(252))
    assert per_session(yearly(found.ratio)) == pytest.approx(found.ratio)
    assert found.skew == pytest.approx(stats.skew(returns, bias=False))
    assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False, bias=False))


def test_the_standard_error_is_the_spread_of_simulated_estimates() -> None:
    samples = np.random.default_rng(2).gamma(4.0, 0.01, (4000, 250)) - 0.035
    spread = (samples.mean(axis=1) / samples.std(axis=1, ddof=1)).std()
    # A gamma distribution of shape 4 has skew 2 / sqrt(4) and kurtosis 3 + 6 / 4.
    expected = standard_error(SharpeEstimate(0.25, 250, skew=1.0, kurtosis=4.5))
    assert spread == pytest.approx(expected, rel=0.05)


def test_what_cannot_be_measured_says_why() -> None:
    assert estimate(np.array([0.01, 0.02]), 0.0) == Missing("fewer than 4 observations")
    assert estimate(np.full(100, 0.01), 0.0) == Missing("the returns do not vary")
    below = minimum_track_record(SharpeEstimate(0.1, 100), benchmark=0.1)
    assert isinstance(below, Missing)
    assert isinstance(probabilistic(SharpeEstimate(1.0, 100, skew=2.0, kurtosis=1.0)), Missing)
    with pytest.raises(ValueError, match="no maximum"):
        expected_maximum(0, 1.0)
    with pytest.raises(ValueError, match="not negative"):
        expected_maximum(2, -1.0)
