"""Factor returns against statsmodels, and attribution by factor: what it was made of comes back."""

import math
from functools import cache

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from app.quant.attribution.by_factor import by_factor
from app.quant.attribution.factor_returns import (
    FactorReturns,
    factor_returns,
    premia,
    premium,
)
from app.quant.book_over_time import BookOverTime
from app.quant.factors.factor_history import FactorHistory
from app.quant.factors.score_history import score_history
from app.quant.measured import Missing
from app.quant.panel import FloatArray, Panel
from tests.quant.factors.test_golden import market
from tests.shared_data import needs_market_data

NAMES = ("momentum", "quality")


def history_of(z: FloatArray, panel: Panel) -> FactorHistory:
    """Scores [T, N, K] of every session of the panel, NaN in all factors where not scored."""
    scored = ~np.isnan(z).all(axis=2)
    session, rows = np.nonzero(scored)
    return FactorHistory(
        tickers=panel.tickers,
        sessions=panel.sessions[: len(z)],
        names=NAMES[: z.shape[2]],
        exclusion=np.where(scored, 0, 1).astype(np.int8),
        starts=np.append(0, np.cumsum(scored.sum(axis=1))),
        rows=rows.astype(np.int32),
        z=z[session, rows].T,
        groups=np.zeros(len(panel.tickers), np.int64),
    )


def panel_of(returns: FloatArray) -> Panel:
    """Of [T, N] returns: T + 1 closes from 100 on."""
    closes = 100.0 * np.vstack((np.ones(returns.shape[1]), (1.0 + returns).cumprod(axis=0))).T
    days = np.datetime64("2024-01-01") + np.arange(len(returns) + 1)
    tickers = tuple(f"E{k:03d}" for k in range(returns.shape[1]))
    return Panel(tickers, days, closes, closes, np.ones(closes.shape))


def invented(
    seed: int, days: int = 40, etfs: int = 30, noise: float = 0.0
) -> tuple[Panel, FactorHistory, FloatArray]:
    """A market that is made of a market return and two factors, and noise."""
    generator = np.random.default_rng(seed)
    z = generator.normal(0.0, 1.0, (days + 1, etfs, 2))
    truth = generator.normal(0.0, 0.01, (days, 3))
    returns = truth[:, :1] + np.einsum("tnk,tk->tn", z[:-1], truth[:, 1:])
    panel = panel_of(returns + generator.normal(0.0, 1.0, returns.shape) * noise)
    return panel, history_of(z, panel), truth


def test_a_market_made_of_factors_gives_them_back() -> None:
    panel, history, truth = invented(1)

    found = factor_returns(history, panel)

    assert found.names == ("market", *NAMES)
    np.testing.assert_array_equal(found.sessions, panel.sessions[1:])
    np.testing.assert_allclose(found.values, truth, atol=1e-12)
    np.testing.assert_allclose(found.r_squared, 1.0, atol=1e-9)


