"""Parameter surfaces: plateaus beside peaks."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.quant.evidence.surface import Axis, Point, survey
from app.quant.measured import Missing

ROWS = Axis("hold_buffer", (1.0, 1.5, 2.0, 2.5, 3.0))
COLUMNS = Axis("num_positions", (10, 15, 20, 25, 30, 35))
PLATEAU = np.array(
    [
        [0.1, 0.1, 0.1, 0.1, 0.1, 2.0],
        [0.1, 1.0, 1.1, 1.0, 0.1, 0.1],
        [0.1, 1.0, 1.0, 1.1, 0.1, 0.1],
        [0.1, 1.0, 1.0, 1.0, 0.1, 0.1],
        [0.1, 0.1, 0.1, 0.1, 0.1, 0.1],
    ]
)


def test_a_lonely_peak_is_not_the_plateau() -> None:
    found = survey((ROWS, COLUMNS), PLATEAU)
    assert isinstance(found.peak, Point)
    assert isinstance(found.plateau, Point)
    assert found.peak.settings == {"hold_buffer": 1.0, "num_positions": 35}
    assert (found.peak.value, found.peak.neighbours, found.peak.lowest) == (2.0, 3, 0.1)
    assert found.prominence == pytest.approx(1.9)
    assert found.in_spreads == pytest.approx(1.9 / PLATEAU.std(ddof=1))
    assert found.plateau.settings == {"hold_buffer": 2.0, "num_positions": 20}
    assert found.plateau.mean == pytest.approx(9.2 / 9)
    assert (found.plateau.lowest, found.plateau.known, found.plateau.neighbours) == (1.0, 8, 8)


def test_of_points_with_the_same_neighbourhood_the_best_one_is_the_plateau() -> None:
    """On a two by two grid all four points see the same."""
    small = (Axis("a", (1, 2)), Axis("b", (1, 2)))
    found = survey(small, np.array([[0.1, 0.3], [0.2, 0.7]]))
    assert isinstance(found.plateau, Point)
    assert found.plateau.settings == {"a": 2, "b": 2}


def test_values_without_an_order_are_no_neighbours() -> None:
    optimizers = Axis("optimizer", ("simple", "mvo", "minvar"), ordered=False)
    values = np.array([[1.0, 1.0], [5.0, 3.0], [0.0, 0.0]])
    found = survey((optimizers, Axis("lookback", (126, 252))), values)
    np.testing.assert_allclose(found.mean, [[1.0, 1.0], [4.0, 4.0], [0.0, 0.0]])
    assert found.prominence == pytest.approx(2.0)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    gaps=st.floats(0.0, 0.8),
)
def test_every_point_sums_up_itself_and_its_neighbours(
    seed: int, shape: list[int], gaps: float
) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=shape)
    values[generator.random(shape) < gaps] = np.nan
    axes = [
        Axis(str(k), tuple(range(n)), ordered=bool(generator.integers(2)))
        for k, n in enumerate(shape)
    ]
    found = survey(axes, values)
    for place in product(*map(range, shape)):
        near = [
            values[other]
            for other in product(*map(range, shape))
            if all(
                abs(a - b) <= (1 if axis.ordered else 0)
                for a, b, axis in zip(place, other, axes, strict=True)
            )
        ]
        known = [value for value in near if not np.isnan(value)]
        here = not np.isnan(values[place])
        assert found.neighbours[place] == len(near) - 1
        assert found.known[place] == len(known) - here
        expected = (np.mean(known), np.min(known)) if here else (np.nan, np.nan)
        np.testing.assert_allclose((found.mean[place], found.lowest[place]), expected, atol=1e-12)


def test_a_point_whose_neighbours_failed_is_no_plateau() -> None:
    found = survey((Axis("n", (1, 2, 3, 4, 5)),), np.array([9.0, np.nan, 1.0, 2.0, 1.0]))
    assert isinstance(found.plateau, Point)
    assert found.plateau.settings == {"n": 3}
    assert (found.plateau.mean, found.plateau.known, found.plateau.neighbours) == (1.5, 1, 2)
    assert found.prominence == found.in_spreads == Missing("no neighbour of the peak is known")


def test_a_flat_or_an_empty_surface_says_so() -> None:
    axes = (Axis("n", (1, 2, 3)),)
    flat = survey(axes, np.ones(3))
    assert flat.prominence == 0.0
    assert flat.in_spreads == Missing("the statistic is the same at every point")
    empty = survey(axes, np.full(3, np.nan))
    assert empty.peak == empty.plateau == Missing("no point of the grid is known")
    with pytest.raises(ValueError, match="the axes span"):
        survey(axes, np.ones(4))
    with pytest.raises(ValueError, match="infinite"):
        survey(axes, np.array([1.0, np.inf, 2.0]))
