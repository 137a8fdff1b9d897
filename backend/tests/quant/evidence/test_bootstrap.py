"""Resampling in blocks: what it keeps, how long the blocks are, and how often it is right."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from app.quant.evidence.bootstrap import (
    Interval,
    Intervals,
    autocovariances,
    block_length,
    intervals,
    resampled,
)
from app.quant.measured import Missing
from app.quant.metrics import compute
from app.quant.panel import FloatArray


def autoregressive(memory: float, shape: tuple[int, ...], seed: int) -> FloatArray:
    """x[t] = memory x[t - 1] + noise, along the last axis, from its stationary distribution."""
    noise = np.random.default_rng(seed).normal(size=shape)
    noise[..., 0] /= math.sqrt(1.0 - memory**2)
    path: FloatArray = lfilter([1.0], [1.0, -memory], noise)
    return path


def measured(returns: FloatArray, **how: float) -> Intervals:
    days = len(returns) * 365 // 252
    found = intervals(returns, days=days, rf=0.0, **{"seed": 1, **how})  # type: ignore[arg-type]
    assert isinstance(found, Intervals)
    return found


@pytest.mark.parametrize("memory", [0.3, 0.7])
def test_the_block_fits_the_memory_of_the_returns(memory: float) -> None:
    """Politis and White (2004): b = (G / g(0))^(2/3) n^(1/3) for the stationary bootstrap (2009);
    an AR(1) with R(k) ~ memory^|k| has G / g(0) = 2 memory / (1 - memory^2)."""
    sessions = 40_000
    best = (2.0 * memory / (1.0 - memory**2)) ** (2 / 3) * sessions ** (1 / 3)
    assert block_length(autoregressive(memory, (sessions,), 3)) == pytest.approx(best, rel=0.1)


def test_returns_without_memory_need_short_blocks_and_no_block_is_too_long() -> None:
    assert block_length(np.random.default_rng(5).normal(size=40_000)) < 8.0
    assert block_length(np.full(100, 0.01)) == 1.0
    trend = np.linspace(-1.0, 1.0, 100)
    assert block_length(trend) <= 30.0


def test_autocovariances_divide_by_the_number_of_returns() -> None:
    found = autocovariances(np.array([1.0, 2.0, 6.0]), 2)
    np.testing.assert_allclose(found, [14 / 3, (2 - 3) / 3, -6 / 3])


@given(sessions=st.integers(1, 400), block=st.floats(1, 50), seed=st.integers(0, 2**32 - 1))
def test_a_resample_is_made_of_places_of_the_series(sessions: int, block: float, seed: int) -> None:
    for places in resampled(sessions, block, seed=seed, count=3):
        assert places.shape == (sessions,)
        assert places.min() >= 0
        assert places.max() < sessions


def test_blocks_have_the_mean_length_asked_for_and_begin_anywhere() -> None:
    sessions, block = 500, 8.0
    drawn = np.array(list(resampled(sessions, block, seed=2, count=400)))
    # A block also seems to go on where the next one happens to begin right after it.
    goes_on = ((drawn[:, 1:] - drawn[:, :-1]) % sessions == 1).mean()
    assert 1.0 - goes_on == pytest.approx((1.0 - 1.0 / sessions) / block, rel=0.03)
    counts = np.bincount(drawn.ravel(), minlength=sessions)
    assert counts.mean() == 400
    first = np.bincount(drawn[:, 0] * 10 // sessions, minlength=10)
    assert first.min() > 15


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    returns = np.random.default_rng(1).normal(0.0005, 0.01, 500)
    assert measured(returns, resamples=50) == measured(returns, resamples=50)
    assert measured(returns, resamples=50) != measured(returns, resamples=50, seed=2)


@pytest.mark.parametrize("memory", [0.0, 0.3])
def test_an_interval_of_ninety_percent_holds_the_truth_about_nine_times_in_ten(
    memory: float,
) -> None:
    runs = 0.01 * (autoregressive(memory, (80, 750), 9) + 0.05 / (1.0 - memory))
    truth = 0.05 / (1.0 - memory) * math.sqrt(1.0 - memory**2) * math.sqrt(252)
    found = [measured(run, resamples=200, confidence=0.9).sharpe for run in runs]
    inside = sum(isinstance(f, Interval) and f.low <= truth <= f.high for f in found)
    # Binomial: 72 expected, standard deviation 2.7; percentile intervals are a little narrow.
    assert 62 <= inside <= 80


def test_intervals_surround_the_figures_of_the_metrics() -> None:
    returns = np.random.default_rng(3).normal(0.0006, 0.01, 1000)
    dates = np.datetime64("2020-01-01") + np.arange(1001)
    figures = compute(returns, dates, rf=0.02)
    found = intervals(returns, days=1000, rf=0.02, seed=4, resamples=300)
    assert isinstance(found, Intervals)
    for interval, figure in (
        (found.sharpe, figures.sharpe),
        (found.cagr, figures.cagr),
        (found.drawdown, figures.max_drawdown),
    ):
        assert isinstance(interval, Interval)
        assert not isinstance(figure, Missing)
        assert interval.low < figure < interval.high
        assert interval.confidence == 0.95


def test_a_series_that_only_rises_has_no_drawdown_in_any_resample() -> None:
    found = measured(np.random.default_rng(3).uniform(0.001, 0.002, 100), resamples=20)
    assert found.drawdown == Interval(0.0, 0.0, 0.95)


def test_what_cannot_be_resampled_says_why() -> None:
    few = intervals(np.full(62, 0.01), days=90, rf=0.0, seed=1)
    assert few == Missing("62 observations; 63 are needed")
    flat = measured(np.full(100, 0.01), resamples=3)
    assert flat.sharpe == Missing("in some resamples, the returns do not vary")
    assert isinstance(flat.cagr, Interval)
