"""Performance metrics against closed forms and two independent implementations."""

import math
from dataclasses import fields
from datetime import date
from typing import Any

import empyrical
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from app.quant.measured import Missing
from app.quant.metrics import Dated, Metrics, compute
from app.quant.panel import DateArray, FloatArray
from app.quant.statistics import Drawdown, cagr

RF = 0.04
about: Any = pytest.approx


def weekdays(count: int, first: str = "2020-01-01") -> DateArray:
    days = np.arange(first, np.datetime64(first) + 2 * count + 10, dtype="datetime64[D]")
    return days[np.is_busday(days)][:count]


def of(returns: list[float], benchmark: list[float] | None = None) -> Metrics:
    against = None if benchmark is None else np.array(benchmark)
    dates = weekdays(len(returns) + 1)
    return compute(np.array(returns), dates, rf=RF, benchmark=against)


def five_years(seed: int) -> tuple[FloatArray, FloatArray]:
    generator = np.random.default_rng(seed)
    market = generator.standard_t(5, 1256) * 0.008 + 0.0004
    return 0.8 * market + generator.normal(0.0001, 0.004, 1256), market


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_empyrical_where_the_definitions_agree(seed: int) -> None:
    returns, market = five_years(seed)
    found = compute(returns, weekdays(1257), rf=RF, benchmark=market)
    daily = RF / 252
    expected = {
        "total_return": empyrical.cum_returns_final(returns),
        "volatility": empyrical.annual_volatility(returns),
        "sharpe": empyrical.sharpe_ratio(returns, risk_free=daily),
        "sortino": empyrical.sortino_ratio(returns, required_return=daily),
        "max_drawdown": empyrical.max_drawdown(returns),
        "var_95": empyrical.value_at_risk(returns, 0.05),
        "var_99": empyrical.value_at_risk(returns, 0.01),
        "cvar_95": empyrical.conditional_value_at_risk(returns, 0.05),
        "cvar_99": empyrical.conditional_value_at_risk(returns, 0.01),
        "beta": empyrical.beta(returns, market, risk_free=daily),
        "tracking_error": empyrical.annual_volatility(returns - market),
        "information_ratio": math.sqrt(252) * empyrical.excess_sharpe(returns, market),
        "skew": stats.skew(returns, bias=False),
        "kurtosis": stats.kurtosis(returns, bias=False),
    }
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-10), name


def test_alpha_is_the_yearly_intercept_of_excess_returns() -> None:
    returns, market = five_years(7)
    found = compute(returns, weekdays(1257), rf=RF, benchmark=market)
    fit = stats.linregress(market - RF / 252, returns - RF / 252)
    assert found.alpha == pytest.approx(252 * fit.intercept, rel=1e-9)
    assert found.beta == pytest.approx(fit.slope, rel=1e-10)


def test_growth_is_on_calendar_days() -> None:
    dates = np.array(["2020-01-01", "2020-06-30", "2022-01-01"], dtype="datetime64[D]")
    found = compute(np.array([0.1, 0.1]), dates, rf=RF)
    assert found.total_return == pytest.approx(0.21)
    assert found.cagr == pytest.approx(1.21 ** (365.25 / 731) - 1)


def test_a_drawdown_has_its_dates_and_its_length() -> None:
    found = of([0.25, -0.2, -0.1, 0.5, -0.1])
    days = [d.item() for d in weekdays(6)]
    assert found.worst_drawdown == Drawdown(
        depth=about(-0.28),
        peak=days[1],
        trough=days[3],
        recovery=days[4],
        sessions=3,
    )
    assert found.max_drawdown == pytest.approx(-0.28)
    assert isinstance(found.cagr, float)
    assert found.calmar == pytest.approx(found.cagr / 0.28)


def test_a_fall_from_the_first_value_that_never_recovers_lasts_to_the_end() -> None:
    worst = of([-0.1, 0.05, 0.01]).worst_drawdown
    assert isinstance(worst, Drawdown)
    assert (worst.peak, worst.recovery, worst.sessions) == (date(2020, 1, 1), None, 3)


def test_the_best_and_worst_days_and_months_are_dated() -> None:
    dates = np.array(
        ["2020-01-30", "2020-01-31", "2020-02-03", "2020-02-28", "2020-03-02"], "datetime64[D]"
    )
    found = compute(np.array([0.02, 0.03, 0.04, -0.05]), dates, rf=RF)
    assert found.best_day == Dated(0.04, date(2020, 2, 28))
    assert found.worst_day == Dated(-0.05, date(2020, 3, 2))
    assert found.best_month == Dated(about(1.03 * 1.04 - 1), date(2020, 2, 28))
    assert found.worst_month == Dated(about(-0.05), date(2020, 3, 2))


