"""Clipping, standardising, ranking and combining, against definitions and other libraries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from app.quant.factors.cross_section import CrossSection, integrate, mix
from app.quant.panel import FloatArray

MARKET = CrossSection()
UNCLIPPED = CrossSection(clip=(0.0, 100.0))
numbers = arrays.arrays(
    np.float64,
    st.integers(2, 60),
    elements=st.floats(-1e6, 1e6).map(lambda number: round(number, 3)),
)


@given(values=numbers)
def test_percentile_ranks_are_those_of_scipy(values: FloatArray) -> None:
    expected = stats.rankdata(values, method="average") / len(values)
    np.testing.assert_allclose(MARKET.percentile_ranks(values), expected, rtol=1e-14)


@given(values=numbers)
def test_clipping_is_at_the_linear_percentiles(values: FloatArray) -> None:
    z = MARKET.z(values)
    clipped = np.clip(values, *np.percentile(values, [1, 99]))
    if np.ptp(clipped) <= 1e-9 * np.abs(clipped).max():
        return
    np.testing.assert_allclose(z, stats.zscore(clipped, ddof=1), atol=1e-9)


@given(values=numbers, shift=st.floats(-100, 100), scale=st.floats(0.1, 100))
def test_z_does_not_depend_on_units(values: FloatArray, shift: float, scale: float) -> None:
    if np.ptp(values) < 1.0:
        return
    np.testing.assert_allclose(MARKET.z(values), MARKET.z(shift + scale * values), atol=1e-5)


def test_three_equally_spaced_values_are_one_deviation_apart() -> None:
    np.testing.assert_allclose(UNCLIPPED.z(np.array([1.0, 2.0, 3.0])), [-1.0, 0.0, 1.0])


def test_an_outlier_counts_as_the_percentile() -> None:
    values = np.append(np.arange(100.0), 1e9)
    other = np.append(np.arange(100.0), 2e3)
    np.testing.assert_allclose(MARKET.z(values), MARKET.z(other))


@pytest.mark.parametrize(
    "values", [[], [3.0], [np.nan, np.nan], [0.1, 0.1, 0.1], [0.1, 0.1 + 1e-16, np.nan]]
)
def test_values_without_spread_have_no_z(values: list[float]) -> None:
    assert np.isnan(MARKET.z(np.array(values))).all()


def test_unknown_values_stay_unknown_and_count_for_nothing() -> None:
    values = np.array([1.0, np.nan, 2.0, 3.0])
    np.testing.assert_allclose(UNCLIPPED.z(values), [-1.0, np.nan, 0.0, 1.0])
    np.testing.assert_allclose(MARKET.percentile_ranks(values), [1 / 3, np.nan, 2 / 3, 1.0])


def test_groups_are_compared_within_themselves() -> None:
    compare = CrossSection(clip=(0.0, 100.0), groups=np.array([0, 1, 0, 1, 0, 2]))
    values = np.array([1.0, 10.0, 2.0, 30.0, 3.0, 5.0])
    half = 1 / np.sqrt(2)
    np.testing.assert_allclose(compare.z(values), [-1.0, -half, 0.0, half, 1.0, np.nan])
    np.testing.assert_allclose(compare.percentile_ranks(values), [1 / 3, 0.5, 2 / 3, 1.0, 1.0, 1.0])


def test_integrate_is_the_weighted_geometric_mean_of_ranks() -> None:
    z = np.array([[1.0, 2.0], [5.0, 4.0]])
    composite = integrate(z, np.array([0.75, 0.25]), MARKET)
    np.testing.assert_allclose(composite, [0.5**0.75, 0.5**0.25])


def test_an_unknown_factor_has_the_neutral_rank_or_the_mean() -> None:
    z = np.array([[1.0, 2.0, 3.0], [np.nan, -1.0, 1.0]])
    half = np.array([0.5, 0.5])
    assert integrate(z, half, MARKET)[0] == pytest.approx(np.sqrt(0.5 / 3))
    assert mix(z, half, MARKET)[0] == pytest.approx(0.5)


@given(values=numbers)
def test_being_better_at_everything_is_never_worse(values: FloatArray) -> None:
    z = np.vstack([values, values])
    composite = integrate(z, np.array([0.3, 0.7]), MARKET)
    order = np.argsort(values)
    assert (np.diff(composite[order]) >= -1e-12).all()
