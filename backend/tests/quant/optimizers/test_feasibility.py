"""Limits that clash are named, with the least change that helps."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.quant.errors import Infeasible
from app.quant.optimizers import Limits
from app.quant.optimizers.feasibility import (
    LimitsClash,
    Relaxation,
    Shape,
    check,
    clashes,
    percent,
)

weights = st.integers(0, 400).map(lambda n: n / 1000)
shares = st.integers(0, 1000).map(lambda n: n / 1000)
shapes = st.builds(
    Shape,
    st.lists(st.sampled_from(["bond", "equity", "gold", "other"]), min_size=1, max_size=30).map(
        tuple
    ),
    st.builds(
        Limits,
        weights,
        weights,
        st.sampled_from([0.0, 0.02, 0.1]),
        st.dictionaries(st.sampled_from(["bond", "equity", "gold"]), shares, max_size=3),
    ),
)


def said(limits: Limits, groups: tuple[str, ...], *, complete: bool = True) -> str:
    with pytest.raises(Infeasible) as clash:
        check(Shape(groups, limits, complete))
    return str(clash.value)


def test_weights_that_must_be_too_large() -> None:
    assert said(Limits(0.06, 0.15), ("",) * 20) == (
        "20 positions at no less than 6 % need 120 % but only 98 % is to be invested: "
        "lower min_weight to 4.9 % or lower num_positions to 16"
    )


def test_weights_that_must_be_too_small() -> None:
    assert said(Limits(0.02, 0.15), ("",) * 5) == (
        "5 positions at no more than 15 % can hold 75 % but 98 % is to be invested: "
        "raise max_weight to 19.6 %, raise num_positions to 7 or raise cash_buffer to 25 %"
    )


def test_more_positions_are_not_proposed_where_no_more_names_are_eligible() -> None:
    assert said(Limits(0.02, 0.15), ("",) * 5, complete=False) == (
        "5 positions (no other ETF is eligible) at no more than 15 % can hold 75 % but 98 % is to "
        "be invested: raise max_weight to 19.6 % or raise cash_buffer to 25 %"
    )


def test_a_cap_that_its_own_members_need_more_than() -> None:
    groups = ("bond",) * 4 + ("",) * 6
    assert said(Limits(0.05, 0.2, 0.0, {"bond": 0.15}), groups) == (
        "4 bond positions at no less than 5 % need 20 % but the cap of bond is 15 %: "
        "lower min_weight to 3.75 % or raise the cap of bond to 20 %"
    )


def test_caps_that_leave_too_little_room_together() -> None:
    groups = ("bond",) * 4 + ("equity",) * 4
    assert said(Limits(0.02, 0.2, 0.02, {"bond": 0.3, "equity": 0.4}), groups) == (
        "8 positions at no more than 20 %, bond capped at 30 %, equity capped at 40 % can hold "
        "70 % but 98 % is to be invested: raise cash_buffer to 30 %, raise the cap of bond to "
        "58 % or raise the cap of equity to 68 %"
    )


def test_bounds_the_wrong_way_round() -> None:
    assert said(Limits(0.2, 0.1, 0.0), ("",) * 10) == (
        "min_weight 20 % is above max_weight 10 %; 10 positions at no less than 20 % need 200 % "
        "but only 100 % is to be invested: lower min_weight to 10 %"
    )


def test_nothing_to_hold() -> None:
    assert said(Limits(), ()) == "no ETF is eligible, but 98 % is to be invested"


def test_limits_that_just_meet_do_not_clash() -> None:
    check(Shape(("",) * 49, Limits(0.02, 0.02)))
    check(Shape(("bond",) * 7, Limits(0.0, 0.14, 0.02, {"bond": 0.98})))


@pytest.mark.parametrize("bad", [float("nan"), -0.01, 1.01])
def test_limits_are_fractions(bad: float) -> None:
    for limits in ({"min_weight": bad}, {"cash_buffer": bad}, {"caps": {"bond": bad}}):
        with pytest.raises(ValueError, match="fractions"):
            Limits(**limits)


def test_percentages_are_rounded_so_that_they_work() -> None:
    import math

    assert percent(0.98 / 13, math.floor) == "7.53 %"
    assert percent(0.98 / 13, math.ceil) == "7.54 %"
    assert percent(1 - 0.951, math.floor) == percent(0.049, math.ceil) == "4.9 %"


@settings(deadline=None)
@given(shapes)
def test_every_relaxation_works_and_a_slightly_smaller_one_does_not(shape: Shape) -> None:
    assume(any(clashes(shape)))
    with pytest.raises(LimitsClash) as clash:
        check(shape)
    assert clash.value.relaxations
    for way in clash.value.relaxations:
        check(way.shape)
        assert way.text in str(clash.value)
        assert any(clashes(slightly_less(shape, way)))


def slightly_less(shape: Shape, way: Relaxation) -> Shape:
    """A thousandth short of the change, or one position short of it."""
    old, new = shape.limits, way.shape.limits
    if len(shape) != len(way.shape):
        step = 1 if len(way.shape) > len(shape) else -1
        names = way.shape.groups if step > 0 else shape.groups
        return replace(shape, groups=names[: len(way.shape) - step])
    part = {
        name: getattr(new, name) - 1e-3 * (getattr(new, name) - getattr(old, name))
        for name in ("min_weight", "max_weight", "cash_buffer")
    }
    caps = {k: cap - 1e-3 * (cap - old.caps[k]) for k, cap in new.caps.items()}
    return replace(shape, limits=Limits(**part, caps=caps))
