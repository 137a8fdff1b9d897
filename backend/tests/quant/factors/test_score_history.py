"""Sweeps over many sessions: the same as one by one, to the last bit; other weights; plug-ins."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.quant.errors import InsufficientHistory
from app.quant.factors.cross_section import Composite, CrossSection
from app.quant.factors.distributions import Distributions
from app.quant.factors.history import Window
from app.quant.factors.registry import REGISTRY, Registered
from app.quant.factors.score_history import ScoreHistory, recombine, score_history
from app.quant.factors.scoring import (
    FactorWeights,
    Scores,
    ScoreSettings,
    ScoreWithin,
    score,
)
from app.quant.panel import Facts, FloatArray, Panel
from app.quant.selection import by_composite
from tests.quant.factors.markets import ASSET_CLASSES, facts_of, ragged_market

NAMES = tuple(REGISTRY)
ALL_FACTORS = FactorWeights(**{name: 1.0 + k for k, name in enumerate(NAMES)})


def payments(rows: int, columns: int, seed: int = 0) -> Distributions:
    """Monthly amounts of most ETFs, and a few splits."""
    generator = np.random.default_rng(seed)
    row, column = np.nonzero(generator.random((rows, columns)) < 0.05)
    amounts = generator.uniform(0.0, 0.5, len(row))
    ratios = generator.choice([1.0, 1.0, 1.0, 2.0, 0.25], len(row))
    kept = row % 5 != 0
    return Distributions.of(row[kept], column[kept], amounts[kept], ratios[kept], etfs=rows)


def assert_session_equals(swept: ScoreHistory, t: int, alone: Scores) -> None:
    np.testing.assert_array_equal(swept.composite[t], alone.composite)
    np.testing.assert_array_equal(swept.rank[t], alone.rank)
    np.testing.assert_array_equal(swept.exclusion[t], alone.exclusion)
    np.testing.assert_array_equal(swept.incomplete[t], alone.incomplete)
    for name in alone.factors:
        np.testing.assert_array_equal(swept.factors.factor(name)[t], alone.factor(name))


def nearly_tied_market(seed: int, noise: float) -> tuple[Panel, Facts]:
    """Gaps, short histories and ten ETFs that differ by rounding only, or not at all."""
    panel, facts = ragged_market(rows=24, columns=420, seed=seed)
    generator = np.random.default_rng(seed)
    twins = panel.close[8:18]
    twins[:] = twins[0] * (1 + noise * generator.standard_normal(twins.shape))
    return panel, facts


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 1000),
    noise=st.sampled_from([0.0, 1e-16, 1e-12]),
    within=st.sampled_from(ScoreWithin),
    composite=st.sampled_from(Composite),
    narrowed=st.booleans(),
)
def test_a_sweep_is_to_the_last_bit_what_each_session_is_alone(
    seed: int, noise: float, within: ScoreWithin, composite: Composite, *, narrowed: bool
) -> None:
    panel, facts = nearly_tied_market(seed, noise)
    chosen = ScoreSettings(
        weights=ALL_FACTORS, composite=composite, score_within=within, clip=(10.0, 80.0)
    )
    among = facts.asset_class != ASSET_CLASSES[1] if narrowed else None
    paid = payments(*panel.close.shape)
    known = {"among": among, "distributions": paid}
    swept = score_history(panel, facts, chosen, **known)
    for end in (120, 253, 254, 300, 346, 420):
        alone = score(panel.until(panel.sessions[end - 1].item()), facts, chosen, **known)
        assert_session_equals(swept, end - 1, alone)
    for apart in (7, 80):
        sparse = score_history(panel, facts, chosen, panel.sessions[100::apart], **known)
        np.testing.assert_array_equal(sparse.composite, swept.composite[100::apart])
        np.testing.assert_array_equal(sparse.exclusion, swept.exclusion[100::apart])


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), known=st.integers(255, 419))
def test_nothing_after_a_session_changes_its_scores(seed: int, known: int) -> None:
    panel, facts = nearly_tied_market(3, 1e-12)
    generator = np.random.default_rng(seed)
    later = generator.choice([np.nan, 1e-3, 7.0, 1e6], size=(24, len(panel) - known))
    scrambled = [values.copy() for values in (panel.close, panel.adjusted, panel.volume)]
    for values in scrambled:
        values[:, known:] = later
    other = Panel(panel.tickers, panel.sessions, *scrambled)
    paid, otherwise = payments(*panel.close.shape), payments(*panel.close.shape)
    future = otherwise.columns >= known
    otherwise.amounts[future], otherwise.ratios[future] = 9.0, 3.0

    chosen = ScoreSettings(weights=ALL_FACTORS)
    before = score_history(panel, facts, chosen, distributions=paid)
    after = score_history(other, facts, chosen, distributions=otherwise)
    np.testing.assert_array_equal(before.composite[:known], after.composite[:known])
    np.testing.assert_array_equal(before.rank[:known], after.rank[:known])
    np.testing.assert_array_equal(before.exclusion[:known], after.exclusion[:known])
    for name in NAMES:
        past, same = (history.factors.factor(name)[:known] for history in (before, after))
        np.testing.assert_array_equal(past, same)


@pytest.mark.parametrize("within", ScoreWithin)
@pytest.mark.parametrize("composite", Composite)
def test_recombining_equals_scoring_anew(composite: Composite, within: ScoreWithin) -> None:
    panel, facts = ragged_market()
    settings_ = ScoreSettings(score_within=within)
    history = score_history(panel, facts, settings_, factors=("trend", "reversal"))
    weights = FactorWeights(momentum=0.0, trend=0.7, value=0.5)
    other = replace(settings_, weights=weights, composite=composite)

    fresh = score_history(panel, facts, other)
    again = recombine(history, weights, composite)
    for name in ("composite", "rank", "order", "incomplete", "exclusion"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fresh, name))


def test_recombining_needs_the_factors_it_weighs() -> None:
    panel, facts = ragged_market(rows=12)
    history = score_history(panel, facts, None, panel.sessions[-1:])
    with pytest.raises(ValueError, match="swept without trend"):
        recombine(history, FactorWeights(trend=1.0), Composite.MIX)


def test_the_order_is_that_of_the_selection_even_where_tickers_do_not_ascend() -> None:
    panel, facts = nearly_tied_market(1, 0.0)
    shuffled = np.random.default_rng(1).permutation(len(panel.tickers))
    panel = replace(panel, tickers=tuple(panel.tickers[row] for row in shuffled))
    history = score_history(panel, facts)
    for t in (260, 419):
        best = by_composite(panel.tickers, history.composite[t])
        assert history.order[t, : len(best)].tolist() == best
        assert (history.order[t, len(best) :] == -1).all()
        assert history.rank[t, best].tolist() == list(range(1, len(best) + 1))


def test_some_sessions_of_a_panel_may_be_asked_for_ascending() -> None:
    panel, facts = ragged_market(rows=12)
    none = score_history(panel, facts, None, [])
    assert none.composite.shape == (0, 12)
    with pytest.raises(InsufficientHistory, match="2031-01-01 is not a session"):
        score_history(panel, facts, None, [np.datetime64("2031-01-01")])
    with pytest.raises(ValueError, match="ascend"):
        score_history(panel, facts, None, panel.sessions[[310, 300]])


def test_a_factor_that_nobody_has_is_noted_with_the_reason() -> None:
    panel, facts = ragged_market()
    scores = score(panel, facts, ScoreSettings(weights=FactorWeights(carry=1.0)))
    assert scores.notes == (
        "carry is unknown for every ETF: a year of distributions beside traded prices is not known",
    )
    assert scores.incomplete[scores.scored].all()
    assert score(panel, facts).notes == ()


@dataclass(frozen=True, slots=True)
class Alphabet:
    """Prefers ETFs whose rows come late; stands for a factor that somebody adds."""

    window: int = 1

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        return compare.z(0.0 * window.closes_ago(0) + window.history.members)


def test_a_factor_of_one_class_and_one_line_is_scored_like_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(REGISTRY, "alphabet", Registered(lambda _: Alphabet(), 0.0, "late names"))
    panel, facts = ragged_market()
    assert score(panel, facts).factors == ("momentum", "quality", "volatility", "value")

    none = dict.fromkeys(NAMES, 0.0)
    only = ScoreSettings(weights=FactorWeights(**none, alphabet=1.0))
    assert (np.diff(score(panel, facts, only).best()) < 0).all()
    mixed = ScoreSettings(weights=FactorWeights(alphabet=0.5))
    history = score_history(panel, facts, mixed)
    assert_session_equals(history, len(panel) - 1, score(panel, facts, mixed))


def test_without_closes_there_is_no_score() -> None:
    panel, _ = ragged_market(rows=12)
    empty = np.full_like(panel.close, np.nan)
    history = score_history(replace(panel, close=empty, adjusted=empty), facts_of(12))
    assert history.order.shape == (len(panel), 0)
    assert (history.exclusion == 1).all()
