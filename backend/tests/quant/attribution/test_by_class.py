"""Brinson-Fachler effects and Carino's linking against published tables, and that all adds up."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant.attribution.by_class import Blend, by_class, effects
from app.quant.attribution.linking import link, total_return
from app.quant.errors import QuantError
from tests.quant.attribution.books import book_of, random_book

# Four quarters of UK, Japanese and US equities: Bacon, "Practical Portfolio Performance Measurement
# and Attribution" (2nd edition, 2008), table 8.1; linked by Carino's method in table 8.2. The same
# figures are in the tests of the R package PortfolioAttribution. Bacon counts interaction to
# selection and rounds to two decimals of a percent.
WEIGHTS = np.array([[0.4, 0.3, 0.3], [0.7, 0.2, 0.1], [0.3, 0.5, 0.2], [0.3, 0.5, 0.2]])
RETURNS = np.array(
    [[0.20, -0.05, 0.06], [-0.05, 0.03, -0.05], [-0.20, 0.08, -0.15], [0.10, -0.07, 0.25]]
)
THEIR_WEIGHTS = np.array([[0.4, 0.2, 0.4], [0.4, 0.3, 0.3], [0.5, 0.4, 0.1], [0.4, 0.4, 0.2]])
THEIR_RETURNS = np.array(
    [[0.10, -0.04, 0.08], [-0.07, 0.04, -0.10], [-0.25, 0.05, -0.20], [0.05, -0.05, 0.10]]
)
ALLOCATION = [
    [0.0, -0.0104, -0.0016],
    [-0.0072, -0.0086, 0.0108],
    [0.025, 0.0175, -0.0075],
    [-0.003, -0.007, 0.0],
]
SELECTION = [
    [0.04, -0.003, -0.006],
    [0.014, -0.002, 0.005],
    [0.015, 0.015, 0.01],
    [0.015, -0.01, 0.03],
]
LINKED_ALLOCATION = [0.0165, -0.0060, 0.0015]
LINKED_SELECTION = [0.0804, 0.0018, 0.0385]
ROUNDED = 6e-5


def test_effects_of_four_quarters_are_those_that_bacon_publishes() -> None:
    found = effects(WEIGHTS, RETURNS, (THEIR_WEIGHTS, THEIR_RETURNS))

    np.testing.assert_allclose(found.allocation, ALLOCATION, atol=ROUNDED)
    np.testing.assert_allclose(found.selection + found.interaction, SELECTION, atol=ROUNDED)


def test_selection_and_interaction_of_one_quarter_are_told_apart() -> None:
    """Worked by hand from the definition: 40 % of 10 points, 20 % of -1, 40 % of -2."""
    found = effects(WEIGHTS[:1], RETURNS[:1], (THEIR_WEIGHTS[:1], THEIR_RETURNS[:1]))

    np.testing.assert_allclose(found.selection, [[0.04, -0.002, -0.008]], atol=1e-15)
    np.testing.assert_allclose(found.interaction, [[0.0, -0.001, 0.002]], atol=1e-15)


def test_linked_effects_are_those_that_bacon_publishes_of_carinos_method() -> None:
    found = effects(WEIGHTS, RETURNS, (THEIR_WEIGHTS, THEIR_RETURNS))
    mine = (WEIGHTS * RETURNS).sum(axis=1)
    theirs = (THEIR_WEIGHTS * THEIR_RETURNS).sum(axis=1)

    allocation = link(found.allocation, mine, theirs)
    selection = link(found.selection + found.interaction, mine, theirs)

    np.testing.assert_allclose(allocation, LINKED_ALLOCATION, atol=ROUNDED)
    np.testing.assert_allclose(selection, LINKED_SELECTION, atol=ROUNDED)
    apart = total_return(mine) - total_return(theirs)
    assert math.fsum((*allocation, *selection)) == pytest.approx(apart, abs=1e-15)


def test_a_class_that_only_one_side_holds_is_a_matter_of_allocation() -> None:
    found = effects(
        np.array([[0.5, 0.5, 0.0]]),
        np.array([[0.02, 0.10, np.nan]]),
        (np.array([[0.5, 0.0, 0.5]]), np.array([[0.02, np.nan, 0.04]])),
    )

    np.testing.assert_allclose(found.allocation, [[0.0, 0.5 * 0.07, -0.5 * 0.01]], atol=1e-15)
    np.testing.assert_array_equal(found.selection, np.zeros((1, 3)))
    np.testing.assert_array_equal(found.interaction, np.zeros((1, 3)))


@given(
    seed=st.integers(0, 2**32 - 1),
    days=st.integers(1, 1300),
    names=st.integers(1, 25),
    scale=st.sampled_from([0.0, 1e-9, 1e-4, 0.02]),
)
def test_effects_trading_interest_and_costs_add_up_to_the_difference(
    seed: int, days: int, names: int, scale: float
) -> None:
    book = random_book(seed, days, names, scale)
    generator = np.random.default_rng(seed + 1)
    # Contributions are not quite weights times returns where something was traded in the session.
    returns = generator.normal(0.0, scale, (days, names))
    returns[generator.random(returns.shape) < 0.05] = np.nan
    blend = Blend(np.array([0.6, 0.4]), generator.normal(0.0, scale, (days, 2)), ("c0", "other"))

    found = by_class(book, returns, [f"c{k % 4}" for k in range(names)], blend)

    of_classes = [(c.allocation, c.selection, c.interaction) for c in found.classes]
    parts = math.fsum(each for one in of_classes for each in one)
    parts += found.trading + found.interest + found.costs
    assert abs(parts - found.active) <= 1e-10
    assert found.active == pytest.approx(found.total - found.benchmark, abs=1e-15)
    assert math.fsum(each.weight for each in found.classes) == pytest.approx(1.0)
    assert math.fsum(each.benchmark_weight for each in found.classes) == pytest.approx(1.0)


def test_a_book_that_is_its_benchmark_has_no_effect_at_all() -> None:
    returns = np.array([[0.01, -0.02], [0.03, 0.004]])
    weights = np.tile([0.7, 0.3], (2, 1))
    book = book_of(weights, weights * returns)

    found = by_class(book, returns, ["a", "b"], Blend(np.array([0.7, 0.3]), returns, ["a", "b"]))

    for each in found.classes:
        effect = (each.allocation, each.selection, each.interaction)
        assert effect == pytest.approx((0.0, 0.0, 0.0), abs=1e-17)
    assert found.active == 0.0


def test_cash_is_a_class_that_earns_nothing() -> None:
    """Half in cash while the benchmark rises 2 %: half of its return is missed, all by allocation
    to cash and away from the class."""
    book = book_of(np.array([[0.5]]), np.array([[0.01]]))
    blend = Blend(np.array([1.0]), np.array([[0.02]]), ["a"])

    found = by_class(book, np.array([[0.02]]), ["a"], blend)

    by_name = {each.name: each for each in found.classes}
    assert by_name["cash"].allocation == pytest.approx(-0.01)
    assert by_name["cash"].weight == 0.5
    assert by_name["a"].allocation == pytest.approx(0.0)
    assert found.active == pytest.approx(-0.01)


def test_a_benchmark_that_loses_everything_cannot_be_linked() -> None:
    book = book_of(np.array([[0.5]]), np.array([[0.01]]))
    with pytest.raises(QuantError, match="cannot be linked"):
        by_class(book, np.array([[0.02]]), ["a"], Blend(np.array([1.0]), np.array([[-1.0]]), ["a"]))
