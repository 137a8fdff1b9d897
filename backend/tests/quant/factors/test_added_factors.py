"""Trend, beta, carry and reversal: closed forms, and other libraries on random markets."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from app.quant.factors.distributions import Distributions
from app.quant.factors.factor_history import Sweep
from app.quant.factors.history import History, Known, Window
from app.quant.factors.scoring import FactorWeights, ScoreSettings, score
from app.quant.factors.signals import Carry, LowBeta, Reversal, Trend
from app.quant.panel import Facts, FloatArray, Panel
from tests.quant.factors.markets import facts_of, panel_of, ragged_market, random_closes


def window_of(
    panel: Panel, facts: Facts | None = None, distributions: Distributions | None = None
) -> Window:
    """All ETFs on the last session, read as far back as there are closes."""
    etfs = len(panel.tickers)
    return Window(
        known=Known(panel, facts or facts_of(etfs), distributions=distributions),
        history=History.of(panel, np.arange(etfs), begin=0, end=len(panel)),
        ends=np.array([len(panel)]),
        inside=np.ones((1, etfs), np.bool_),
        reads=10_000,
    )


def test_trend_is_the_years_excess_return_over_its_volatility() -> None:
    returns = 0.001 + 0.01 * (-1.0) ** np.arange(252)
    up, down = np.cumprod(1 + returns), np.cumprod(1 - returns)
    closes = np.hstack([np.ones((2, 1)), np.vstack([up, down])])
    volatility = np.sqrt(252) * 0.01 * np.sqrt(252 / 251)
    expected = (closes[:, -1] - 1 - 0.04) / volatility
    np.testing.assert_allclose(Trend().raw(window_of(panel_of(closes)))[0], expected, rtol=1e-10)


def test_what_fell_behind_cash_trends_below_all_that_beat_it() -> None:
    panel = panel_of(random_closes(40, 300))
    excess = panel.close[:, -1] / panel.close[:, -253] - 1.04
    trend = Trend().raw(window_of(panel))[0]
    assert (np.sign(trend) == np.sign(excess)).all()
    assert {-1.0, 1.0} == set(np.sign(trend))


def test_an_etf_that_did_not_move_has_no_trend() -> None:
    assert np.isnan(Trend().raw(window_of(panel_of(np.ones((1, 253)))))).all()


def test_reversal_is_minus_the_months_return() -> None:
    closes = np.full((2, 30), 100.0)
    closes[:, -22] = [80.0, 125.0]
    found = Reversal().raw(window_of(panel_of(closes)))[0]
    np.testing.assert_allclose(found, [-0.25, 0.2], rtol=1e-14)


def pandas_betas(closes: FloatArray) -> FloatArray:
    prices = pd.DataFrame(closes.T)
    returns = prices.pct_change(fill_method=None)
    market = returns.mean(axis=1)
    three = np.log(prices).diff(3)
    market_three = np.log1p(market).rolling(3).sum()
    correlation = three.iloc[-756:].corrwith(market_three.iloc[-756:])
    betas = correlation * returns.iloc[-252:].std() / market.iloc[-252:].std()
    found: FloatArray = (0.6 * betas + 0.4).to_numpy()
    return found


@pytest.mark.parametrize("sessions", [300, 1000])
def test_beta_is_that_of_pandas(sessions: int) -> None:
    closes = random_closes(12, sessions, seed=2)
    closes *= np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.01, sessions)))
    found = LowBeta().raw(window_of(panel_of(closes)))[0]
    np.testing.assert_allclose(found, pandas_betas(closes), rtol=1e-9)


def test_beta_over_one_day_and_one_window_is_the_slope_of_a_regression() -> None:
    """With independent days the three-session correlation estimates that of one day."""
    generator = np.random.default_rng(11)
    market = generator.normal(0.0004, 0.01, 4000)
    loads = np.array([0.2, 0.5, 1.0, 1.5, 1.8])
    returns = loads[:, None] * market + generator.normal(0, 0.004, (5, 4000))
    closes = 100 * np.cumprod(np.hstack([np.ones((5, 1)), 1 + returns]), axis=1)
    known = returns.mean(axis=0)
    slopes = [sm.OLS(row, sm.add_constant(known)).fit().params[1] for row in returns]
    beta = LowBeta(lookback=4000, correlation_lookback=3998, shrinkage=1.0)
    np.testing.assert_allclose(beta.raw(window_of(panel_of(closes)))[0], slopes, atol=0.04)


def test_leveraged_and_inverse_funds_are_not_part_of_the_market() -> None:
    closes = random_closes(6, 300)
    with_others = np.vstack([closes, closes[:1] ** 3, 1 / closes[1:2]])
    odd = np.array([False] * 6 + [True, False]), np.array([False] * 7 + [True])
    facts = facts_of(8, leveraged=odd[0], inverse=odd[1])
    np.testing.assert_array_equal(
        window_of(panel_of(with_others), facts).market(), window_of(panel_of(closes)).market()
    )


def test_a_short_common_history_has_no_beta() -> None:
    closes = random_closes(3, 300)
    closes[0, :60] = np.nan
    found = LowBeta().raw(window_of(panel_of(closes)))[0]
    assert np.isnan(found).tolist() == [True, False, False]


def paid(*events: tuple[int, int, float, float], etfs: int = 3) -> Distributions:
    row, column, amounts, ratios = zip(*events, strict=True)
    return Distributions.of(
        np.array(row), np.array(column), np.array(amounts), np.array(ratios), etfs=etfs
    )


def yields(distributions: Distributions | None, columns: int = 300) -> FloatArray:
    closes = np.full((3, columns), 50.0)
    return window_of(panel_of(closes), distributions=distributions).yields(252)[0]


def test_carry_is_what_was_paid_over_a_year_over_the_close() -> None:
    events = [(0, 10, 9.0, 1.0), (0, 48, 1.0, 1.0), (0, 299, 0.5, 1.0), (1, 20, 3.0, 1.0)]
    np.testing.assert_allclose(yields(paid(*events)), [1.5 / 50, 0.0, np.nan])


def test_a_split_divides_what_was_paid_before_it_and_not_on_its_day() -> None:
    events = [(0, 5, 0.0, 7.0), (0, 100, 4.0, 1.0), (0, 200, 1.0, 2.0), (1, 6, 1.0, 1.0)]
    events += [(0, 250, 0.0, 0.5)]
    np.testing.assert_allclose(yields(paid(*events))[0], (4.0 / 2 + 1.0) / 0.5 / 50)


def test_carry_is_unknown_until_the_record_is_a_year_long() -> None:
    first = (0, 30, 1.0, 1.0)
    assert np.isnan(yields(paid(first), 281)).all()
    np.testing.assert_allclose(yields(paid(first), 282), [1.0 / 50, np.nan, np.nan])


def test_a_distribution_of_the_future_is_not_known() -> None:
    now, later = [(0, 5, 1.0, 1.0), (1, 40, 1.0, 1.0)], [(2, 290, 1.0, 1.0), (1, 295, 9.0, 2.0)]
    np.testing.assert_array_equal(yields(paid(*now), 280), yields(paid(*now, *later), 280))


def test_without_distributions_no_carry_is_known() -> None:
    assert np.isnan(yields(None)).all()
    assert np.isnan(yields(paid((0, 5, 0.0, 2.0)))).all()


def test_carry_reads_traded_closes_and_ranks_the_payers() -> None:
    panel, facts = ragged_market()
    rows = np.repeat(np.arange(60), 4)
    columns = np.tile([5, 100, 200, 300], 60)
    amounts = np.repeat(np.arange(1.0, 61.0) * panel.close[:, -1], 4)
    amounts[np.isnan(amounts)] = 1.0
    known = Distributions.of(rows, columns, amounts, np.ones(240), etfs=60)
    only = ScoreSettings(
        weights=FactorWeights(momentum=0, quality=0, volatility=0, value=0, carry=1), clip=(0, 100)
    )
    scores = score(panel, facts, only, distributions=known)
    assert scores.best().tolist() == sorted(np.flatnonzero(scores.scored), reverse=True)


def test_what_factors_declare_is_what_a_sweep_prepares() -> None:
    assert LowBeta().window == 759
    assert Trend().window == 253
    assert Reversal().window == 22
    assert Carry().window == 252
    panel, facts = ragged_market(rows=12)
    weights = FactorWeights(trend=1, beta=1, carry=1, reversal=1)
    sweep = Sweep(Known(panel, facts), ScoreSettings(weights=weights), np.array([len(panel)]))
    assert set(sweep.run().names) == {name for name, _ in weights.weights}
