"""Value at risk: closed forms, honest forecasts, intervals, and what can be known of a series."""

import math

import empyrical
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from app.quant.measured import Missing
from app.quant.panel import FloatArray
from app.quant.risk.coverage import Coverage
from app.quant.risk.series import SeriesRisk, of_series, of_weights
from app.quant.risk.tails import Method, Tail, normal_forecasts, quantile_forecasts, tails
from app.quant.risk.volatilities import exponentially_weighted


def drawn(count: int, seed: int = 3, scale: float = 0.01) -> FloatArray:
    return np.random.default_rng(seed).standard_t(6, count) * scale


def of(found: tuple[Tail, ...] | Missing, method: Method, level: float) -> Tail:
    assert not isinstance(found, Missing)
    return next(each for each in found if (each.method, each.level) == (method, level))


@pytest.mark.parametrize(("level", "tail"), [(0.95, 0.05), (0.99, 0.01)])
def test_the_historical_one_is_empyricals_of_the_last_252(level: float, tail: float) -> None:
    returns = drawn(800)
    found = of(tails(returns), Method.HISTORICAL, level)
    assert found.var.value == pytest.approx(empyrical.value_at_risk(returns[-252:], tail))
    expected = empyrical.conditional_value_at_risk(returns[-252:], tail)
    assert found.cvar.value == pytest.approx(expected)


@pytest.mark.parametrize(("level", "tail"), [(0.95, 0.05), (0.99, 0.01)])
def test_the_normal_one_is_that_distributions_quantile_and_tail_mean(
    level: float, tail: float
) -> None:
    returns = drawn(400)
    mean, deviation = returns[-252:].mean(), returns[-252:].std(ddof=1)
    found = of(tails(returns), Method.NORMAL, level)
    assert found.var.value == pytest.approx(stats.norm.ppf(tail, mean, deviation))
    beyond = stats.norm.expect(
        lambda x: x, loc=mean, scale=deviation, ub=found.var.value, conditional=True
    )
    assert found.cvar.value == pytest.approx(beyond, rel=1e-6)


def test_the_filtered_one_follows_the_newest_volatility() -> None:
    calm, wild = drawn(600), drawn(600)
    wild[-15:] *= 5.0
    quiet = of(tails(calm), Method.FILTERED, 0.95).var.value
    loud = of(tails(wild), Method.FILTERED, 0.95).var.value
    historical = [of(tails(each), Method.HISTORICAL, 0.95).var.value for each in (calm, wild)]
    assert isinstance(quiet, float)
    assert isinstance(loud, float)
    assert loud < 2.0 * quiet < 0.0
    assert isinstance(historical[1], float)
    assert loud < historical[1]


def test_the_filtered_one_is_the_quantile_of_what_was_divided() -> None:
    returns = drawn(500)
    volatility = exponentially_weighted(returns)
    divided = (returns[63:] / volatility[63:-1])[-252:]
    found = of(tails(returns), Method.FILTERED, 0.99)
    assert found.var.value == pytest.approx(np.percentile(divided, 1) * volatility[-1])


def figure_before(returns: FloatArray, method: Method, day: int) -> float:
    """The forecast for `day`, as the newest one of what was known before it."""
    value = of(tails(returns[:day]), method, 0.95).var.value
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize("method", list(Method))
def test_the_tested_forecasts_are_those_that_would_have_been_made(method: Method) -> None:
    returns = drawn(450)
    first = 252 if method is not Method.FILTERED else 252 + 63
    made = [figure_before(returns, method, day) for day in range(first, 450)]
    found = of(tails(returns), method, 0.95).coverage
    assert isinstance(found, Coverage)
    assert found.forecasts == len(made)
    assert found.exceptions == int((returns[first:] < np.array(made)).sum())


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), day=st.integers(400, 590))
def test_a_verdict_on_the_past_does_not_change_with_what_comes_after(seed: int, day: int) -> None:
    """Scrambling the future adds days to the tests and takes none of their exceptions away."""
    returns = drawn(600, seed)
    calm_after = returns.copy()
    calm_after[day:] = np.abs(drawn(600 - day, seed + 1))
    for method in Method:
        known = of(tails(returns[:day]), method, 0.95).coverage
        longer = of(tails(calm_after), method, 0.95).coverage
        assert isinstance(known, Coverage)
        assert isinstance(longer, Coverage)
        assert longer.forecasts == known.forecasts + 600 - day
        assert longer.exceptions == known.exceptions


