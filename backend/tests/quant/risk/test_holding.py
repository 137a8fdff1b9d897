"""Risk of current weights: closed forms, parts that add up, and what cannot be measured."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant.measured import Missing
from app.quant.panel import FloatArray
from app.quant.risk.holding import assess, concentration_of


def history(rows: int, sessions: int = 300, seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).normal(0.0003, 0.01, (rows, sessions))


@given(seed=st.integers(0, 2**32 - 1), names=st.integers(1, 12))
def test_components_add_up_to_the_volatility_of_the_last_252_sessions(
    seed: int, names: int
) -> None:
    returns = history(names, seed=seed)
    weights = np.random.default_rng(seed).dirichlet(np.ones(names)) * 0.95
    risk = assess([f"T{k}" for k in range(names)], weights, returns)
    covariance = 252 * np.atleast_2d(np.cov(returns[:, -252:]))
    expected = math.sqrt(weights @ covariance @ weights)
    assert not isinstance(risk.contributions, Missing)
    assert risk.volatility == pytest.approx(expected)
    assert math.fsum(c.component for c in risk.contributions) == pytest.approx(expected)
    assert math.fsum(c.share for c in risk.contributions) == pytest.approx(1.0)
    marginal = [c.marginal for c in risk.contributions]
    np.testing.assert_allclose(marginal, covariance @ weights / expected, rtol=1e-9)


def test_holding_half_the_benchmark_has_half_its_beta_and_value_at_risk() -> None:
    market = history(1)
    risk = assess(["SPY"], np.array([0.5]), market, benchmark=market[0])
    recent = market[0, -252:]
    assert risk.observations == 252
    assert risk.beta == pytest.approx(0.5)
    assert risk.var_95 == pytest.approx(0.5 * np.percentile(recent, 5))
    tail = np.sort(recent)[:13]
    assert risk.cvar_95 == pytest.approx(0.5 * tail.mean())


@pytest.mark.parametrize("invested", [1.0, 0.95, 0.3])
def test_twenty_equal_positions_count_as_twenty_whatever_the_cash(invested: float) -> None:
    found = concentration_of(np.full(20, invested / 20))
    assert (found.hhi, found.effective_number) == pytest.approx((0.05, 20.0))


def test_only_sessions_on_which_every_position_has_a_return_count() -> None:
    returns = history(2)
    returns[1, :-100] = np.nan
    risk = assess(["OLD", "NEW"], np.array([0.5, 0.5]), returns)
    assert risk.observations == 100
    expected = np.std(returns[:, -100:].mean(axis=0), ddof=1) * math.sqrt(252)
    assert risk.volatility == pytest.approx(expected)


def test_too_short_a_common_history_names_the_position_behind_it() -> None:
    returns = history(2)
    returns[1, :-20] = np.nan
    risk = assess(["OLD", "NEW"], np.array([0.5, 0.5]), returns)
    assert isinstance(risk.volatility, Missing)
    assert risk.volatility.reason.endswith("63 are needed; NEW has 20")
    assert risk.concentration.effective_number == pytest.approx(2.0)


def test_an_all_cash_portfolio_has_nothing_to_measure() -> None:
    risk = assess([], np.zeros(0), np.zeros((0, 300)))
    assert risk.volatility == risk.contributions == Missing("nothing is held")
    assert risk.concentration.hhi == Missing("nothing is held")


def test_beta_is_missing_without_a_benchmark_or_with_too_little_of_one() -> None:
    returns = history(1)
    weights = np.array([1.0])
    assert assess(["A"], weights, returns).beta == Missing("no benchmark was given")
    short = returns[0].copy()
    short[:-30] = np.nan
    found = assess(["A"], weights, returns, benchmark=short)
    assert found.beta == Missing("fewer than 63 sessions with a benchmark return")


def test_a_portfolio_that_never_moved_has_no_contributions() -> None:
    risk = assess(["CASHLIKE"], np.array([1.0]), np.zeros((1, 252)))
    assert risk.volatility == 0.0
    assert risk.contributions == Missing("the portfolio's value did not vary")
