"""Whether quantiles rise step by step."""

import numpy as np
import pytest

from app.quant.evidence.bootstrap import resampled
from app.quant.measured import Missing
from app.quant.panel import FloatArray
from app.quant.research.monotonicity import monotonicity
from app.quant.research.signals import kernels


def quantiles(means: list[float], sessions: int = 500, seed: int = 0) -> FloatArray:
    random = np.random.default_rng(seed)
    return np.array(means) + random.normal(0, 0.01, (sessions, len(means)))


def test_means_that_rise_at_every_step_are_found_to() -> None:
    found = monotonicity(quantiles([0.0, 0.01, 0.02, 0.03, 0.04]), 1)
    assert found.rank_correlation == pytest.approx(1.0)
    assert isinstance(found.p_value, float)
    assert found.p_value < 0.01


@pytest.mark.parametrize("means", [[0.0] * 5, [0.04, 0.03, 0.02, 0.01, 0.0], [0.0, 0.1, 0.0, 0.2]])
def test_others_are_not(means: list[float]) -> None:
    found = monotonicity(quantiles(means), 1)
    assert isinstance(found.p_value, float)
    assert found.p_value > 0.05


def test_falling_means_have_the_rank_correlation_minus_one() -> None:
    assert monotonicity(quantiles([0.3, 0.2, 0.1]), 1).rank_correlation == pytest.approx(-1.0)


def test_a_high_spread_alone_is_not_enough() -> None:
    """The highest quantile is best by far, and the others are in no order."""
    found = monotonicity(quantiles([0.02, 0.01, 0.015, 0.0, 0.2]), 1)
    assert found.rank_correlation == pytest.approx(0.1)
    assert isinstance(found.p_value, float)
    assert found.p_value > 0.9


def test_under_no_difference_few_are_called_rising() -> None:
    called = [monotonicity(quantiles([0.0] * 5, 200, seed), 1).p_value for seed in range(30)]
    assert np.mean([isinstance(p, float) and p < 0.05 for p in called]) < 0.15


def test_resamples_are_those_of_the_bootstrap_of_runs() -> None:
    values = np.random.default_rng(1).normal(size=(90, 3))
    draws = np.random.default_rng(7).random((40, 90))
    expected = [values[places].mean(axis=0) for places in resampled(90, 8.0, seed=7, count=40)]
    np.testing.assert_allclose(kernels().resampled_means(values, draws, 8.0), expected, atol=1e-14)


def test_too_few_sessions_have_no_p_value_and_none_no_figure() -> None:
    found = monotonicity(quantiles([0.0, 0.1, 0.2], 62), 1)
    assert found.rank_correlation == pytest.approx(1.0)
    assert found.p_value == Missing("62 sessions with every quantile; 63 are needed")
    assert monotonicity(quantiles([0.0, 0.1], 200), 126).p_value == Missing(
        "200 sessions with every quantile; 252 are needed"
    )
    empty = np.full((100, 5), np.nan)
    assert isinstance(monotonicity(empty, 1).rank_correlation, Missing)
