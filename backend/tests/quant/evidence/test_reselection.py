"""Choosing again: what is chosen depends on the training sessions alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant import statistics
from app.quant.evidence.reselection import NOBODY, TOO_FEW, cross_validated, sharpes, walked
from app.quant.evidence.splits import combinatorial, walk_forward
from app.quant.measured import Missing
from app.quant.panel import FloatArray

RF = 0.03


def returns(seed: int, runs: int = 6, sessions: int = 90) -> FloatArray:
    return np.random.default_rng(seed).normal(0.0004, 0.01, (runs, sessions))


def test_the_ratio_of_each_row_is_that_of_its_known_returns() -> None:
    rows = returns(1)
    rows[2, 5:40] = np.nan
    rows[3] = 0.001
    rows[4, 1:] = np.nan
    found = sharpes(rows, RF)
    for row in (0, 1, 2, 5):
        expected = statistics.sharpe(rows[row][np.isfinite(rows[row])], RF)
        assert found[row] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(found[[3, 4]]).all()


@given(seed=st.integers(0, 2**32 - 1), anchored=st.booleans(), purge=st.integers(0, 3))
def test_walking_forward_never_uses_a_return_of_its_test_or_after_it_to_choose(
    seed: int, *, anchored: bool, purge: int
) -> None:
    rows = returns(seed)
    windows = walk_forward(90, train=30, test=15, anchored=anchored, purge=purge)
    for window, choice in zip(windows, walked(rows, windows, rf=RF), strict=True):
        changed = rows.copy()
        changed[:, window.train.stop :] = np.random.default_rng(seed + 1).normal(
            size=(6, 90 - window.train.stop)
        )
        again = walked(changed, (window,), rf=RF)[0]
        assert (choice.row, choice.inside) == (again.row, again.inside)
        assert again.outside != choice.outside


@given(seed=st.integers(0, 2**32 - 1), embargo=st.integers(0, 4))
def test_cross_validation_never_uses_a_return_of_its_test_to_choose(
    seed: int, embargo: int
) -> None:
    rows = returns(seed)
    splits = combinatorial(90, groups=5, tested=2, horizon=1, embargo=embargo)
    found = cross_validated(rows, splits, rf=RF)
    for number, fold in enumerate(splits.folds):
        changed = rows.copy()
        changed[:, fold.test] = 0.5
        again = cross_validated(changed, splits, rf=RF).choices[number]
        assert (found.choices[number].row, found.choices[number].inside) == (
            again.row,
            again.inside,
        )


def test_where_one_run_is_best_everywhere_it_is_chosen_everywhere_and_every_path_is_it() -> None:
    rows = returns(7)
    rows[4] += 0.02
    splits = combinatorial(90, groups=6, tested=2)
    found = cross_validated(rows, splits, rf=RF)
    assert {choice.row for choice in found.choices} == {4}
    np.testing.assert_array_equal(found.returns, np.tile(rows[4], (splits.paths, 1)))
    np.testing.assert_allclose(found.sharpes, sharpes(rows[4:5], RF)[0], rtol=1e-12)
    assert (found.loss, found.missing) == (0.0, 0)


def test_runs_that_do_not_vary_give_a_choice_of_none_with_its_reason() -> None:
    rows = np.zeros((3, 40))
    (choice,) = walked(rows, walk_forward(40, train=30, test=10), rf=RF)
    assert choice.row == choice.inside == choice.outside == NOBODY
    rows[1, :30] = returns(3)[0, :30]
    rows[1, 31:] = np.nan
    (choice,) = walked(rows, walk_forward(40, train=30, test=10), rf=RF)
    assert (choice.row, choice.outside) == (1, TOO_FEW)
    found = cross_validated(np.zeros((3, 40)), combinatorial(40, groups=4, tested=1), rf=RF)
    assert isinstance(found.mean, Missing)
    assert found.missing == 1


def test_of_equal_runs_the_first_is_chosen() -> None:
    rows = np.tile(returns(5)[0], (3, 1))
    (choice,) = walked(rows, walk_forward(90, train=60, test=30), rf=RF)
    assert choice.row == 0
