"""Replays, proxies, shocks and the factor model: truths that are known because they were put in."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant.measured import Missing
from app.quant.panel import FloatArray
from app.quant.risk.factor_risk import FactorModel, FactorRisk, factor_risk
from app.quant.risk.replays import Proxy, candidates, replay
from app.quant.risk.shocks import by_class, by_factor

RANDOM = np.random.default_rng(7)


def test_a_crisis_is_lived_through_by_what_was_bought_before_it() -> None:
    halved, risen = np.array([-0.5, 0.0, 0.1]), np.array([0.1, 0.1, 0.0])
    found = replay(np.array([0.5, 0.25]), [halved, risen])
    # 0.5 x (0.5 x 1.1) + 0.25 x 1.21 + 0.25 of cash = 0.8275.
    assert found.total == pytest.approx(-0.1725)
    assert found.positions == pytest.approx((-0.45, 0.21))
    # Values 1, 0.775, 0.8025, 0.8275.
    assert found.drawdown == pytest.approx(-0.225)
    assert found.worst_day == pytest.approx(-0.225)


def test_a_position_without_a_past_leaves_the_whole_unknown_and_says_how_much_it_is() -> None:
    found = replay(np.array([0.5, 0.25]), [np.array([-0.1]), Missing("no older ETF")])
    assert found.total == Missing(
        "neither prices nor a proxy of a position with 25.0% of the portfolio"
    )
    assert found.positions == (pytest.approx(-0.1), Missing("no older ETF"))
    assert replay(np.zeros(0), []).total == Missing("nothing is held")


def test_the_proxy_is_the_best_correlated_of_those_that_lived_then() -> None:
    market, noise = RANDOM.normal(0.0, 0.01, 600), RANDOM.normal(0.0, 0.01, (3, 600))
    young = 2.0 * market + 0.1 * noise[0]
    young[:200] = np.nan
    others = np.array([market + 0.2 * noise[1], market + 0.01 * noise[2], noise[2]])
    found = candidates(young, others, [10, 11, 12])
    alive = np.zeros(20, bool)
    alive[[10, 11, 12]] = True
    best = found.best(alive)
    assert isinstance(best, Proxy)
    assert (best.row, best.overlap) == (11, 400)
    expected = np.corrcoef(young[200:], others[1, 200:])[0, 1]
    assert best.correlation == pytest.approx(expected)
    assert best.slope == pytest.approx(np.polyfit(others[1, 200:], young[200:], 1)[0])
    alive[11] = False
    second = found.best(alive)
    assert isinstance(second, Proxy)
    assert second.row == 10
    alive[10] = False
    poor = found.best(alive)
    assert isinstance(poor, Missing)
    assert poor.reason.endswith("0.80 is needed")
    assert found.best(np.zeros(20, bool)) == Missing(
        "no older ETF of its asset class has prices of the time"
    )


def test_too_short_a_common_history_makes_no_proxy() -> None:
    own = RANDOM.normal(0.0, 0.01, 600)
    own[:400] = np.nan
    found = candidates(own, own[np.newaxis].copy(), [0])
    assert isinstance(found.best(np.ones(1, bool)), Missing)


def model(names: int, sessions: int, seed: int) -> tuple[FactorModel, FloatArray, FloatArray]:
    """Exposures that stay, factor returns, residuals, and the returns that follow."""
    random = np.random.default_rng(seed)
    exposures = np.column_stack((np.ones(names), random.normal(size=(names, 2))))
    factors = random.normal(0.0, [0.01, 0.004, 0.003], (sessions, 3))
    residuals = random.normal(0.0, 0.005, (names, sessions))
    everywhere = np.broadcast_to(exposures, (sessions, names, 3))
    known = FactorModel(("market", "momentum", "value"), factors, everywhere, exposures)
    return known, residuals, exposures @ factors.T + residuals


@given(seed=st.integers(0, 2**32 - 1), names=st.integers(1, 8))
def test_factors_and_the_specific_part_add_up_to_the_volatility(seed: int, names: int) -> None:
    known, residuals, returns = model(names, 252, seed)
    weights = np.random.default_rng(seed).dirichlet(np.ones(names)) * 0.9
    found = factor_risk(weights, returns, known)
    assert isinstance(found, FactorRisk)
    parts = math.fsum(part.component for part in found.factors) + found.specific_component
    assert parts == pytest.approx(found.total, rel=1e-12)
    assert isinstance(found.correlation, float)
    crossed = 2 * found.correlation * found.systematic * found.specific
    squares = found.systematic**2 + found.specific**2 + crossed
    assert squares == pytest.approx(found.total**2)
    exposure = weights @ known.latest
    factors = 252 * np.cov(known.returns.T)
    assert found.systematic == pytest.approx(math.sqrt(exposure @ factors @ exposure))
    own = (weights @ residuals).std(ddof=1) * math.sqrt(252)
    assert found.specific == pytest.approx(own)
    assert found.covered == pytest.approx(1.0)


def test_the_model_finds_the_volatility_that_was_put_in() -> None:
    known, _, returns = model(6, 4000, 1)
    weights = np.full(6, 1 / 6)
    found = factor_risk(weights, returns, known)
    assert isinstance(found, FactorRisk)
    sample = (weights @ returns).std(ddof=1) * math.sqrt(252)
    assert found.total == pytest.approx(sample, rel=1e-12)  # exposures that never change
    assert found.correlation == pytest.approx(0.0, abs=0.05)
    assert found.factors[0].exposure == pytest.approx(1.0)
    assert found.factors[0].volatility == pytest.approx(0.01 * math.sqrt(252), rel=0.05)


def test_what_has_no_exposures_is_all_specific() -> None:
    known, _, returns = model(2, 252, 3)
    latest, exposures = known.latest.copy(), known.exposures.copy()
    latest[1], exposures[:, 1] = np.nan, np.nan
    partly = FactorModel(known.names, known.returns, exposures, latest)
    found = factor_risk(np.array([0.0, 1.0]) + 1e-12, returns, partly)
    assert isinstance(found, FactorRisk)
    assert found.specific == pytest.approx(returns[1].std(ddof=1) * math.sqrt(252), rel=1e-6)
    assert found.covered == pytest.approx(0.0, abs=1e-9)
    nobody = FactorModel(known.names, known.returns, exposures, np.full((2, 3), np.nan))
    assert factor_risk(np.array([0.5, 0.5]), returns, nobody) == Missing(
        "none of the positions has factor exposures"
    )


def test_a_residual_that_moves_against_the_market_takes_risk_away() -> None:
    """As that of a bond fund does, whose exposure to the market is 1 like any other's."""
    known, _, _ = model(1, 252, 6)
    bond = np.random.default_rng(6).normal(0.0, 0.003, (1, 252))
    found = factor_risk(np.array([1.0]), bond, known)
    assert isinstance(found, FactorRisk)
    assert found.total == pytest.approx(bond[0].std(ddof=1) * math.sqrt(252))
    assert found.systematic > 2 * found.total
    assert isinstance(found.correlation, float)
    assert found.correlation < -0.9