def test_rolling_quantiles_are_numpys() -> None:
    windows = np.lib.stride_tricks.sliding_window_view(drawn(300), 252)
    tails_of = (0.05, 0.01)
    for tail, found in zip(tails_of, quantile_forecasts(windows, tails_of), strict=True):
        np.testing.assert_allclose(found, np.quantile(windows, tail, axis=1), rtol=1e-12)
    for tail, found in zip(tails_of, normal_forecasts(windows, tails_of), strict=True):
        expected = windows.mean(axis=1) + stats.norm.ppf(tail) * windows.std(axis=1, ddof=1)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_where_returns_are_normal_the_intervals_have_the_asymptotic_width() -> None:
    """Jorion, "Risk2" (1996): sigma sqrt((1 + z^2 / 2) / n)."""
    returns = np.random.default_rng(11).normal(0.0, 0.01, 252)
    found = of(tails(returns), Method.NORMAL, 0.95).var
    z = stats.norm.ppf(0.05)
    error = returns.std(ddof=1) * math.sqrt((1.0 + z * z / 2.0) / 252)
    assert isinstance(found.low, float)
    assert isinstance(found.high, float)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.25)


def test_intervals_hold_their_figure_and_are_the_same_every_time() -> None:
    first, again = tails(drawn(600)), tails(drawn(600))
    assert first == again
    for each in first:
        for figure in (each.var, each.cvar):
            assert isinstance(figure.low, float)
            assert isinstance(figure.value, float)
            assert isinstance(figure.high, float)
            assert figure.low <= figure.value <= figure.high
        assert isinstance(each.cvar.value, float)
        assert isinstance(each.var.value, float)
        assert each.cvar.value <= each.var.value


def test_a_young_series_has_what_its_length_allows() -> None:
    assert isinstance(of_series(drawn(62)).tails, Missing)
    young = of_series(drawn(100))
    assert of(young.tails, Method.HISTORICAL, 0.95).coverage == Missing(
        "0 days have a forecast made before them; 63 are needed"
    )
    assert isinstance(of(young.tails, Method.FILTERED, 0.95).var.value, Missing)
    assert isinstance(of(of_series(drawn(126)).tails, Method.FILTERED, 0.95).var.value, float)


def test_a_series_that_never_moves_has_no_filtered_risk() -> None:
    found = of(tails(np.zeros(300)), Method.FILTERED, 0.95)
    assert found.var.value == Missing("for 63 returns in a row nothing moved")


def test_days_without_a_return_are_not_observations() -> None:
    returns = drawn(400)
    holes = np.full(410, np.nan)
    holes[:150], holes[160:] = returns[:150], returns[150:]
    found = of_series(holes)
    assert (found.observations, found.history) == (250, 400)


def test_weights_held_through_the_past_are_the_series_of_their_sum() -> None:
    returns = np.random.default_rng(5).normal(0.0, 0.01, (3, 700))
    weights = np.array([0.5, 0.3, 0.1])
    held, alone = of_weights(weights, returns), of_series(weights @ returns)
    assert held.tails == alone.tails
    assert held.volatility.sample == alone.volatility.sample
    assert isinstance(held.volatility.shrinkage, float)
    assert isinstance(alone.volatility.shrinkage, Missing)


def test_nothing_held_has_no_risk_to_speak_of() -> None:
    found: SeriesRisk = of_weights(np.zeros(0), np.zeros((0, 300)))
    assert found.tails == Missing("nothing is held")


def test_the_filter_waits_63_returns_longer_for_its_first_volatility() -> None:
    returns = np.random.default_rng(5).normal(0.0, 0.01, 1_260)
    for each in tails(returns):
        assert isinstance(each.coverage, Coverage)
        warm_up = 63 if each.method is Method.FILTERED else 0
        assert each.coverage.forecasts == 1_260 - 252 - warm_up
    fewest = tails(returns[: 63 + 252 + 62])
    untested = {each.method for each in fewest if isinstance(each.coverage, Missing)}
    assert Method.FILTERED in untested
    shortest = [
        each.var.value for each in tails(returns[: 63 + 62]) if each.method is Method.FILTERED
    ]
    assert all(isinstance(value, Missing) for value in shortest)
