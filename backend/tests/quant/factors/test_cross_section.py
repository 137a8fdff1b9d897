"""Clipping, standardising, ranking and combining, against definitions and other libraries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from app.quant.factors.cross_section import Composite, CrossSection
from app.quant.factors.factor_history import FactorHistory
from app.quant.factors.kernels import cross_sections
from app.quant.factors.registry import REGISTRY
from app.quant.factors.score_history import combine
from app.quant.factors.settings import FactorWeights
from app.quant.panel import FloatArray, IntArray

MARKET = CrossSection()
UNCLIPPED = CrossSection(clip=(0.0, 100.0))
numbers = arrays.arrays(
    np.float64,
    st.integers(2, 60),
    elements=st.floats(-1e6, 1e6).map(lambda number: round(number, 3)),
)


def one_session(z: FloatArray, *names: str, groups: IntArray | None = None) -> FactorHistory:
    """Every ETF is scored; lines of `z` are factors."""
    etfs = z.shape[1]
    return FactorHistory(
        tickers=tuple(f"E{etf}" for etf in range(etfs)),
        sessions=np.array(["2025-06-30"], "datetime64[D]"),
        names=names,
        exclusion=np.zeros((1, etfs), np.int8),
        starts=np.array([0, etfs]),
        rows=np.arange(etfs, dtype=np.int32),
        z=z,
        groups=np.zeros(etfs, np.int64) if groups is None else groups,
    )


def ranks(values: FloatArray, groups: IntArray | None = None) -> FloatArray:
    """Percentile ranks, 0.5 where there is no value."""
    return np.exp(one_session(values[None, :], "momentum", groups=groups).log_ranks[0])


@given(values=numbers)
def test_percentile_ranks_are_those_of_scipy(values: FloatArray) -> None:
    expected = stats.rankdata(values, method="average") / len(values)
    np.testing.assert_allclose(ranks(values), expected, rtol=1e-14)


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
    np.testing.assert_allclose(ranks(values), [1 / 3, 0.5, 2 / 3, 1.0])


def test_groups_are_compared_within_themselves() -> None:
    groups = np.array([0, 1, 0, 1, 0, 2])
    compare = CrossSection(clip=(0.0, 100.0), groups=groups)
    values = np.array([1.0, 10.0, 2.0, 30.0, 3.0, 5.0])
    half = 1 / np.sqrt(2)
    np.testing.assert_allclose(compare.z(values), [-1.0, -half, 0.0, half, 1.0, np.nan])
    np.testing.assert_allclose(ranks(values, groups), [1 / 3, 0.5, 2 / 3, 1.0, 1.0, 1.0])


@given(values=numbers, percentile=st.floats(0, 100))
def test_any_percentile_is_that_of_numpy(values: FloatArray, percentile: float) -> None:
    found = cross_sections.percentile(values, percentile, np.empty(cross_sections.FEW))
    assert found == pytest.approx(np.percentile(values, percentile), rel=1e-12, abs=1e-12)


@given(values=numbers, power=st.sampled_from([1, 9, 51]))
def test_sorting_is_stable_however_the_values_are_bunched(values: FloatArray, power: int) -> None:
    bunched, order = (values / 1e3) ** power, np.empty(len(values), np.int64)
    cross_sections.ascending(bunched, order, np.empty(4 * len(values), np.int32))
    assert order.tolist() == np.argsort(bunched, kind="stable").tolist()


def test_who_is_outside_is_compared_with_nobody() -> None:
    inside = np.array([True, True, False, True])
    compare = CrossSection(clip=(0.0, 100.0), inside=inside[None, :])
    values = np.array([1.0, 2.0, 1e9, 3.0])
    np.testing.assert_allclose(compare.z(values), [-1.0, 0.0, np.nan, 1.0])


def test_each_row_is_a_date_of_its_own() -> None:
    values = np.random.default_rng(0).normal(size=(5, 40))
    alone = np.stack([MARKET.z(row) for row in values])
    np.testing.assert_array_equal(MARKET.z(values), alone)


def composites(z: FloatArray, composite: Composite, **weights: float) -> FloatArray:
    others = dict.fromkeys(REGISTRY.keys() - weights.keys(), 0.0)
    return combine(
        one_session(z, *weights), FactorWeights(**weights, **others), composite
    ).composite[0]


def test_integrate_is_the_weighted_geometric_mean_of_ranks() -> None:
    z = np.array([[1.0, 2.0], [5.0, 4.0]])
    composite = composites(z, Composite.INTEGRATE, momentum=0.75, quality=0.25)
    np.testing.assert_allclose(composite, [0.5**0.75, 0.5**0.25])


def test_an_unknown_factor_has_the_neutral_rank_or_the_mean() -> None:
    z = np.array([[1.0, 2.0, 3.0], [np.nan, -1.0, 1.0]])
    halves = {"momentum": 0.5, "quality": 0.5}
    assert composites(z, Composite.INTEGRATE, **halves)[0] == pytest.approx(np.sqrt(0.5 / 3))
    assert composites(z, Composite.MIX, **halves)[0] == pytest.approx(0.5)


@given(values=numbers)
def test_being_better_at_everything_is_never_worse(values: FloatArray) -> None:
    z = np.vstack([values, values])
    composite = composites(z, Composite.INTEGRATE, momentum=0.3, quality=0.7)
    assert (np.diff(composite[np.argsort(values)]) >= -1e-12).all()
