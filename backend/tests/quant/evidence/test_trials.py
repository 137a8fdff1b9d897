"""Effective trials: nearly equal ones count once, whatever comes first."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.quant.evidence.trials import FEWEST, MOST_COMPARED, correlations, effective
from app.quant.measured import Missing
from app.quant.panel import FloatArray


def families(sizes: list[int], *, noise: float = 0.05, seed: int = 1) -> FloatArray:
    """Rows of 300 returns: unrelated families, whose members differ by a little noise."""
    generator = np.random.default_rng(seed)
    parents = generator.normal(0.0005, 0.01, (len(sizes), 300))
    rows = np.repeat(parents, sizes, axis=0)
    return rows + generator.normal(0.0, 0.01 * noise, rows.shape)


def test_nearly_equal_trials_count_once() -> None:
    found = effective(families([3, 1, 4]), rf=0.0)
    assert found.made == 8
    assert found.clusters == ((0, 1, 2), (3,), (4, 5, 6, 7))
    assert found.number == 3


def test_members_correlate_on_average_by_at_least_the_limit() -> None:
    rows = families([2], noise=0.4)
    correlation = float(np.corrcoef(rows[0], rows[1])[0, 1])
    assert effective(rows, rf=0.0, nearly_equal=correlation - 1e-9).number == 1
    assert effective(rows, rf=0.0, nearly_equal=correlation + 1e-9).number == 2


def test_exact_copies_are_one_trial_even_at_a_limit_of_one() -> None:
    rows = np.repeat(families([1, 1]), 2, axis=0)
    assert effective(rows, rf=0.0, nearly_equal=1.0).clusters == ((0, 1), (2, 3))


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_trials_changes_nothing(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = families([3, 2, 1, 2], noise=0.3, seed=seed)
    rows[generator.random(rows.shape) < 0.1] = np.nan
    shuffled = generator.permutation(len(rows))
    before, after = effective(rows, rf=0.01), effective(rows[shuffled], rf=0.01)
    back = {tuple(sorted(int(shuffled[i]) for i in members)) for members in after.clusters}
    assert back == set(before.clusters)
    assert after.variance == before.variance


def test_copies_leave_the_variance_of_the_distinct_ratios() -> None:
    rows = families([1, 1, 1, 1])
    yearly = rows.mean(axis=1) / rows.std(axis=1, ddof=1)
    for trials in (rows, np.concatenate((rows, rows[:1], rows[:1]))):
        found = effective(trials, rf=0.0)
        assert found.variance == pytest.approx(np.var(yearly, ddof=1))


def test_a_cluster_is_measured_by_its_inverse_variance_weighted_average() -> None:
    row = families([1])[0]
    noise = np.random.default_rng(5).normal(0.0, 0.001, 300)
    rows = np.stack((row, 3.0 * row + noise))
    weights = 1.0 / rows.var(axis=1)
    average = weights @ rows / weights.sum() - 0.02 / 252
    found = effective(rows, rf=0.02)
    assert found.number == 1
    assert found.sharpes[0] == pytest.approx(average.mean() / average.std(ddof=1))


def test_correlations_are_taken_over_common_sessions() -> None:
    rows = families([3, 2], noise=1.0)
    rows[np.random.default_rng(2).random(rows.shape) < 0.3] = np.nan
    rows[0, :100] = np.nan
    reference = pd.DataFrame(rows.T).corr(min_periods=FEWEST)
    np.testing.assert_allclose(correlations(rows), reference, rtol=1e-9, atol=1e-12)


def test_trials_that_cannot_be_compared_count_on_their_own() -> None:
    rows = np.repeat(families([1]), 3, axis=0)
    rows[0, FEWEST - 1 :] = np.nan
    rows[1, :100] = 0.0
    rows[1, 100:] = np.nan
    found = effective(rows, rf=0.0)
    assert found.clusters == ((0,), (1,), (2,))
    assert found.sharpes[0] == Missing("fewer than 63 sessions")
    assert found.sharpes[1] == Missing("the returns do not vary")
    assert isinstance(found.variance, Missing)


def test_fewer_than_two_trials_have_no_variance() -> None:
    one = effective(families([1]), rf=0.0)
    assert (one.made, one.number) == (1, 1)
    assert isinstance(one.variance, Missing)
    assert effective(np.empty((0, 0)), rf=0.0).clusters == ()
    with pytest.raises(ValueError, match="above 0"):
        effective(families([1]), rf=0.0, nearly_equal=0.0)


def test_more_trials_than_can_be_compared_all_count() -> None:
    rows = np.tile(families([1])[:, :FEWEST], (MOST_COMPARED + 1, 1))
    assert effective(rows, rf=0.0).number == MOST_COMPARED + 1
    assert effective(rows[:20], rf=0.0).number == 1
