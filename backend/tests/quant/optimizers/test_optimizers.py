"""The four optimizers: limits always kept, closed forms, and independent solvers."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.quant.errors import Infeasible
from app.quant.optimizers import (
    OPTIMIZERS,
    Limits,
    MeanVariance,
    MinimumVariance,
    Problem,
    RankBased,
    Simple,
)
from app.quant.optimizers.feasibility import require_feasible
from app.quant.panel import FloatArray
from tests.quant.optimizers.problems import CLASSES, problem, random_problem

with warnings.catch_warnings():
    # Importing them warns of solvers that are absent and of names they will drop.
    warnings.simplefilter("ignore")
    import cvxpy
    import pypfopt

limits = st.builds(
    Limits,
    st.sampled_from([0.0, 0.01, 0.02, 0.04, 0.05]),
    st.sampled_from([0.05, 0.1, 0.15, 0.3, 1.0]),
    st.sampled_from([0.0, 0.02, 0.25]),
    st.dictionaries(
        st.sampled_from(CLASSES), st.sampled_from([0.1, 0.2, 0.35, 0.5, 1.0]), max_size=3
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 30),
    limits=limits,
    name=st.sampled_from(sorted(OPTIMIZERS)),
)
def test_limits_are_kept_or_the_problem_is_infeasible(
    seed: int, size: int, limits: Limits, name: str
) -> None:
    asked = random_problem(seed, size, limits=limits)
    try:
        require_feasible(asked)
    except Infeasible:
        with pytest.raises(Infeasible):
            OPTIMIZERS[name].solve(asked)
        return
    weights = OPTIMIZERS[name].solve(asked)
    assert abs(weights.sum() - limits.invested) <= 1e-9
    assert (weights >= limits.min_weight - 1e-9).all()
    assert (weights >= 0.0).all()
    assert (weights <= limits.max_weight + 1e-9).all()
    for group, cap in limits.caps.items():
        assert weights[[g == group for g in asked.groups]].sum() <= cap + 1e-9


def objective(weights: FloatArray, asked: Problem) -> float:
    """The mean-variance objective as the design states it, to be minimised."""
    rule, trade = MeanVariance(), weights - asked.current
    cost = asked.buy_rates @ np.maximum(trade, 0) + asked.sell_rates @ np.maximum(-trade, 0)
    z = (asked.composites - asked.composites.mean()) / asked.composites.std(ddof=1)
    risk = 2.5 * weights @ asked.covariance @ weights
    return float(
        risk + 0.01 * asked.sigma @ weights + rule.cost_aversion * cost - 0.1 * z @ weights
    )


def by_cvxpy(asked: Problem, *, mean_variance: bool) -> FloatArray:
    w = cvxpy.Variable(len(asked))
    limits, trade = asked.limits, w - asked.current
    risk = cvxpy.quad_form(w, cvxpy.psd_wrap(asked.covariance))
    penalty = 0.01 * asked.sigma @ w
    if mean_variance:
        z = (asked.composites - asked.composites.mean()) / asked.composites.std(ddof=1)
        cost = asked.buy_rates @ cvxpy.pos(trade) + asked.sell_rates @ cvxpy.neg(trade)
        goal = 2.5 * risk + penalty + cost - 0.1 * z @ w
    else:
        goal = risk + penalty
    constraints = [cvxpy.sum(w) == limits.invested, w >= limits.min_weight, w <= limits.max_weight]
    for group, cap in limits.caps.items():
        constraints.append(np.array([float(g == group) for g in asked.groups]) @ w <= cap)
    accuracy = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-11)
    cvxpy.Problem(cvxpy.Minimize(goal), constraints).solve(solver=cvxpy.CLARABEL, **accuracy)
    return np.asarray(w.value)


@pytest.mark.parametrize("size", [5, 20, 40])
@pytest.mark.parametrize("seed", range(6))
def test_mean_variance_with_costs_and_caps_agrees_with_cvxpy(seed: int, size: int) -> None:
    caps = {"bond": 0.3, "equity": 0.5} if size > 5 else {}
    asked = random_problem(seed, size, caps=caps)
    ours, theirs = MeanVariance().solve(asked), by_cvxpy(asked, mean_variance=True)
    assert objective(ours, asked) == pytest.approx(objective(theirs, asked), abs=1e-7)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("size", [5, 20, 40])
@pytest.mark.parametrize("seed", range(6))
def test_minimum_variance_agrees_with_cvxpy(seed: int, size: int) -> None:
    asked = random_problem(seed, size, caps={"gold": 0.4})
    weights = MinimumVariance().solve(asked)
    np.testing.assert_allclose(weights, by_cvxpy(asked, mean_variance=False), atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_minimum_variance_without_a_penalty_agrees_with_pypfopt(seed: int) -> None:
    asked = random_problem(seed, 15, limits=Limits(0.0, 0.3, 0.0))
    frontier = pypfopt.EfficientFrontier(None, asked.covariance, weight_bounds=(0.0, 0.3))
    theirs = np.array(list(frontier.min_volatility().values()))
    np.testing.assert_allclose(MinimumVariance(0.0).solve(asked), theirs, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_mean_variance_without_penalty_and_cost_agrees_with_pypfopt(seed: int) -> None:
    asked = random_problem(seed, 15, limits=Limits(0.0, 0.3, 0.0))
    rule = MeanVariance(volatility_penalty=0.0, cost_aversion=0.0)
    expected = rule.expected_returns(asked)
    frontier = pypfopt.EfficientFrontier(expected, asked.covariance, weight_bounds=(0.0, 0.3))
    theirs = np.array(list(frontier.max_quadratic_utility(risk_aversion=5.0).values()))
    np.testing.assert_allclose(rule.solve(asked), theirs, atol=1e-4)


def test_two_uncorrelated_names_are_held_by_inverse_variance() -> None:
    weights = MinimumVariance(0.0).solve(problem(np.diag([0.01, 0.03])))
    np.testing.assert_allclose(weights, [0.75, 0.25], atol=1e-9)


def test_the_mean_variance_weight_of_two_names_has_its_closed_form() -> None:
    # With w and 1 - w, μ = ±m: 2m = 5·((a + b)·w - b) at the optimum.
    asked = problem(np.diag([0.2, 0.3]), composites=np.array([0.9, 0.5]))
    m = 0.1 / np.sqrt(2.0)
    weights = MeanVariance(volatility_penalty=0.0).solve(asked)
    assert weights[0] == pytest.approx((2 * m / 5 + 0.3) / 0.5, abs=1e-9)


def test_trading_cost_keeps_current_weights_that_are_nearly_best() -> None:
    asked = problem(np.diag([0.01, 0.03]), current=np.array([0.70, 0.30]))
    free = MeanVariance(volatility_penalty=0.0).solve(asked)
    dear = replace(asked, buy_rates=np.full(2, 0.01), sell_rates=np.full(2, 0.01))
    assert free[0] == pytest.approx(0.75, abs=1e-9)
    np.testing.assert_allclose(
        MeanVariance(volatility_penalty=0.0).solve(dear), asked.current, atol=1e-9
    )


def test_a_dearer_purchase_is_smaller() -> None:
    asked = problem(np.diag([0.04, 0.04]))
    dear = replace(asked, buy_rates=np.array([0.01, 0.0]))
    # Equal risks: 5·0.04·(w₁ - w₂) = -0.01.
    np.testing.assert_allclose(MeanVariance().solve(dear), [0.475, 0.525], atol=1e-9)


def test_mean_variance_weights_meet_the_optimality_conditions() -> None:
    asked = random_problem(3, 20)
    weights, limits = MeanVariance().solve(asked), asked.limits
    up, down = (slope(weights, asked, side) for side in (1.0, -1.0))
    can_grow, can_shrink = weights < limits.max_weight, weights > limits.min_weight
    # Moving weight from any name that can shrink to any that can grow must not help.
    assert up[can_grow].min() + down[can_shrink].min() >= -1e-7


def slope(weights: FloatArray, asked: Problem, side: float) -> FloatArray:
    """How fast the objective rises when one weight moves to `side`."""
    expected = MeanVariance().expected_returns(asked)
    smooth = 5.0 * asked.covariance @ weights + 0.01 * asked.sigma - expected
    trade = weights - asked.current
    buying = trade > 1e-9 if side < 0 else trade > -1e-9
    return side * (smooth + np.where(buying, asked.buy_rates, -asked.sell_rates))


def test_rank_weights_fall_in_equal_steps() -> None:
    weights = RankBased().solve(problem(np.eye(4)))
    np.testing.assert_allclose(weights, np.array([4, 3, 2, 1]) / 10)


def test_exponential_rank_weights_halve_every_half_life() -> None:
    weights = RankBased(half_life=2.0).solve(problem(np.eye(5)))
    np.testing.assert_allclose(weights[2:] / weights[:-2], 0.5)
    assert weights.sum() == pytest.approx(1.0)


def test_rank_weights_under_the_least_weight_are_projected() -> None:
    asked = problem(np.eye(20), Limits())
    weights = RankBased().solve(asked)
    wanted = 0.98 * np.arange(20, 0, -1) / 210
    # Projection onto a box and a sum shifts everything equally, then cuts at the bounds.
    shift = wanted[0] - weights[0]
    np.testing.assert_allclose(weights, np.clip(wanted - shift, 0.02, 0.15), atol=1e-7)


def test_a_cap_moves_equal_weights_from_its_class_to_the_others() -> None:
    limits = Limits(0.0, 1.0, 0.0, {"gold": 0.2})
    asked = problem(np.eye(4), limits, groups=("gold", "gold", "bond", "bond"))
    np.testing.assert_allclose(Simple().solve(asked), [0.1, 0.1, 0.4, 0.4], atol=1e-9)


def test_a_single_name_takes_all_that_is_invested() -> None:
    asked = problem(np.array([[0.04]]), Limits(0.02, 1.0, 0.02))
    for optimizer in OPTIMIZERS.values():
        np.testing.assert_allclose(optimizer.solve(asked), [0.98])


def test_a_single_name_under_the_default_bounds_is_infeasible() -> None:
    asked = problem(np.array([[0.04]]), Limits())
    for optimizer in OPTIMIZERS.values():
        with pytest.raises(Infeasible, match="1 position at no more than 15 % can hold 15 %"):
            optimizer.solve(asked)


def test_the_four_optimizers_really_differ() -> None:
    asked = random_problem(7, 20)
    weights = [optimizer.solve(asked) for optimizer in OPTIMIZERS.values()]
    apart = [np.abs(a - b).sum() for i, a in enumerate(weights) for b in weights[:i]]
    assert min(apart) > 0.1


def test_weights_do_not_depend_on_the_order_of_names() -> None:
    asked = random_problem(11, 12)
    turned = np.arange(12)[::-1]
    moved = replace(
        asked,
        tickers=asked.tickers[::-1],
        groups=asked.groups[::-1],
        covariance=asked.covariance[np.ix_(turned, turned)],
        **{
            name: getattr(asked, name)[turned]
            for name in ("composites", "ranks", "sigma", "current", "buy_rates", "sell_rates")
        },
    )
    for optimizer in OPTIMIZERS.values():
        np.testing.assert_allclose(
            optimizer.solve(moved)[turned], optimizer.solve(asked), atol=1e-6
        )