@pytest.mark.parametrize("seed", [2, 3])
def test_each_session_is_the_regression_of_statsmodels(seed: int) -> None:
    panel, history, _ = invented(seed, noise=0.02)

    found = factor_returns(history, panel)

    for t in range(len(found)):
        entries = slice(int(history.starts[t]), int(history.starts[t + 1]))
        rows = history.rows[entries]
        earned = panel.adjusted[rows, t + 1] / panel.adjusted[rows, t] - 1.0
        fit = sm.OLS(earned, sm.add_constant(history.z[:, entries].T)).fit()
        np.testing.assert_allclose(found.values[t], fit.params, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(found.errors[t], fit.bse, rtol=1e-9)
        np.testing.assert_allclose(found.t[t], fit.tvalues, rtol=1e-9)
        assert found.r_squared[t] == pytest.approx(fit.rsquared, abs=1e-10)


def test_an_unknown_score_is_the_mean_and_an_unknown_return_is_left_out() -> None:
    panel, history, _ = invented(4, noise=0.01)
    history.z[1, history.rows % 7 == 0] = np.nan
    panel.adjusted[3, :] = np.nan

    found = factor_returns(history, panel)

    rows = history.rows[: history.starts[1]]
    kept = rows != 3
    design = np.nan_to_num(history.z[:, : history.starts[1]].T[kept])
    earned = panel.adjusted[rows[kept], 1] / panel.adjusted[rows[kept], 0] - 1.0
    fit = sm.OLS(earned, sm.add_constant(design)).fit()
    np.testing.assert_allclose(found.values[0], fit.params, rtol=1e-9, atol=1e-14)
    assert found.observations[0] == kept.sum()


def test_a_missing_close_is_no_return_of_nothing_and_none_of_two_days() -> None:
    panel, history, truth = invented(5)
    panel.adjusted[3, 7] = np.nan

    found = factor_returns(history, panel)

    np.testing.assert_allclose(found.values, truth, atol=1e-12)
    assert [found.observations[t] for t in (5, 6, 7, 8)] == [30, 29, 29, 30]


def test_a_factor_that_nobody_knows_is_left_out_and_the_others_stand() -> None:
    panel, history, _ = invented(5, noise=0.01)
    alone = factor_returns(history_of(_z_of(history)[:, :, :1], panel), panel)
    history.z[1] = np.nan

    found = factor_returns(history, panel)

    assert np.isnan(found.values[:, 2]).all()
    assert np.isnan(found.t[:, 2]).all()
    np.testing.assert_allclose(found.values[:, :2], alone.values, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(found.errors[:, :2], alone.errors, rtol=1e-9)


def _z_of(history: FactorHistory) -> FloatArray:
    shape = (len(history.sessions), len(history.tickers), len(history.names))
    found = np.full(shape, np.nan)
    session = np.repeat(np.arange(shape[0]), np.diff(history.starts))
    found[session, history.rows] = history.z.T
    return found


def test_too_few_etfs_or_scores_that_cannot_be_told_apart_have_no_returns() -> None:
    panel, history, _ = invented(6, etfs=3)
    assert np.isnan(factor_returns(history, panel).values).all()

    panel, history, _ = invented(7)
    history.z[1] = 2.0 * history.z[0]
    found = factor_returns(history, panel)
    assert np.isnan(found.values).all()
    assert np.isnan(found.r_squared).all()


def test_without_a_scored_session_there_is_nothing() -> None:
    panel, _, _ = invented(8)
    nothing = history_of(np.full((len(panel), 30, 2), np.nan), panel)
    assert len(factor_returns(nothing, panel)) == 0


def test_nothing_after_a_session_changes_its_factor_returns() -> None:
    panel, history, _ = invented(9, noise=0.02)
    before = factor_returns(history, panel)
    panel.adjusted[:, 21:] *= np.random.default_rng(0).uniform(0.5, 2.0, (30, 20))

    after = factor_returns(history, panel)

    np.testing.assert_array_equal(before.values[:20], after.values[:20])
    assert (before.values[20:] != after.values[20:]).any()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_error_of_a_mean_is_that_of_statsmodels(seed: int) -> None:
    generator = np.random.default_rng(seed)
    series = np.convolve(generator.normal(0.0002, 0.01, 900), [1.0, 0.5, 0.2])

    found = premium("any", series)

    fit = sm.OLS(series, np.ones(len(series))).fit(
        cov_type="HAC", cov_kwds={"maxlags": found.lags, "use_correction": True}
    )
    assert found.t == pytest.approx(fit.tvalues[0], rel=1e-9)
    assert found.error == pytest.approx(fit.bse[0] * 252, rel=1e-9)
    assert found.cumulative == pytest.approx(np.prod(1.0 + series) - 1.0, rel=1e-12)
    assert found.lags > 0


def test_premia_without_observations_say_why() -> None:
    found = premium("any", np.array([np.nan, 0.01]))
    assert found.t == Missing("fewer than 2 observations")
    assert found.observations == 1


def book_in(panel: Panel, seed: int, *, names: int = 6) -> BookOverTime:
    """Random weights in some ETFs of the panel over its life, with costs and interest."""
    generator = np.random.default_rng(seed)
    rows = np.sort(generator.choice(len(panel.tickers), names, replace=False))
    returns = panel.adjusted[rows, 1:].T / panel.adjusted[rows, :-1].T - 1.0
    weights = generator.dirichlet(np.ones(names), len(returns)) * 0.9
    costs = generator.exponential(1e-4, len(returns))
    interest = generator.uniform(0.0, 1e-5, len(returns))
    contributions = weights * returns
    return BookOverTime(
        dates=panel.sessions,
        tickers=tuple(panel.tickers[row] for row in rows),
        rows=rows,
        weights=weights,
        contributions=contributions,
        costs=costs,
        returns=contributions.sum(axis=1) + interest - costs,
        present=weights > 0.0,
    )


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), noise=st.sampled_from([0.0, 1e-3, 0.02]))
def test_market_factors_selection_cash_and_costs_add_up(seed: int, noise: float) -> None:
    panel, history, _ = invented(seed, days=120, noise=noise)
    found = by_factor(book_in(panel, seed), history, factor_returns(history, panel))

    parts = math.fsum((*found.parts, found.selection, found.cash, found.costs))
    assert abs(parts - found.total) <= 1e-10
    assert found.unexplained_sessions == 0


