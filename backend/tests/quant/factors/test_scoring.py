"""The scores of whole markets: against pandas, over time, and at the edges."""

from dataclasses import replace

import numpy as np
import pytest

from app.quant.errors import InsufficientHistory
from app.quant.factors.cross_section import Composite
from app.quant.factors.history import Benchmarks
from app.quant.factors.scoring import (
    FACTORS,
    Exclusion,
    FactorWeights,
    ScoreSettings,
    ScoreWithin,
    score,
)
from app.quant.factors.universe import UniverseRules
from tests.quant.factors.markets import (
    facts_of,
    panel_of,
    ragged_market,
    random_closes,
    scores_by_pandas,
)


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_of_pandas(seed: int) -> None:
    panel, facts = ragged_market(seed=seed)
    scores, expected = score(panel, facts), scores_by_pandas(panel, facts)

    assert np.flatnonzero(scores.scored).tolist() == expected.index.tolist()
    for name in (*FACTORS, "composite"):
        np.testing.assert_allclose(
            getattr(scores, name)[scores.scored], expected[name], rtol=0, atol=1e-11
        )
    by_composite = expected["composite"].rank(ascending=False, method="first")
    assert scores.rank[scores.scored].tolist() == by_composite.tolist()


def test_unscored_etfs_have_no_numbers_and_a_reason() -> None:
    panel, facts = ragged_market()
    scores = score(panel, facts)
    out = ~scores.scored
    assert np.isnan(scores.composite[out]).all()
    assert all(scores.reason(row) is not None for row in np.flatnonzero(out))
    assert all(scores.reason(row) is None for row in scores.best())


def test_best_lists_the_scored_rows_from_rank_one() -> None:
    panel, facts = ragged_market()
    scores = score(panel, facts)
    assert scores.rank[scores.best(3)].tolist() == [1, 2, 3]
    assert len(scores.best()) == np.count_nonzero(scores.scored)


def test_equal_composites_rank_by_ticker() -> None:
    closes = random_closes(4, 300)
    closes[3] = closes[1]
    facts = facts_of(4, expense_ratio=np.full(4, 0.001))
    scores = score(panel_of(closes), facts)
    assert scores.composite[3] == scores.composite[1]
    assert scores.rank[3] == scores.rank[1] + 1
    renamed = replace(panel_of(closes), tickers=("D", "C", "B", "A"))
    assert score(renamed, facts).rank[1] == scores.rank[3]


def test_a_panel_without_sessions_is_refused() -> None:
    with pytest.raises(InsufficientHistory, match="no session"):
        score(panel_of(np.empty((2, 0))), facts_of(2))


def test_a_young_market_scores_nothing_and_says_why() -> None:
    scores = score(panel_of(random_closes(3, 252)), facts_of(3))
    assert [scores.reason(row) for row in range(3)] == [Exclusion.SHORT_HISTORY] * 3
    assert not scores.scored.any()
    assert scores.best().tolist() == []


def test_a_market_without_etfs_has_no_scores() -> None:
    assert score(panel_of(np.empty((0, 300))), facts_of(0)).tickers == ()


def test_a_lone_etf_has_no_one_to_be_compared_with() -> None:
    scores = score(panel_of(random_closes(1, 300)), facts_of(1))
    assert scores.rank.tolist() == [1]
    assert scores.composite[0] == pytest.approx(0.5)
    assert scores.incomplete[0]
    assert np.isnan([scores.momentum[0], scores.quality[0], scores.value[0]]).all()


def test_etfs_that_are_all_alike_are_all_neutral() -> None:
    closes = np.repeat(random_closes(1, 300), 5, axis=0)
    scores = score(panel_of(closes), facts_of(5, expense_ratio=np.full(5, 0.001)))
    np.testing.assert_allclose(scores.composite, 0.5)
    assert scores.incomplete.all()
    assert scores.rank.tolist() == [1, 2, 3, 4, 5]


def test_without_any_expense_ratio_value_is_neutral_and_marked() -> None:
    panel = panel_of(random_closes(10, 300))
    scores = score(panel, facts_of(10, expense_ratio=np.full(10, np.nan)))
    assert np.isnan(scores.value).all()
    assert scores.incomplete.all()
    assert sorted(scores.rank) == list(range(1, 11))


def test_one_unknown_expense_ratio_marks_that_etf_alone() -> None:
    costs = np.linspace(0.001, 0.01, 10)
    costs[4] = np.nan
    scores = score(panel_of(random_closes(10, 300)), facts_of(10, expense_ratio=costs))
    assert np.flatnonzero(scores.incomplete).tolist() == [4]


def test_a_narrowed_universe_is_compared_within_itself() -> None:
    panel, facts = ragged_market()
    among = facts.asset_class == "equity"
    narrowed = score(panel, facts, among=among)
    rows = np.flatnonzero(among)
    alone = score(panel.rows(rows), facts.rows(rows))
    np.testing.assert_array_equal(narrowed.composite[rows], alone.composite)
    np.testing.assert_array_equal(narrowed.rank[rows], alone.rank)
    left_out = np.flatnonzero(~among & score(panel, facts).scored)
    assert {narrowed.reason(row) for row in left_out} == {Exclusion.NOT_CHOSEN}


