"""Rank correlations and quantiles, beside scipy, pandas and alphalens."""

import alphalens
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from app.quant.panel import FloatArray
from app.quant.research.signals import kernels
from tests.quant.research.markets import (
    after,
    by_return,
    for_alphalens,
    quietly,
    signals_of,
    walk,
    whole,
)


def compared(scores: FloatArray, returns: FloatArray, quantiles: int = 5) -> tuple[FloatArray, ...]:
    """Of one group: rank correlation [T], mean of all [T] and of quantiles [T, Q]."""
    found = signals_of(scores)
    arranged = whole(found, quantiles)
    sorting = (found.starts, arranged.groups, arranged.ordered, arranged.codes)
    entries = returns[found.session_of, found.rows]
    parts = kernels().compared(
        found.scores, entries, by_return(found, entries), sorting, (1, quantiles, 2 * quantiles)
    )
    return tuple(part[0] for part in parts)


@given(seed=st.integers(0, 2**32 - 1), etfs=st.integers(10, 60), values=st.integers(2, 50))
def test_the_rank_correlation_is_spearmans_with_ties_too(seed: int, etfs: int, values: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, values, (3, etfs)).astype(np.float64)
    returns = random.integers(0, values, (3, etfs)) / 100.0
    ics, everyone, _ = compared(scores, returns)
    with quietly():
        expected = [stats.spearmanr(*pair).statistic for pair in zip(scores, returns, strict=True)]
    np.testing.assert_allclose(ics, expected, atol=1e-12)
    np.testing.assert_allclose(everyone, returns.mean(axis=1), atol=1e-15)


def test_an_etf_without_a_return_leaves_ranks_but_not_quantiles() -> None:
    random = np.random.default_rng(1)
    scores, returns = random.normal(size=(1, 40)), random.normal(size=(1, 40))
    codes = whole(signals_of(scores)).codes
    returns[0, ::7] = np.nan
    ics, _, means = compared(scores, returns)
    known = ~np.isnan(returns[0])
    assert ics[0] == pytest.approx(stats.spearmanr(scores[0, known], returns[0, known]).statistic)
    by_quantile = [returns[0, known & (codes == place)].mean() for place in range(5)]
    np.testing.assert_allclose(means[0], by_quantile, rtol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), etfs=st.integers(10, 80), quantiles=st.integers(2, 5))
def test_quantiles_are_those_of_pandas(seed: int, etfs: int, quantiles: int) -> None:
    scores = np.random.default_rng(seed).normal(size=etfs)
    codes = whole(signals_of(scores[None]), quantiles).codes
    expected = pd.qcut(scores, quantiles, labels=False)
    at_an_edge = (np.argsort(np.argsort(scores)) * quantiles) % (etfs - 1) == 0
    # At an edge itself pandas depends on how a product of two fractions is rounded.
    np.testing.assert_array_equal(codes[~at_an_edge], expected[~at_an_edge])


def test_equal_scores_share_a_quantile_even_where_that_leaves_one_empty() -> None:
    scores = np.array([[0.0] * 12 + [1.0, 2.0, 3.0]])
    codes = whole(signals_of(scores)).codes
    assert set(codes[:12]) == {0}
    assert codes[12:].tolist() == [4, 4, 4]
    _, _, means = compared(scores, scores / 10)
    assert np.isnan(means[0, 1:4]).all()


def test_a_session_with_too_few_etfs_has_no_figure() -> None:
    scores = np.vstack([np.arange(12.0), np.r_[np.arange(9.0), [np.nan] * 3]])
    ics, everyone, means = compared(scores, np.vstack([np.arange(12.0)] * 2))
    assert ics[0] == pytest.approx(1.0)
    assert np.isnan(ics[1])
    assert np.isnan(everyone[1])
    assert np.isnan(means[1]).all()


def test_groups_are_ranked_among_themselves() -> None:
    random = np.random.default_rng(2)
    scores, returns = random.normal(size=(4, 60)), random.normal(size=(4, 60))
    found = signals_of(scores)
    groups = found.classes
    asked = (2, 5, 10)
    ordered, counts, _, codes = kernels().ranked(found.scores, found.starts, groups, asked)
    entries = returns[found.session_of, found.rows]
    ics, _, means = kernels().compared(
        found.scores,
        entries,
        by_return(found, entries),
        (found.starts, groups, ordered, codes),
        asked,
    )
    assert (counts == 30).all()
    for group in range(2):
        alone = compared(scores[:, group::2], returns[:, group::2])
        np.testing.assert_array_equal(ics[group], alone[0])
        np.testing.assert_array_equal(means[group], alone[2])


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_alphalens_finds_the_same(horizon: int) -> None:
    """93 ETFs: no edge of a quantile is a value itself, where pandas' rounding decides."""
    panel = walk(93, 160)
    random = np.random.default_rng(3)
    scores = random.normal(size=(150, 93))
    scores[random.random(scores.shape) < 0.02] = np.nan
    counts = np.count_nonzero(~np.isnan(scores), axis=1)
    scores[:, 0] = np.where((counts - 1) % 5 == 0, np.nan, scores[:, 0])
    found = signals_of(scores)
    arranged = whole(found)
    returns = after(found, panel, horizon).returns[0]
    sorting = (found.starts, arranged.groups, arranged.ordered, arranged.codes)
    ics, _, means = kernels().compared(
        found.scores, returns, by_return(found, returns), sorting, (1, 5, 10)
    )
    theirs = for_alphalens(scores, panel, horizon)
    with quietly():
        their_ics = alphalens.performance.factor_information_coefficient(theirs).iloc[:, 0]
        by_date, _ = alphalens.performance.mean_return_by_quantile(
            theirs, by_date=True, demeaned=False
        )
        whole_period, _ = alphalens.performance.mean_return_by_quantile(theirs, demeaned=False)
    known = np.isfinite(ics[0])
    assert known.sum() == len(their_ics) == min(150, 160 - 1 - horizon)
    np.testing.assert_allclose(ics[0][known], their_ics.to_numpy(), atol=1e-10)
    table = by_date.iloc[:, 0].unstack("factor_quantile").to_numpy()
    np.testing.assert_allclose(means[0][known], table, atol=1e-10)
    np.testing.assert_allclose(
        means[0][known].mean(axis=0), whole_period.iloc[:, 0].to_numpy(), atol=1e-10
    )
