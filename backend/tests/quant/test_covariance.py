"""Covariance: the shrinkage equals an independent one, and gaps are carried or named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from app.quant.covariance import carried, estimate, ledoit_wolf, recent_returns
from app.quant.errors import InsufficientHistory
from app.quant.panel import FloatArray, Panel


def market(closes: FloatArray) -> Panel:
    names = tuple(f"T{i}" for i in range(len(closes)))
    sessions = np.arange(closes.shape[1]).astype("datetime64[D]")
    return Panel(names, sessions, closes, closes, np.full_like(closes, 1000.0))


def walk(assets: int, sessions: int, seed: int = 0) -> FloatArray:
    returns = np.random.default_rng(seed).normal(0.0, 0.01, (assets, sessions))
    return np.asarray(100.0 * np.cumprod(1.0 + returns, axis=1), dtype=np.float64)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), assets=st.integers(1, 30), days=st.integers(2, 120))
def test_shrinkage_equals_scikit_learn(seed: int, assets: int, days: int) -> None:
    rng = np.random.default_rng(seed)
    returns = rng.normal(size=(assets, assets)) @ rng.normal(0.0, 0.01, (assets, days))
    ours, theirs = ledoit_wolf(returns), LedoitWolf().fit(returns.T)
    assert ours.shrinkage == pytest.approx(theirs.shrinkage_, rel=1e-10, abs=1e-10)
    np.testing.assert_allclose(ours.covariance, theirs.covariance_, rtol=1e-10, atol=1e-14)


def test_risk_is_annualised_and_sigma_is_the_sample_volatility() -> None:
    panel = market(walk(3, 300))
    risk = estimate(panel, np.array([2, 0]), 252)
    returns = panel.adjusted[[2, 0], -252:] / panel.adjusted[[2, 0], -253:-1] - 1.0
    np.testing.assert_allclose(risk.sigma, returns.std(axis=1, ddof=1) * np.sqrt(252))
    np.testing.assert_allclose(risk.covariance, 252 * ledoit_wolf(returns).covariance)


def test_a_gap_of_five_sessions_is_carried_and_one_of_six_is_not() -> None:
    closes = np.full((2, 10), np.nan)
    closes[0, [0, 6, 7, 8, 9]] = 5.0
    closes[1, [0, 7, 8, 9]] = 5.0
    filled = carried(closes)
    assert not np.isnan(filled[0]).any()
    assert np.flatnonzero(np.isnan(filled[1])).tolist() == [6]


def test_nothing_is_carried_back_before_the_first_close() -> None:
    assert np.isnan(carried(np.array([[np.nan, 5.0]]))).tolist() == [[True, False]]


def test_a_close_just_before_the_window_is_carried_into_it() -> None:
    closes = walk(1, 20)
    closes[0, 9] = np.nan
    returns = recent_returns(market(closes), np.array([0]), 10)
    assert returns[0, 0] == pytest.approx(closes[0, 10] / closes[0, 8] - 1.0)


def test_a_name_without_the_returns_is_named() -> None:
    closes = walk(3, 300)
    closes[1, 100:110] = np.nan
    with pytest.raises(InsufficientHistory, match=r"^T1: closes missing"):
        estimate(market(closes), np.arange(3), 252)


def test_a_history_shorter_than_the_look_back_is_refused() -> None:
    with pytest.raises(InsufficientHistory, match="252 returns need 253 sessions"):
        estimate(market(walk(2, 252)), np.arange(2), 252)
