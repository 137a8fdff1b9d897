"""The portfolio drawdown rule as a walk through its states."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from app.quant.exposure import ExposurePolicy, ExposureState, after_session, replay

POLICY = ExposurePolicy()


def walk(indices: Iterable[float]) -> ExposureState:
    return replay(indices, POLICY)


def test_a_fall_of_a_fifth_halves_exposure_and_a_smaller_one_does_not() -> None:
    assert walk([1.0, 0.80]).exposure(POLICY) == 0.5
    assert walk([1.0, 0.801]).exposure(POLICY) == 1.0


def test_exposure_returns_once_the_drawdown_is_under_a_tenth() -> None:
    assert walk([0.80, 0.90]).exposure(POLICY) == 0.5
    recovered = walk([0.80, 0.901])
    assert recovered.exposure(POLICY) == 1.0
    assert recovered.peak == 1.0


def test_exposure_returns_after_63_sessions_and_the_old_fall_does_not_halve_it_again() -> None:
    assert walk([0.75] * 63).exposure(POLICY) == 0.5
    restored = walk([0.75] * 64)
    assert restored.exposure(POLICY) == 1.0
    assert after_session(restored, 0.75, POLICY).exposure(POLICY) == 1.0
    assert after_session(restored, 0.59, POLICY).exposure(POLICY) == 0.5


@given(st.lists(st.floats(0.05, 3.0), max_size=200))
def test_exposure_is_never_reduced_for_more_than_63_sessions(indices: list[float]) -> None:
    state, reduced = ExposureState(peak=1.0), 0
    for index in indices:
        state = after_session(state, index, POLICY)
        reduced = reduced + 1 if state.is_reduced else 0
        assert reduced <= POLICY.restore_after
        assert state.peak >= index
