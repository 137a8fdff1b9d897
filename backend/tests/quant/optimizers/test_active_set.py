"""Active sets: the same minimiser as an independent solver, to the conditions of optimality."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.quant.optimizers import Limits, MeanVariance, Problem
from app.quant.optimizers.active_set import Kinked, minimiser
from app.quant.optimizers.qp import solve
from app.quant.panel import FloatArray
from tests.quant.optimizers.problems import random_problem


def kinked(seed: int, size: int) -> Kinked:
    """With kinks below, on, between and above the bounds, some of them free of cost."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(size, size + 3))
    low, high = 0.5 / size, 3.0 / size
    kink = rng.choice([0.0, low, 1.0 / size, 1.5 / size, high, 1.0], size)
    return Kinked(
        loadings @ loadings.T / size,
        rng.normal(0.0, rng.choice([0.01, 1.0]), size),
        rng.choice([0.0, 0.001, 0.1], size),
        rng.choice([0.0, 0.001, 0.1], size),
        kink,
        low,
        high,
        1.0,
    )


def least_gain(problem: Kinked, x: FloatArray) -> float:
    """Of moving a little weight from one name to another: not above zero at the minimum."""
    slopes = problem.quadratic @ x + problem.linear
    rising = slopes + np.where(x >= problem.kink, problem.up, -problem.down)
    falling = slopes + np.where(x > problem.kink, problem.up, -problem.down)
    can_grow, can_shrink = x < problem.high, x > problem.low
    return float(falling[can_shrink].max(initial=-np.inf) - rising[can_grow].min(initial=np.inf))


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 40))
def test_no_weight_is_better_placed_elsewhere(seed: int, size: int) -> None:
    problem = kinked(seed, size)
    x, found = minimiser(problem)
    assert found
    assert x.sum() == pytest.approx(1.0, abs=1e-12)
    assert x.min() >= problem.low - 1e-15
    assert x.max() <= problem.high + 1e-15
    assert least_gain(problem, x) <= 1e-12


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(7, 30))
def test_the_weights_are_those_of_the_quadratic_program(seed: int, size: int) -> None:
    asked: Problem = random_problem(seed, size)
    rule = MeanVariance()
    by_program = solve(rule.program(asked))[:size]
    np.testing.assert_allclose(rule.solve(asked), by_program, atol=1e-6)


def test_where_risk_has_no_unique_minimum_the_quadratic_program_answers() -> None:
    asked = random_problem(1, 20)
    rule = MeanVariance(risk_aversion=0.0)
    assert not minimiser(rule._kinked(asked))[1]
    weights = rule.solve(asked)
    assert weights.sum() == pytest.approx(asked.limits.invested, abs=1e-9)


def test_names_that_fill_their_bounds_exactly_stay_there() -> None:
    asked = random_problem(2, 10, limits=Limits(0.1, 0.1, 0.0))
    np.testing.assert_allclose(MeanVariance().solve(asked), 0.1, atol=1e-12)