def test_within_asset_classes_each_class_is_a_market_of_its_own() -> None:
    panel, facts = ragged_market()
    by_class = ScoreSettings(score_within=ScoreWithin.ASSET_CLASS)
    scores = score(panel, facts, by_class)
    for asset_class in np.unique(facts.asset_class):
        rows = np.flatnonzero(facts.asset_class == asset_class)
        alone = score(panel.rows(rows), facts.rows(rows))
        np.testing.assert_allclose(scores.composite[rows], alone.composite, atol=1e-12)
        np.testing.assert_allclose(scores.momentum[rows], alone.momentum, atol=1e-12)
    assert sorted(scores.rank[scores.scored]) == list(range(1, scores.scored.sum() + 1))


def test_mix_is_the_weighted_mean_of_the_z_scores() -> None:
    panel, facts = ragged_market()
    weights = FactorWeights(momentum=3.0, quality=0.0, volatility=1.0, value=0.0)
    scores = score(panel, facts, ScoreSettings(composite=Composite.MIX, weights=weights))
    expected = 0.75 * scores.momentum + 0.25 * scores.volatility
    np.testing.assert_allclose(scores.composite, expected, atol=1e-12)


def test_weight_on_one_factor_ranks_by_that_factor() -> None:
    panel, facts = ragged_market()
    only = FactorWeights(momentum=0.0, quality=0.0, volatility=7.0, value=0.0)
    scores = score(panel, facts, ScoreSettings(weights=only))
    best = scores.volatility[scores.best()]
    assert (np.diff(best) <= 0).all()


@pytest.mark.parametrize("weight", [-0.1, np.nan, np.inf])
def test_impossible_weights_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="factor weights"):
        FactorWeights(momentum=weight)


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="factor weights"):
        FactorWeights(momentum=0, quality=0, volatility=0, value=0)


def test_a_weight_for_an_unknown_factor_is_refused() -> None:
    with pytest.raises(ValueError, match="no such factor: luck"):
        FactorWeights(luck=1.0)


def test_a_factor_without_weight_is_not_computed_and_missed_by_nobody() -> None:
    panel, facts = ragged_market()
    scores = score(panel, facts, ScoreSettings(weights=FactorWeights(value=0.0)))
    assert scores.factors == ("momentum", "quality", "volatility")
    assert np.isnan(scores.value).all()
    assert not scores.incomplete.any()


def test_weights_near_the_largest_number_still_sum_to_one() -> None:
    shares = FactorWeights(**dict.fromkeys(FACTORS, 1e308)).normalised()
    np.testing.assert_allclose(shares, 0.25)


def test_reversed_clip_percentiles_are_refused() -> None:
    with pytest.raises(ValueError, match="clip"):
        ScoreSettings(clip=(99.0, 1.0))


def test_tracking_counts_where_a_benchmark_is_assigned() -> None:
    panel, facts = panel_of(random_closes(6, 300)), facts_of(6)
    returns = np.full((1, 300), np.nan)
    returns[0, 1:] = panel.adjusted[2, 1:] / panel.adjusted[2, :-1] - 1
    assigned = np.array([0, 0, 0, -1, -1, -1])
    plain = score(panel, facts)
    tracked = score(
        panel,
        facts,
        ScoreSettings(value_tracking=True),
        benchmarks=Benchmarks(returns, assigned),
    )
    np.testing.assert_array_equal(tracked.value[3:], plain.value[3:])
    closeness = (tracked.value[:3] - 0.6 * plain.value[:3]) / 0.4
    assert closeness.argmax() == 2
    assert closeness.sum() == pytest.approx(0.0, abs=1e-9)


def test_tracking_without_benchmarks_is_cost_alone() -> None:
    panel, facts = panel_of(random_closes(6, 300)), facts_of(6)
    tracked = score(panel, facts, ScoreSettings(value_tracking=True))
    np.testing.assert_array_equal(tracked.value, score(panel, facts).value)


def test_the_risk_free_rate_moves_quality_alone() -> None:
    panel, facts = ragged_market()
    free, dear = (score(panel, facts, ScoreSettings(risk_free=rate)) for rate in (0.0, 0.2))
    assert not np.allclose(free.quality[free.scored], dear.quality[dear.scored])
    np.testing.assert_array_equal(free.momentum, dear.momentum)


def test_shorter_limits_score_younger_etfs_without_inventing_their_year() -> None:
    rules = UniverseRules(history=100, volatility_returns=60)
    scores = score(panel_of(random_closes(5, 120)), facts_of(5), ScoreSettings(universe=rules))
    assert scores.scored.all()
    assert scores.incomplete.all()
    assert np.isnan(scores.momentum).all()
    assert np.isfinite(scores.volatility).all()
