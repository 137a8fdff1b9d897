"""Splits of sessions: nothing a test could have told is in its training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant.errors import InsufficientHistory
from app.quant.evidence.splits import Window, combinatorial, walk_forward


def test_rolling_windows_keep_their_length_and_anchored_ones_their_start() -> None:
    rolling = walk_forward(100, train=40, test=20, purge=5)
    assert rolling == (
        Window(range(40), range(45, 65)),
        Window(range(20, 60), range(65, 85)),
        Window(range(40, 80), range(85, 100)),
    )
    anchored = walk_forward(100, train=40, test=20, purge=5, anchored=True)
    assert [w.test for w in anchored] == [w.test for w in rolling]
    assert [w.train for w in anchored] == [range(40), range(60), range(80)]


@given(
    sessions=st.integers(2, 300),
    train=st.integers(1, 100),
    test=st.integers(1, 60),
    purge=st.integers(0, 20),
    anchored=st.booleans(),
)
def test_tests_follow_their_training_and_cover_the_rest_once(
    sessions: int, train: int, test: int, purge: int, *, anchored: bool
) -> None:
    if sessions <= train + purge:
        with pytest.raises(InsufficientHistory):
            walk_forward(sessions, train=train, test=test, purge=purge)
        return
    windows = walk_forward(sessions, train=train, test=test, purge=purge, anchored=anchored)
    tested = [t for window in windows for t in window.test]
    assert tested == list(range(train + purge, sessions))
    for window in windows:
        assert window.test.start - window.train.stop == purge
        assert window.train.start == 0 if anchored else len(window.train) == train


def test_a_step_of_its_own_lets_tests_overlap_or_skip() -> None:
    begins = [w.test.start for w in walk_forward(60, train=20, test=10, step=15)]
    assert begins == [20, 35, 50]
    overlapping = walk_forward(40, train=20, test=10, step=5)
    assert [w.test for w in overlapping][:2] == [range(20, 30), range(25, 35)]


def test_six_groups_tested_two_by_two_make_fifteen_folds_and_five_paths() -> None:
    """López de Prado (2018), section 12.4.1."""
    splits = combinatorial(60, groups=6, tested=2)
    assert (len(splits.folds), splits.paths) == (15, 5)


@given(
    sessions=st.integers(12, 80),
    groups=st.integers(2, 6),
    tested=st.integers(1, 5),
    horizon=st.integers(0, 6),
    embargo=st.integers(0, 6),
)
def test_training_overlaps_no_test_and_keeps_everything_else(
    sessions: int, groups: int, tested: int, horizon: int, embargo: int
) -> None:
    tested = min(tested, groups - 1)
    splits = combinatorial(sessions, groups=groups, tested=tested, horizon=horizon, embargo=embargo)
    for fold in splits.folds:
        # A label at t reads t .. t + horizon; two overlap if neither ends before the other begins.
        clear = [
            t
            for t in range(sessions)
            if all(t + horizon < s or t > s + horizon + embargo for s in fold.test)
        ]
        assert fold.train.tolist() == clear


@given(sessions=st.integers(12, 60), groups=st.integers(2, 6), tested=st.integers(1, 5))
def test_paths_are_whole_and_use_every_test_once(sessions: int, groups: int, tested: int) -> None:
    splits = combinatorial(sessions, groups=groups, tested=min(tested, groups - 1))
    # Each value names its fold and session.
    results = [(fold.test + 1000 * k).astype(np.float64) for k, fold in enumerate(splits.folds)]
    joined = splits.assemble(results)
    assert joined.shape == (splits.paths, sessions)
    np.testing.assert_array_equal(joined % 1000, np.tile(np.arange(sessions), (len(joined), 1)))
    np.testing.assert_array_equal(np.sort(joined.ravel()), np.sort(np.concatenate(results)))


def test_impossible_splits_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one session"):
        walk_forward(100, train=10, test=0)
    with pytest.raises(ValueError, match="between 1 and 3"):
        combinatorial(100, groups=4, tested=4)
    with pytest.raises(ValueError, match="not negative"):
        combinatorial(100, groups=4, tested=2, embargo=-1)
    with pytest.raises(InsufficientHistory):
        combinatorial(3, groups=4, tested=2)
    splits = combinatorial(12, groups=4, tested=1)
    with pytest.raises(ValueError, match="4 folds, 3 results"):
        splits.assemble([np.zeros(3)] * 3)
    with pytest.raises(ValueError, match="tests 3 sessions, not 2"):
        splits.assemble([np.zeros(2)] * 4)