def test_capture_compares_mean_returns_on_rising_and_falling_days() -> None:
    found = of([0.02, 0.01, -0.03, 0.5], [0.01, 0.02, -0.02, 0.0])
    assert found.up_capture == pytest.approx(1.0)
    assert found.down_capture == pytest.approx(1.5)


@pytest.mark.parametrize("returns", [[], [0.01], [0.01, math.nan]])
def test_fewer_than_two_observations_give_a_reason_for_every_number(returns: list[float]) -> None:
    found = of(returns, returns)
    named = {field.name for field in fields(Metrics)} - {"observations"}
    assert found.reasons() == dict.fromkeys(named, "fewer than 2 observations")


def test_constant_returns_have_no_ratio_to_their_risk() -> None:
    found = of([0.001] * 20, [0.002] * 20)
    assert found.volatility == 0.0
    assert found.max_drawdown == 0.0
    assert found.reasons() == {
        "sharpe": "the returns do not vary",
        "sortino": "no return was below the risk-free rate",
        "calmar": "there was no drawdown",
        "worst_drawdown": "there was no drawdown",
        "skew": "the returns do not vary",
        "kurtosis": "the returns do not vary",
        "alpha": "the benchmark's returns do not vary",
        "beta": "the benchmark's returns do not vary",
        "information_ratio": "there is no tracking error",
        "down_capture": "the benchmark never fell",
    }


def test_without_a_benchmark_only_what_needs_one_is_missing() -> None:
    found = of([0.01, -0.02, 0.03, 0.01])
    assert set(found.reasons()) == {
        "alpha",
        "beta",
        "tracking_error",
        "information_ratio",
        "up_capture",
        "down_capture",
    }


def test_three_observations_have_a_skew_but_no_kurtosis() -> None:
    found = of([0.01, -0.02, 0.03])
    assert found.skew == pytest.approx(stats.skew([0.01, -0.02, 0.03], bias=False))
    assert found.kurtosis == Missing("fewer than 4 observations")


def test_days_without_a_return_are_no_observations() -> None:
    gaps = of([0.01, math.nan, -0.02, 0.03], [0.02, 0.01, math.nan, 0.01])
    assert gaps.observations == 3
    assert gaps.total_return == pytest.approx(1.01 * 0.98 * 1.03 - 1)
    assert gaps.tracking_error == pytest.approx(np.std([-0.01, 0.02], ddof=1) * math.sqrt(252))


def test_time_before_the_first_return_is_no_part_of_the_growth() -> None:
    """As of a benchmark that was listed late."""
    returns, _ = five_years(1)
    dates = weekdays(1257)
    late = np.where(np.arange(1256) < 800, np.nan, returns)
    found, alone = compute(late, dates, rf=RF), compute(returns[800:], dates[800:], rf=RF)
    assert found == alone


def test_time_without_returns_is_no_part_of_the_growth_wherever_it_lies() -> None:
    returns = np.array([0.01, math.nan, math.nan, 0.02, 0.03, math.nan])
    # Wednesday to Thursday; Monday to Wednesday
    found = compute(returns, weekdays(7, "2020-01-01"), rf=RF)
    assert found.cagr == pytest.approx((1.01 * 1.02 * 1.03) ** (365.25 / 3) - 1)


def test_losing_everything_is_minus_one_hundred_percent() -> None:
    found = compute(np.array([0.1] * 30 + [-1.0] + [0.0] * 60), weekdays(92), rf=RF)
    assert (found.total_return, found.cagr, found.max_drawdown) == (-1.0, -1.0, -1.0)
    assert isinstance(found.worst_month, Dated)
    assert found.worst_month.value == -1.0


def test_growth_too_fast_for_a_yearly_rate_is_missing() -> None:
    assert cagr(1000.0, 1) == Missing("the period is too short for a yearly rate")
    assert cagr(1.5, 0) == Missing("the period has no length")


def test_dates_and_benchmark_must_fit_the_returns() -> None:
    with pytest.raises(ValueError, match="2 returns lie between 3 dates"):
        compute(np.zeros(2), weekdays(2), rf=RF)
    with pytest.raises(ValueError, match="1 benchmark returns for 2 returns"):
        compute(np.zeros(2), weekdays(3), rf=RF, benchmark=np.zeros(1))


@given(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=300))
def test_metrics_of_any_series_are_ordered_and_finite(returns: list[float]) -> None:
    found = of(returns, returns[::-1])
    for field in fields(Metrics):
        value = getattr(found, field.name)
        assert not isinstance(value, float) or math.isfinite(value), field.name
    assert found.worst_day.value <= found.cvar_95 + 1e-15  # type: ignore[union-attr,operator]
    assert found.cvar_99 <= found.cvar_95 + 1e-15  # type: ignore[operator]
    assert found.cvar_95 <= found.var_95 + 1e-15  # type: ignore[operator]
    assert -1.0 <= found.max_drawdown <= 0.0  # type: ignore[operator]
