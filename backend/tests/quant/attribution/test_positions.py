"""Attribution by position: the linked parts add up to the period's return."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant.attribution.linking import link
from app.quant.attribution.positions import by_position
from app.quant.errors import QuantError


@given(
    seed=st.integers(0, 2**32 - 1),
    days=st.integers(1, 1500),
    names=st.integers(1, 30),
    scale=st.sampled_from([0.0, 1e-12, 1e-4, 0.02]),
)
def test_positions_cash_and_costs_add_up_to_the_total(
    seed: int, days: int, names: int, scale: float
) -> None:
    generator = np.random.default_rng(seed)
    weights = generator.dirichlet(np.ones(names), days) * 0.95
    contributions = weights * np.clip(generator.normal(0.0, scale, (days, names)), -0.5, 0.5)
    costs = generator.exponential(scale / 20, days)
    returns = contributions.sum(axis=1) - costs + 0.05 * scale
    found = by_position([str(k) for k in range(names)], contributions, costs=costs, returns=returns)
    parts = math.fsum(p.contribution for p in found.positions) + found.cash + found.costs
    assert abs(parts - found.total) <= 1e-10
    assert found.total == pytest.approx(np.prod(1.0 + returns) - 1.0, rel=1e-9, abs=1e-13)
    assert found.costs <= 0.0


def test_one_day_is_split_as_it_is() -> None:
    found = by_position(
        ["A", "B"],
        np.array([[0.5 * 0.02, 0.4 * -0.01]]),
        costs=np.array([0.001]),
        returns=np.array([0.0055]),
    )
    parts = [p.contribution for p in found.positions]
    assert parts == pytest.approx([0.01, -0.004])
    assert (found.costs, found.cash, found.total) == pytest.approx((-0.001, 0.0005, 0.0055))


def test_two_days_follow_carino_in_closed_form() -> None:
    returns = np.array([0.10, -0.05])
    total = 1.1 * 0.95 - 1
    bridge = math.log1p(total) / total
    factors = [math.log(1.1) / 0.10 / bridge, math.log(0.95) / -0.05 / bridge]
    parts = np.array([[0.06, 0.04], [-0.05, 0.0]])
    expected = [0.06 * factors[0] - 0.05 * factors[1], 0.04 * factors[0]]
    np.testing.assert_allclose(link(parts, returns), expected, rtol=1e-13)


def test_a_period_that_ends_where_it_began_still_adds_up() -> None:
    returns = np.array([0.25, -0.2])
    found = by_position(["A"], returns[:, np.newaxis], costs=np.zeros(2), returns=returns)
    assert found.positions[0].contribution == pytest.approx(0.0, abs=1e-15)


def test_a_day_without_a_return_or_that_loses_everything_is_refused() -> None:
    for bad in (-1.0, math.nan):
        with pytest.raises(QuantError, match="cannot be linked"):
            link(np.ones((1, 1)), np.array([bad]))
