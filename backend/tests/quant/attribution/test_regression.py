"""Regression on published factors: statsmodels agrees, and funds load on what they are called."""

from functools import cache

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from app.quant.attribution.regression import Regression, Rolling, lags_for, regress, rolling
from app.quant.measured import Missing
from app.quant.panel import FloatArray
from tests.shared_data import SHARED, needs_market_data

SIX = ("mkt_rf", "smb", "hml", "rmw", "cma", "mom")


def invented(count: int = 700, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Returns of three factors and noise that remembers and whose size changes."""
    generator = np.random.default_rng(seed)
    factors = generator.normal(0.0002, 0.01, (count, 3))
    noise = np.convolve(generator.normal(0.0, 0.004, count), [1.0, 0.4, 0.2])[:count]
    noise *= 1.0 + 20.0 * np.abs(factors[:, 0])
    return 0.0001 + factors @ np.array([1.1, -0.3, 0.2]) + noise, factors


@pytest.mark.parametrize("lags", [0, 1, 5, None])
def test_coefficients_and_errors_are_those_of_statsmodels(lags: int | None) -> None:
    returns, factors = invented()

    found = regress(returns, factors, ["a", "b", "c"], lags=lags)

    assert isinstance(found, Regression)
    fit = sm.OLS(returns, sm.add_constant(factors)).fit(
        cov_type="HAC", cov_kwds={"maxlags": found.lags, "use_correction": True}
    )
    mine = [found.alpha, *found.loadings]
    yearly = np.array([252.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose([each.value for each in mine], fit.params * yearly, rtol=1e-9)
    np.testing.assert_allclose([each.error for each in mine], fit.bse * yearly, rtol=1e-9)
    np.testing.assert_allclose([each.t for each in mine], fit.tvalues, rtol=1e-9)
    np.testing.assert_allclose([each.p_value for each in mine], fit.pvalues, rtol=1e-7, atol=1e-300)
    bounds = fit.conf_int(0.05) * yearly[:, np.newaxis]
    np.testing.assert_allclose([(each.low, each.high) for each in mine], bounds, rtol=1e-9)
    assert found.r_squared == pytest.approx(fit.rsquared, rel=1e-12)
    assert found.adjusted_r_squared == pytest.approx(fit.rsquared_adj, rel=1e-12)
    assert found.residual_volatility == pytest.approx((fit.mse_resid * 252) ** 0.5, rel=1e-12)


def test_lags_follow_the_rule_of_newey_and_west() -> None:
    assert [lags_for(count) for count in (63, 100, 252, 1260, 8000)] == [3, 4, 4, 7, 10]


def test_windows_are_the_regressions_of_their_own_sessions() -> None:
    returns, factors = invented()
    dates = np.datetime64("2020-01-01") + np.arange(len(returns))

    found = rolling(returns, factors, dates, window=252, step=21)

    assert isinstance(found, Rolling)
    assert found.ends[-1] == dates[-1]
    assert len(found.ends) == (700 - 252) // 21 + 1
    last = regress(returns[-252:], factors[-252:], ["a", "b", "c"])
    assert isinstance(last, Regression)
    np.testing.assert_array_equal(found.values[-1], [each.value for each in last.loadings])
    np.testing.assert_array_equal(found.low[-1], [each.low for each in last.loadings])
    np.testing.assert_array_equal(found.high[-1], [each.high for each in last.loadings])
    assert found.alphas[-1] == last.alpha.value
    assert (found.low < found.values).all()


def test_what_cannot_be_estimated_says_why() -> None:
    returns, factors = invented()
    twice = np.column_stack((factors[:, 0], 2.0 * factors[:, 0]))
    dates = np.datetime64("2020-01-01") + np.arange(len(returns))

    assert regress(returns[:40], factors[:40], "abc") == Missing(
        "40 sessions with returns of both; 63 are needed"
    )
    assert regress(returns, twice, "ab") == Missing(
        "the factors cannot be told apart in this period"
    )
    assert regress(np.zeros(700), factors, "abc") == Missing("the returns do not vary")
    short = rolling(returns[:100], factors[:100], dates[:100])
    assert short == Missing("100 sessions with returns of both; a window has 252")


def test_factors_that_explain_everything_leave_no_error_to_divide_by() -> None:
    _, factors = invented()
    found = regress(factors @ np.array([1.0, 0.5, 0.0]), factors, "abc")
    assert isinstance(found, Regression)
    assert isinstance(found.loadings[0].t, Missing)
    assert found.loadings[0].value == pytest.approx(1.0)


@cache
def published() -> pl.DataFrame:
    path = SHARED / "data" / "factor_returns_daily.csv"
    return pl.read_csv(path, try_parse_dates=True, infer_schema_length=None)


def of_fund(ticker: str, names: tuple[str, ...] = SIX) -> Regression:
    """The daily excess returns of a fund, 2013-07 to 2024-07."""
    closes = (
        pl.scan_parquet(SHARED / "data" / "etf_prices_long.parquet")
        .filter(pl.col("ticker") == ticker)
        .select("date", close=pl.col("close").cast(pl.Float64))
        .sort("date")
        .with_columns(earned=pl.col("close").pct_change())
        .collect()
    )
    both = (
        closes.join(published(), on="date")
        .filter(pl.col("date").is_between(pl.date(2013, 7, 1), pl.date(2024, 7, 31)))
        .drop_nulls(["earned", *names])
    )
    excess = (both["earned"] - both["rf"]).to_numpy()
    found = regress(excess, both.select(names).to_numpy(), names)
    assert isinstance(found, Regression)
    return found


@needs_market_data
@pytest.mark.parametrize(
    ("ticker", "factor", "loading"),
    [("MTUM", "mom", 0.3), ("VLUE", "hml", 0.3), ("QUAL", "rmw", 0.15)],
)
def test_a_fund_loads_on_the_factor_that_it_is_named_for(
    ticker: str, factor: str, loading: float
) -> None:
    found = {each.name: each for each in of_fund(ticker).loadings}

    assert found[factor].value == pytest.approx(loading, abs=0.05)
    assert found[factor].low > 0.0
    assert isinstance(found[factor].t, float)
    assert found[factor].t > 10.0


@needs_market_data
def test_a_fund_of_low_volatility_has_a_market_beta_near_three_quarters() -> None:
    (beta,) = of_fund("USMV", ("mkt_rf",)).loadings
    assert beta.value == pytest.approx(0.75, abs=0.05)


@needs_market_data
def test_the_market_itself_has_no_alpha() -> None:
    found = of_fund("SPY")
    assert found.alpha.low < 0.0 < found.alpha.high
    assert found.alpha.error < 0.01
    assert found.r_squared > 0.99
