"""empyrical-reloaded, ffn and quantstats, run on the same returns: equal where the definitions are,
and where they are not, different in exactly the way that docs/definitions.md says."""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import empyrical
import ffn
import numpy as np
import pandas as pd
import pytest
import quantstats
from scipy import stats

from app.quant import drawdowns
from app.quant.metrics import Dated, Metrics, compute
from app.quant.panel import DateArray, FloatArray
from app.quant.rolling import Rolling, rolling

pytestmark = pytest.mark.filterwarnings("ignore")

RF, YEAR, N = 0.04, 252, 756


@dataclass(frozen=True, slots=True)
class Case:
    returns: FloatArray
    market: FloatArray
    dates: DateArray

    @property
    def found(self) -> Metrics:
        return self.at(RF)

    def at(self, rf: float) -> Metrics:
        return compute(self.returns, self.dates, rf=rf, benchmark=self.market)

    @property
    def dated(self) -> pd.Series:
        return pd.Series(self.returns, index=pd.DatetimeIndex(self.dates[1:]))

    @property
    def dated_market(self) -> pd.Series:
        return pd.Series(self.market, index=pd.DatetimeIndex(self.dates[1:]))

    @property
    def prices(self) -> pd.Series:
        path = np.append(1.0, (1.0 + self.returns).cumprod())
        return pd.Series(path, index=pd.DatetimeIndex(self.dates))


@pytest.fixture(params=range(3))
def case(request: pytest.FixtureRequest) -> Case:
    generator = np.random.default_rng(request.param)
    market = generator.standard_t(5, N) * 0.008 + 0.0004
    days = np.arange("2020-01-01", "2024-01-01", dtype="datetime64[D]")
    returns = 0.8 * market + generator.normal(0.0001, 0.004, N)
    return Case(returns, market, days[np.is_busday(days)][: N + 1])


def same(value: object) -> Any:
    return pytest.approx(value, rel=1e-10)


def value_of(extreme: object) -> float:
    assert isinstance(extreme, Dated)
    return extreme.value


class TestWhereTheDefinitionsAgree:
    def test_empyrical(self, case: Case) -> None:
        found, daily = case.found, RF / YEAR
        mine, market = case.dated, case.dated_market
        assert found.total_return == same(empyrical.cum_returns_final(mine))
        assert found.volatility == same(empyrical.annual_volatility(mine))
        assert found.sharpe == same(empyrical.sharpe_ratio(mine, risk_free=daily))
        assert found.sortino == same(empyrical.sortino_ratio(mine, required_return=daily))
        assert found.max_drawdown == same(empyrical.max_drawdown(mine))
        assert found.beta == same(empyrical.beta(mine, market, risk_free=daily))
        assert found.tracking_error == same(empyrical.annual_volatility(mine - market))
        for tail, var, cvar in (
            (0.05, found.var_95, found.cvar_95),
            (0.01, found.var_99, found.cvar_99),
        ):
            assert var == same(empyrical.value_at_risk(mine, tail))
            assert cvar == same(empyrical.conditional_value_at_risk(mine, tail))

    def test_ffn(self, case: Case) -> None:
        found, prices = case.found, case.prices
        theirs = ffn.PerformanceStats(prices, rf=RF).stats
        assert found.total_return == same(theirs["total_return"])
        assert found.cagr == same(theirs["cagr"])
        assert found.volatility == same(theirs["daily_vol"])
        assert found.max_drawdown == same(theirs["max_drawdown"])
        assert found.calmar == same(theirs["calmar"])
        assert found.skew == same(theirs["daily_skew"])
        assert found.kurtosis == same(theirs["daily_kurt"])
        for name in ("best_day", "worst_day", "best_month", "worst_month"):
            assert value_of(getattr(found, name)) == same(theirs[name]), name
        without = ffn.PerformanceStats(prices, rf=0.0).stats
        assert case.at(0.0).sharpe == same(without["daily_sharpe"])
        assert case.at(0.0).sortino == same(without["daily_sortino"])

    def test_quantstats(self, case: Case) -> None:
        found, mine, market = case.found, case.dated, case.dated_market
        theirs = quantstats.stats
        assert found.total_return == same(theirs.comp(mine))
        assert found.volatility == same(theirs.volatility(mine))
        assert found.max_drawdown == same(theirs.max_drawdown(mine))
        assert found.skew == same(theirs.skew(mine))
        assert found.kurtosis == same(theirs.kurtosis(mine))
        assert found.beta == same(theirs.greeks(mine, market)["beta"])
        assert value_of(found.best_day) == same(theirs.best(mine))
        assert value_of(found.worst_day) == same(theirs.worst(mine))
        assert found.win_rate == same(theirs.win_rate(mine))
        assert case.at(0.0).sharpe == same(theirs.sharpe(mine))
        assert case.at(0.0).sortino == same(theirs.sortino(mine))
        historical = theirs.conditional_value_at_risk(mine, confidence=0.95, method="historical")
        assert found.cvar_95 == same(historical)

    def test_rolling_figures_of_empyrical_and_pandas(self, case: Case) -> None:
        window, daily = 63, RF / YEAR
        mine, market = case.dated, case.dated_market
        found = rolling(case.returns, case.dates, window=window, rf=RF, benchmark=case.market)
        assert isinstance(found, Rolling)
        theirs = {
            "volatility": mine.rolling(window).std().dropna() * math.sqrt(YEAR),
            "sharpe": empyrical.roll_sharpe_ratio(mine, window=window, risk_free=daily),
            "max_drawdown": empyrical.roll_max_drawdown(mine, window=window),
            "beta": empyrical.roll_beta(mine, market, window=window, risk_free=daily),
        }
        for name, values in theirs.items():
            np.testing.assert_allclose(getattr(found, name), values.to_numpy(), rtol=1e-9)
        grown = (1.0 + mine).cumprod()
        over = grown / grown.shift(window, fill_value=1.0) - 1.0
        np.testing.assert_allclose(found.total_return, over.iloc[window - 1 :], atol=1e-12)