def test_where_factors_explain_everything_selection_is_nothing() -> None:
    panel, history, _ = invented(11)
    book = book_in(panel, 11)

    found = by_factor(book, history, factor_returns(history, panel))

    assert found.selection == pytest.approx(0.0, abs=1e-12)
    assert found.costs < 0.0 < found.cash
    np.testing.assert_allclose(found.exposures[:, 0], book.weights.sum(axis=1), rtol=1e-12)
    expected = np.einsum("tn,tnk->tk", book.weights, _z_of(history)[:-1][:, book.rows])
    np.testing.assert_allclose(found.exposures[:, 1:], expected, atol=1e-12)
    np.testing.assert_allclose(found.daily.sum(axis=1), book.returns, atol=1e-15)


def test_what_has_no_score_is_selection_and_its_weight_is_told() -> None:
    panel, history, _ = invented(12)
    z = _z_of(history)
    book = book_in(panel, 12)
    z[:, book.rows[0]] = np.nan
    history = history_of(z, panel)

    found = by_factor(book, history, factor_returns(history, panel))

    np.testing.assert_allclose(found.unscored, book.weights[:, 0], atol=1e-12)
    # All that the others did is explained, so selection is what that one earned.
    np.testing.assert_allclose(found.daily[:, -3], book.contributions[:, 0], atol=1e-12)


def test_sessions_before_the_first_scores_are_all_selection() -> None:
    panel, history, _ = invented(13)
    returns = factor_returns(history, panel)
    late = FactorHistory(
        history.tickers,
        history.sessions[10:],
        history.names,
        history.exclusion[10:],
        history.starts[10:] - history.starts[10],
        history.rows[history.starts[10] :],
        history.z[:, history.starts[10] :],
        history.groups,
    )
    book = book_in(panel, 13)

    found = by_factor(book, late, returns.between(10, len(returns)))

    assert found.unexplained_sessions == 10
    np.testing.assert_array_equal(found.exposures[:10], 0.0)
    np.testing.assert_allclose(found.daily[:10, -3], book.contributions[:10].sum(axis=1))
    np.testing.assert_allclose(found.daily[10:, -3], 0.0, atol=1e-12)


def test_a_market_without_any_score_leaves_all_to_selection() -> None:
    panel, _, _ = invented(14)
    nothing = history_of(np.full((len(panel), 30, 2), np.nan), panel)
    unsaid = FactorHistory(
        panel.tickers,
        panel.sessions[:0],
        NAMES,
        np.empty((0, 30), np.int8),
        np.zeros(1, np.int64),
        np.empty(0, np.int32),
        np.empty((2, 0)),
        np.zeros(30, np.int64),
    )
    book = book_in(panel, 14)
    for history in (nothing, unsaid):
        found = by_factor(book, history, factor_returns(history, panel))

        assert found.unexplained_sessions == len(book)
        assert found.total == pytest.approx(found.selection + found.cash + found.costs, abs=1e-12)
        np.testing.assert_allclose(found.unscored, book.weights.sum(axis=1))


@cache
def real() -> tuple[Panel, FactorHistory, FactorReturns]:
    panel, facts = market("etf_prices")
    history = score_history(panel, facts, None, panel.sessions[252:]).factors
    return panel, history, factor_returns(history, panel)


@needs_market_data
def test_on_real_prices_sessions_are_the_regressions_of_statsmodels() -> None:
    panel, history, found = real()
    for t in (0, 300, len(found) - 1):
        entries = slice(int(history.starts[t]), int(history.starts[t + 1]))
        rows, at = history.rows[entries], 252 + t
        earned = panel.adjusted[rows, at + 1] / panel.adjusted[rows, at] - 1.0
        known = np.isfinite(earned)
        design = sm.add_constant(np.nan_to_num(history.z[:, entries].T))
        fit = sm.OLS(earned[known], design[known]).fit()
        np.testing.assert_allclose(found.values[t], fit.params, rtol=1e-8, atol=1e-12)
        assert found.observations[t] == known.sum()


@needs_market_data
def test_on_real_prices_the_intercept_moves_with_a_fund_of_everything() -> None:
    panel, _, found = real()
    aor = panel.adjusted[panel.tickers.index("AOR")]
    earned = aor[253:] / aor[252:-1] - 1.0
    assert np.corrcoef(found.values[:, 0], earned)[0, 1] > 0.95
    assert {each.name for each in premia(found)} == {"market", *found.names[1:]}
