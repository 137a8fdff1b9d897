"""Contributions, bets, twins and liquidation: parts that add up, and closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant.evidence.comparison import automatic_lag
from app.quant.measured import Missing
from app.quant.panel import FloatArray
from app.quant.risk.concentration import effective_bets
from app.quant.risk.contributions import contributions
from app.quant.risk.correlation import Correlations, correlations
from app.quant.risk.holding import assess
from app.quant.risk.liquidation import liquidation
from app.quant.twins import groups


def history(rows: int, sessions: int = 252, seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).normal(0.0003, 0.01, (rows, sessions))


@given(seed=st.integers(0, 2**32 - 1), names=st.integers(1, 12))
def test_components_add_up_to_the_shortfall_at_both_levels(seed: int, names: int) -> None:
    returns = history(names, seed=seed)
    weights = np.random.default_rng(seed).dirichlet(np.ones(names)) * 0.9
    risk = assess([f"T{k}" for k in range(names)], weights, returns)
    assert not isinstance(risk.contributions, Missing)
    at_95 = math.fsum(each.cvar_95.component for each in risk.contributions)
    at_99 = math.fsum(each.cvar_99.component for each in risk.contributions)
    assert (at_95, at_99) == pytest.approx((risk.cvar_95, risk.cvar_99), abs=1e-15)


def test_a_marginal_shortfall_is_the_slope_of_the_shortfall() -> None:
    returns, step = history(3), 1e-7
    weights = np.array([0.4, 0.3, 0.2])
    found = contributions("ABC", weights, returns)
    assert not isinstance(found, Missing)
    for place in range(3):
        moved = weights.copy()
        moved[place] += step
        before, after = (assess("ABC", each, returns).cvar_95 for each in (weights, moved))
        assert isinstance(before, float)
        assert isinstance(after, float)
        assert found[place].cvar_95.marginal == pytest.approx((after - before) / step, rel=1e-5)


def test_equal_uncorrelated_bets_count_as_many_and_one_risk_as_one() -> None:
    """Meucci (2009): the exponential of the entropy of a flat distribution of N is N."""
    assert effective_bets(np.full(5, 0.2), np.diag(np.full(5, 0.04))) == pytest.approx(5.0)
    assert effective_bets(np.array([1.0, 0.0]), np.diag([0.04, 0.01])) == pytest.approx(1.0)
    twins = np.full((4, 4), 0.04)
    assert effective_bets(np.full(4, 0.25), twins) == pytest.approx(1.0)
    # Shares of variance 0.8 and 0.2: exp(-(0.8 ln 0.8 + 0.2 ln 0.2)).
    expected = 0.8**-0.8 * 0.2**-0.2
    assert effective_bets(np.full(2, 0.5), np.diag([0.04, 0.01])) == pytest.approx(expected)


@given(seed=st.integers(0, 2**32 - 1), names=st.integers(1, 10))
def test_there_are_never_more_bets_than_positions(seed: int, names: int) -> None:
    returns = history(names, seed=seed)
    weights = np.random.default_rng(seed).dirichlet(np.ones(names))
    bets = effective_bets(weights, np.atleast_2d(np.cov(returns)))
    assert isinstance(bets, float)
    assert 1.0 - 1e-9 <= bets <= names + 1e-9


def test_twins_of_twins_are_one_group() -> None:
    matrix = np.eye(5)
    for one, other in ((0, 3), (3, 4)):
        matrix[one, other] = matrix[other, one] = 0.99
    assert groups(matrix, 0.98) == [0, 1, 2, 0, 0]


def test_twins_stand_side_by_side_in_the_matrix() -> None:
    returns = history(4)
    returns[3] = returns[0] + np.random.default_rng(9).normal(0.0, 1e-4, 252)
    found = correlations(["GLD", "TLT", "SPY", "IAU"], returns, limit=0.98)
    assert isinstance(found, Correlations)
    assert found.tickers == ("GLD", "IAU", "TLT", "SPY")
    assert found.twins == (("GLD", "IAU"),)
    order = [0, 3, 1, 2]
    np.testing.assert_allclose(np.array(found.matrix), np.corrcoef(returns[order]), atol=1e-12)


def test_what_never_moved_correlates_with_nothing() -> None:
    returns = history(2)
    returns[1] = 0.0
    found = correlations(["A", "CASH"], returns, limit=0.98)
    assert isinstance(found, Correlations)
    assert found.matrix == ((1.0, None), (None, None))
    assert found.average == Missing("fewer than two positions moved")


def test_selling_takes_as_long_as_the_slowest_position() -> None:
    found = liquidation(
        ["BIG", "THIN"], np.array([1e6, 1e6]), np.array([1e8, 2e6]), participation=0.1
    )
    assert [each.days for each in found.positions] == pytest.approx([0.1, 5.0])
    assert (found.days, found.slowest) == (5.0, "THIN")
    # In one session all of BIG and a fifth of THIN, in five everything.
    assert [each.share for each in found.within] == pytest.approx([0.6, 1.0, 1.0])


def test_a_position_of_unknown_volume_leaves_the_whole_unknown() -> None:
    found = liquidation(["A", "B"], np.array([1e6, 1e6]), np.array([1e8, np.nan]))
    assert found.days == Missing("no traded value is known of B")
    assert found.positions[0].days == pytest.approx(0.1)
    assert found.slowest is None
    assert liquidation([], np.zeros(0), np.zeros(0)).days == Missing("nothing is held")


def test_the_error_of_beta_is_that_of_statsmodels() -> None:
    import statsmodels.api as sm

    returns = history(2)
    market = returns[1]
    mine = 0.5 * market + returns[0]
    risk = assess(["A"], np.array([1.0]), mine[np.newaxis], benchmark=market)
    model = sm.OLS(mine, sm.add_constant(market))
    lags = automatic_lag((market - market.mean()) * model.fit().resid)
    peer = model.fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True})
    assert risk.beta == pytest.approx(peer.params[1])
    assert risk.beta_error == pytest.approx(peer.bse[1], rel=1e-9)
