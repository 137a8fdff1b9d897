"""Combinatorially symmetric cross-validation against brute force and its paper's cases."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from app.quant.evidence.overfitting import Overfitting, affordable, cross_validate
from app.quant.measured import Missing
from app.quant.panel import FloatArray
from app.quant.statistics import sharpe


def measured(returns: FloatArray, *, rf: float = 0.0, blocks: int = 10) -> Overfitting:
    found = cross_validate(returns, rf=rf, blocks=blocks)
    assert isinstance(found, Overfitting)
    return found


def brute_force(returns: FloatArray, rf: float, blocks: int) -> tuple[list[float], FloatArray]:
    """Logits, and the chosen ratio inside and outside, from the returns of every choice."""
    pieces = np.split(returns, blocks, axis=1)
    logits, ratios = [], []
    for chosen in combinations(range(blocks), blocks // 2):
        rest = [b for b in range(blocks) if b not in chosen]
        inside = np.array([sharpe(r, rf) for r in np.hstack([pieces[b] for b in chosen])])
        outside = np.array([sharpe(r, rf) for r in np.hstack([pieces[b] for b in rest])])
        best = int(inside.argmax())
        relative = stats.rankdata(outside)[best] / (len(returns) + 1)
        logits.append(math.log(relative / (1 - relative)))
        ratios.append((inside[best], outside[best]))
    return logits, np.array(ratios)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), trials=st.integers(2, 7), rf=st.floats(-0.05, 0.1))
def test_block_sums_give_what_every_choice_gives_by_itself(
    seed: int, trials: int, rf: float
) -> None:
    returns = np.random.default_rng(seed).normal(0.001, 0.01, (trials, 60))
    found = measured(returns, rf=rf, blocks=6)
    logits, ratios = brute_force(returns, rf, 6)
    np.testing.assert_allclose(found.logits, logits, atol=1e-12)
    line = stats.linregress(ratios[:, 0], ratios[:, 1])
    assert found.combinations == 20
    assert found.probability == np.mean(np.array(logits) <= 0)
    assert found.loss == np.mean(ratios[:, 1] < 0)
    assert found.slope == pytest.approx(line.slope, rel=1e-6, abs=1e-9)
    assert found.intercept == pytest.approx(line.intercept, rel=1e-6, abs=1e-9)
    assert found.r_squared == pytest.approx(line.rvalue**2, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("trials", "blocks"), [(2, 16), (233, 16), (234, 14), (10_000, 10)])
def test_more_trials_are_judged_on_fewer_blocks(trials: int, blocks: int) -> None:
    """C(16, 8) = 12,870, C(14, 7) = 3,432, C(12, 6) = 924 and C(10, 5) = 252 halves."""
    assert affordable(trials) == blocks


def case(sharpe_of_one: float | None) -> FloatArray:
    """Bailey, Borwein, López de Prado and Zhu (2015), test cases: 100 trials of 1,000 days with a
    yearly volatility of 1, each scaled and centred to a ratio of zero over all days; in cases 2 and
    3 the last has a ratio of its own."""
    returns = np.random.default_rng(11).normal(size=(100, 1000))
    returns -= returns.mean(axis=1, keepdims=True)
    returns /= returns.std(axis=1, keepdims=True) * math.sqrt(252)
    if sharpe_of_one is not None:
        returns[-1] += sharpe_of_one / 252
    return returns


def test_trials_that_are_equal_over_all_days_are_fully_overfit() -> None:
    """Test case 1: what is gained inside is lost outside."""
    found = measured(case(None))
    assert found.probability == 1.0
    assert found.loss == 1.0
    assert found.slope == pytest.approx(-1.0, abs=0.1)


def test_the_stronger_the_one_true_edge_the_less_overfit() -> None:
    """Test cases 2 and 3, and one whose edge nothing hides."""
    high, low, none = (measured(case(ratio)).probability for ratio in (1.0, 2.0, 5.0))
    assert 1.0 > high > low > none == 0.0
    assert measured(case(5.0)).loss == 0.0


def test_choosing_among_noise_is_no_better_than_a_coin() -> None:
    noise = np.random.default_rng(4).normal(size=(60, 20, 160))
    found = [measured(returns, blocks=8).probability for returns in noise]
    error = float(np.std(found, ddof=1)) / math.sqrt(len(found))
    assert np.mean(found) == pytest.approx(0.5, abs=3 * error)


@pytest.mark.parametrize("trials", [2, 9])
def test_equal_trials_share_the_middle_rank_and_count_as_overfit(trials: int) -> None:
    row = np.random.default_rng(6).normal(size=160)
    found = measured(np.tile(row, (trials, 1)), blocks=8)
    np.testing.assert_array_equal(found.logits, 0.0)
    assert found.probability == 1.0


def test_leverage_over_the_risk_free_rate_changes_nothing() -> None:
    returns = np.random.default_rng(7).normal(0.0, 0.01, (8, 163))
    rf = 0.05
    plain = measured(returns + rf / 252, rf=rf)
    levered = measured(2.0 * returns + rf / 252, rf=rf)
    np.testing.assert_allclose(levered.logits, plain.logits)
    assert plain.sessions == 163


def test_a_trial_that_rests_for_a_whole_block_is_left_out() -> None:
    returns = np.random.default_rng(8).normal(0.0, 0.01, (4, 160))
    returns[2, 40:80] = 0.0
    found = measured(returns, blocks=8)
    kept = measured(returns[[0, 1, 3]], blocks=8)
    assert found.trials == 3
    np.testing.assert_array_equal(found.logits, kept.logits)


def test_too_little_to_choose_from_or_to_choose_on_says_so() -> None:
    short = cross_validate(np.random.default_rng(9).normal(size=(3, 159)), rf=0.0)
    assert short == Missing("the trials have 159 common sessions; 160 are needed")
    alone = cross_validate(np.random.default_rng(9).normal(size=(1, 160)), rf=0.0)
    assert isinstance(alone, Missing)
    with pytest.raises(ValueError, match="even"):
        cross_validate(np.zeros((2, 100)), rf=0.0, blocks=5)
    with pytest.raises(ValueError, match="every session"):
        cross_validate(np.full((2, 200), np.nan), rf=0.0)
