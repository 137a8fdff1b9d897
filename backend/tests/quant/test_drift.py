"""Drift against targets: the three modes, their borders, and names that come and go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant.drift import DriftMode, DriftPolicy, measure

ABSOLUTE = DriftPolicy(mode=DriftMode.ABSOLUTE)
RELATIVE = DriftPolicy(mode=DriftMode.RELATIVE)
HYBRID = DriftPolicy()


def test_drift_is_weight_minus_target_and_turnover_half_the_sum_of_sizes() -> None:
    drift = measure({"A": 0.55, "B": 0.25}, {"A": 0.50, "B": 0.40}, ABSOLUTE)
    assert [n.drift for n in drift.names] == pytest.approx([0.05, -0.15])
    assert drift.max_drift == pytest.approx(0.15)
    assert drift.turnover == pytest.approx(0.10)
    assert drift.needs_rebalancing
    assert drift.reason == "B is 15 points under its target, outside the band of 5 points."


@pytest.mark.parametrize("base", [0.10, 0.15, 0.20, 0.25, 0.30, 0.35])
def test_a_drift_exactly_on_the_absolute_band_is_inside_it(base: float) -> None:
    on_band = measure({"A": base + 0.05}, {"A": base}, ABSOLUTE)
    beyond = measure({"A": base + 0.0501}, {"A": base}, ABSOLUTE)
    assert (on_band.needs_rebalancing, beyond.needs_rebalancing) == (False, True)


def test_the_relative_band_is_a_quarter_of_the_target() -> None:
    assert not measure({"A": 0.050}, {"A": 0.04}, RELATIVE).needs_rebalancing
    drift = measure({"A": 0.0501}, {"A": 0.04}, RELATIVE)
    assert drift.needs_rebalancing
    assert "more than 25% of that target" in drift.reason


def test_hybrid_ignores_a_large_relative_drift_that_is_small_for_the_portfolio() -> None:
    weights, targets = {"A": 0.029, "B": 0.9}, {"A": 0.02, "B": 0.9}
    assert measure(weights, targets, RELATIVE).needs_rebalancing
    assert not measure(weights, targets, HYBRID).needs_rebalancing
    assert measure({"A": 0.03, "B": 0.9}, targets, HYBRID).needs_rebalancing


def test_hybrid_also_fires_on_the_absolute_band() -> None:
    weights, targets = {"A": 0.56, "B": 0.4}, {"A": 0.50, "B": 0.4}
    assert not measure(weights, targets, RELATIVE).needs_rebalancing
    assert measure(weights, targets, HYBRID).needs_rebalancing


def test_hybrid_fires_when_a_name_enters_or_leaves_the_target_set() -> None:
    drift = measure({"A": 0.005, "B": 0.5}, {"B": 0.5, "C": 0.005}, HYBRID)
    assert (drift.entered, drift.left) == (("C",), ("A",))
    assert drift.needs_rebalancing
    assert drift.reason == "C entered the target set and A left the target set."


def test_a_wanted_name_that_could_not_be_bought_has_not_entered_again() -> None:
    weights, targets = {"B": 0.5}, {"B": 0.5, "C": 0.005}
    assert measure(weights, targets, HYBRID).needs_rebalancing
    assert not measure(weights, targets, HYBRID, previous=["B", "C"]).needs_rebalancing


def test_a_name_without_a_target_is_outside_any_relative_band() -> None:
    drift = measure({"A": 0.03}, {}, RELATIVE)
    assert drift.needs_rebalancing
    assert drift.reason == "A is held at 3.0% without a target."


def test_an_empty_portfolio_without_targets_has_no_drift() -> None:
    drift = measure({}, {}, HYBRID)
    assert (drift.max_drift, drift.turnover, drift.needs_rebalancing) == (0.0, 0.0, False)


def test_inside_the_bands_the_reason_names_the_furthest() -> None:
    drift = measure({"A": 0.501, "B": 0.392}, {"A": 0.5, "B": 0.4}, HYBRID)
    assert drift.reason == (
        "Every position is inside its bands: B, the furthest off, is 0.8 points under its target."
    )
    assert measure({"A": 0.5}, {"A": 0.5}, HYBRID).reason == "Every position is at its target."


def test_many_new_names_are_summed_up() -> None:
    drift = measure({}, {f"T{k}": 0.1 for k in range(8)}, HYBRID)
    assert drift.reason == "T0, T1, T2, T3, T4 and 3 others entered the target set."


WEIGHTS = st.dictionaries(st.sampled_from("ABCDEFG"), st.floats(0.0, 0.3))


@given(weights=WEIGHTS, targets=WEIGHTS, mode=st.sampled_from(DriftMode))
def test_turnover_is_bounded_by_drift_and_targets_met_need_nothing(
    weights: dict[str, float], targets: dict[str, float], mode: DriftMode
) -> None:
    drift = measure(weights, targets, DriftPolicy(mode=mode))
    assert 0.5 * drift.max_drift <= drift.turnover + 1e-15
    assert drift.turnover <= 0.5 * len(drift.names) * drift.max_drift + 1e-15
    assert drift.reason.endswith(".")
    assert not measure(targets, targets, DriftPolicy(mode=mode)).needs_rebalancing
