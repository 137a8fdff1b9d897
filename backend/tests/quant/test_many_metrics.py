"""Many series at once: for each exactly what it has alone."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.quant.metrics import AT_ONCE, compute, compute_many
from app.quant.panel import DateArray, FloatArray

RF = 0.03


def days(count: int) -> DateArray:
    return np.datetime64("2020-01-01") + np.arange(count + 1)


def many(sessions: int, series: int, seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).normal(0.0004, 0.01, (sessions, series))


def alone(returns: FloatArray, benchmark: FloatArray | None) -> list[object]:
    return [
        compute(returns[:, number].copy(), days(len(returns)), rf=RF, benchmark=benchmark)
        for number in range(returns.shape[1])
    ]


def together(returns: FloatArray, benchmark: FloatArray | None) -> list[object]:
    return list(compute_many(returns, days(len(returns)), rf=RF, benchmark=benchmark))


@pytest.mark.parametrize("series", [1, 7, AT_ONCE, 2 * AT_ONCE + 3])
def test_every_series_has_the_figures_that_it_has_alone_to_the_last_bit(series: int) -> None:
    returns = many(1256, series)
    benchmark = many(1256, 1, seed=2)[:, 0]
    assert together(returns, benchmark) == alone(returns, benchmark)


def test_so_it_is_where_each_series_lacks_other_sessions() -> None:
    returns, benchmark = many(300, 40), many(300, 1, seed=2)[:, 0]
    returns[np.random.default_rng(3).random(returns.shape) < 0.02] = math.nan
    benchmark[[4, 90]] = math.nan
    assert together(returns, benchmark) == alone(returns, benchmark)


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(0, 40), st.integers(1, 5)),
        elements=st.one_of(st.floats(-0.5, 0.5), st.just(math.nan), st.just(0.0)),
    )
)
def test_so_it_is_for_any_returns(returns: FloatArray) -> None:
    benchmark = returns[:, -1].copy()
    assert together(returns, benchmark) == alone(returns, benchmark)


def test_no_series_are_no_metrics() -> None:
    assert compute_many(np.empty((10, 0)), days(10), rf=RF) == ()