def test_twins_share_their_specific_risk() -> None:
    """Two funds of one index do not diversify each other: the residuals' covariance is whole."""
    known, _, returns = model(1, 252, 4)
    twice = FactorModel(
        known.names,
        known.returns,
        np.repeat(known.exposures, 2, axis=1),
        np.repeat(known.latest, 2, axis=0),
    )
    one = factor_risk(np.array([1.0]), returns, known)
    two = factor_risk(np.array([0.5, 0.5]), np.repeat(returns, 2, axis=0), twice)
    assert isinstance(one, FactorRisk)
    assert isinstance(two, FactorRisk)
    assert two.specific == pytest.approx(one.specific)


def test_a_factor_that_others_follow_costs_more_than_it_does_alone() -> None:
    random = np.random.default_rng(5)
    first = random.normal(0.0, 0.01, 5000)
    factors = np.column_stack((first, 0.5 * first + random.normal(0.0, 0.01, 5000)))
    latest = np.array([[1.0, 1.0]])
    known = FactorModel(("market", "momentum"), factors, np.tile(latest, (5000, 1, 1)), latest)
    found = by_factor(np.array([1.0]), known)
    assert not isinstance(found, Missing)
    market = found[0]
    assert market.move == pytest.approx(-3 * math.sqrt(21) * 0.01, rel=0.03)
    assert market.alone == pytest.approx(market.move)
    assert market.together == pytest.approx(1.5 * market.move, rel=0.03)


def test_a_class_that_falls_takes_along_what_moves_with_it() -> None:
    index = RANDOM.normal(0.0, 0.01, 252)
    returns = np.array([index, 0.5 * index, -0.2 * index])
    weights = np.array([0.4, 0.4, 0.2])
    [shock] = by_class(weights, ["Equity", "Equity", "Bond"], returns, {"Equity": index})
    move = -3 * math.sqrt(21) * index.std(ddof=1)
    assert (shock.move, shock.weight) == pytest.approx((move, 0.8))
    assert shock.alone == pytest.approx(0.8 * move)
    # 0.4 x 1 + 0.4 x 0.5 - 0.2 x 0.2 = 0.56 of the fall.
    assert shock.together == pytest.approx(0.56 * move)
    assert shock.moves == pytest.approx((move, 0.5 * move, -0.2 * move))


def test_a_position_without_returns_beside_the_index_leaves_the_shock_unknown() -> None:
    index = RANDOM.normal(0.0, 0.01, 252)
    young = index.copy()
    young[:200] = np.nan
    [shock] = by_class(np.array([1.0]), ["Other"], young[np.newaxis], {"Other": index})
    assert shock.alone == shock.move
    assert shock.together == Missing("52 returns beside the index; 63 are needed")