class TestWhereTheyDoNot:
    def test_growth_over_sessions_instead_of_calendar_days(self, case: Case) -> None:
        total, depth = case.found.total_return, case.found.max_drawdown
        assert isinstance(total, float)
        assert isinstance(depth, float)
        by_sessions = (1.0 + total) ** (YEAR / N) - 1.0
        assert empyrical.annual_return(case.dated) == same(by_sessions)
        assert quantstats.stats.cagr(case.dated) == same(by_sessions)
        assert empyrical.calmar_ratio(case.dated) == same(by_sessions / -depth)
        assert quantstats.stats.calmar(case.dated) == same(by_sessions / -depth)
        assert case.found.cagr != same(by_sessions)

    def test_a_risk_free_rate_that_compounds_daily(self, case: Case) -> None:
        compounding = ((1.0 + RF) ** (1.0 / YEAR) - 1.0) * YEAR
        theirs = case.at(compounding)
        assert ffn.calc_sharpe(case.dated, rf=RF, nperiods=YEAR) == same(theirs.sharpe)
        assert ffn.calc_sortino_ratio(case.dated, rf=RF, nperiods=YEAR) == same(theirs.sortino)
        assert quantstats.stats.sharpe(case.dated, rf=RF) == same(theirs.sharpe)
        assert quantstats.stats.sortino(case.dated, rf=RF) == same(theirs.sortino)
        assert case.found.sharpe != same(theirs.sharpe)

    def test_an_information_ratio_of_one_session(self, case: Case) -> None:
        mine, market = case.dated, case.dated_market
        assert isinstance(case.found.information_ratio, float)
        daily = case.found.information_ratio / math.sqrt(YEAR)
        assert empyrical.excess_sharpe(mine, market) == same(daily)
        assert ffn.calc_information_ratio(mine, market) == same(daily)
        assert quantstats.stats.information_ratio(mine, market) == same(daily)

    def test_an_alpha_that_compounds_or_has_no_risk_free_rate(self, case: Case) -> None:
        mine, market = case.dated, case.dated_market
        assert isinstance(case.found.alpha, float)
        compounded = (1.0 + case.found.alpha / YEAR) ** YEAR - 1.0
        assert empyrical.alpha(mine, market, risk_free=RF / YEAR) == same(compounded)
        assert quantstats.stats.greeks(mine, market)["alpha"] == same(case.at(0.0).alpha)
        assert case.found.alpha != same(case.at(0.0).alpha)

    def test_captures_of_compounded_yearly_rates(self, case: Case) -> None:
        mine, market = case.dated, case.dated_market
        for sessions, theirs in (
            (case.market > 0.0, empyrical.up_capture(mine, market)),
            (case.market < 0.0, empyrical.down_capture(mine, market)),
        ):
            rates = [
                (1.0 + returns[sessions]).prod() ** (YEAR / sessions.sum()) - 1.0
                for returns in (case.returns, case.market)
            ]
            assert theirs == same(rates[0] / rates[1])

    def test_tails_of_a_normal_distribution(self, case: Case) -> None:
        mean, spread = case.returns.mean(), case.returns.std(ddof=1)
        edge = stats.norm.ppf(0.05)
        assert quantstats.stats.value_at_risk(case.dated) == same(mean + edge * spread)
        shortfall = mean - spread * stats.norm.pdf(edge) / 0.05
        assert quantstats.stats.cvar(case.dated) == same(shortfall)
        assert case.found.var_95 != same(mean + edge * spread)

    def test_a_win_rate_without_the_sessions_that_stood_still(self, case: Case) -> None:
        still = case.returns.copy()
        still[::5] = 0.0
        rate = compute(still, case.dates, rf=RF).win_rate
        assert isinstance(rate, float)
        moved = pd.Series(still, index=case.dated.index)
        part = np.count_nonzero(still) / N
        assert quantstats.stats.win_rate(moved) == same(rate / part)

    def test_drawdowns_that_begin_a_session_later_and_are_counted_in_days(self, case: Case) -> None:
        deepest = drawdowns.table(case.returns, case.dates, most=100).deepest
        worst = next(fall for fall in deepest if fall.recovery is not None)
        days = [day.item() for day in case.dates]
        first_below = days[days.index(worst.peak) + 1]
        assert worst.recovery is not None
        theirs = ffn.drawdown_details(ffn.to_drawdown_series(case.prices))
        (row,) = theirs[theirs["Start"] == pd.Timestamp(first_below)].to_dict("records")
        assert row["drawdown"] == same(worst.depth)
        assert row["End"] == pd.Timestamp(worst.recovery)
        assert row["Length"] == (worst.recovery - first_below) // timedelta(days=1)
        fallen = quantstats.stats.to_drawdown_series(case.dated)
        theirs = quantstats.stats.drawdown_details(fallen)
        (row,) = theirs[theirs["start"] == first_below.isoformat()].to_dict("records")
        last_below = days[days.index(worst.recovery) - 1]
        assert row["end"] == last_below.isoformat()
        assert row["valley"] == worst.trough.isoformat()
        assert row["max drawdown"] == same(100.0 * worst.depth)
        assert row["days"] == (last_below - first_below).days + 1
