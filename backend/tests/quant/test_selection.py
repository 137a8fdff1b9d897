"""Selection: the walk down the composites, with twins, buffers and bars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.quant.panel import FloatArray, Panel
from app.quant.selection import Circumstances, Passed, Selection, SelectionRules, select

NAMES = "ABCDEFGHIJ"


def market(twins: dict[str, str] | None = None, names: str = NAMES, seed: int = 0) -> Panel:
    """Independent walks, one per letter; `twins` maps a letter to the one it follows."""
    returns = np.random.default_rng(seed).normal(0.0, 0.01, (len(names), 300))
    for name, leader in (twins or {}).items():
        returns[names.index(name)] += 100.0 * returns[names.index(leader)]
    closes = 100.0 * np.exp(np.cumsum(returns / 100.0, axis=1))
    sessions = np.arange(300).astype("datetime64[D]")
    return Panel(tuple(names), sessions, closes, closes, np.ones_like(closes))


SCORES = np.linspace(1.0, 0.1, 10)


def run(
    panel: Panel,
    *,
    scores: FloatArray = SCORES,
    circumstances: Circumstances | None = None,
    n: int = 3,
) -> Selection:
    return select(panel, scores, SelectionRules(num_positions=n), circumstances or Circumstances())


def tickers(selection: Selection) -> str:
    return "".join(pick.ticker for pick in selection.picks)


def test_the_best_composites_are_taken_in_their_order() -> None:
    selection = run(market())
    assert tickers(selection) == "ABC"
    assert [pick.rank for pick in selection.picks] == [1, 2, 3]
    assert selection.passed == ()
    assert selection.shortfall is None


def test_equal_composites_are_placed_by_ticker() -> None:
    assert tickers(run(market(names="JIHGFEDCBA"), scores=np.ones(10))) == "ABC"


def test_a_twin_of_a_better_name_is_passed_over_and_says_whose() -> None:
    selection = run(market({"B": "A"}))
    assert tickers(selection) == "ACD"
    assert selection.passed == (Passed("B", 2, "twin of A (1.000)"),)


def test_a_barred_name_is_passed_over_with_its_reason_even_if_held() -> None:
    circumstances = Circumstances(held={"A"}, barred={"A": "barred until 2025-07-31"})
    selection = run(market(), circumstances=circumstances)
    assert tickers(selection) == "BCD"
    assert selection.passed == (Passed("A", 1, "barred until 2025-07-31"),)


def test_an_excluded_name_has_no_place() -> None:
    selection = run(market(), circumstances=Circumstances(excluded={"A"}))
    assert [(pick.ticker, pick.rank) for pick in selection.picks] == [("B", 1), ("C", 2), ("D", 3)]
    assert selection.passed == (Passed("A", None, "excluded"),)


def test_a_held_name_keeps_its_place_within_the_buffer() -> None:
    selection = run(market(), circumstances=Circumstances(held={"D"}))
    assert tickers(selection) == "ABD"
    assert selection.picks[-1].reason == "rank 4, held and within the buffer of 4"
    assert selection.passed == (Passed("C", 3, "rank 3 after 3 others"),)


def test_a_held_name_outside_the_buffer_loses_its_place_and_says_so() -> None:
    selection = run(market(), circumstances=Circumstances(held={"E"}))
    assert tickers(selection) == "ABC"
    assert selection.passed == (Passed("E", 5, "held, but rank 5 is outside the buffer of 4"),)


def test_a_held_name_is_not_swapped_for_its_better_twin() -> None:
    selection = run(market({"D": "A"}), circumstances=Circumstances(held={"D"}))
    assert tickers(selection) == "BCD"
    assert selection.passed == (Passed("A", 1, "twin of D (1.000)"),)


def test_of_two_held_twins_the_better_placed_stays() -> None:
    selection = run(market({"B": "A"}), circumstances=Circumstances(held={"A", "B"}))
    assert tickers(selection) == "ACD"


def test_a_held_name_without_a_score_is_reported() -> None:
    scores = np.where(np.arange(10) == 2, np.nan, SCORES)
    selection = run(market(), scores=scores, circumstances=Circumstances(held={"C"}))
    assert selection.passed == (Passed("C", None, "held, but without a score"),)


def test_a_name_with_a_gap_too_long_to_carry_is_passed_over() -> None:
    panel = market()
    panel.adjusted[0, 100:110] = np.nan
    selection = run(panel)
    assert tickers(selection) == "BCD"
    assert selection.passed[0].reason == "closes missing within the last 252 returns"


def test_fewer_eligible_names_than_asked_for_are_all_taken_and_the_lack_is_said() -> None:
    selection = run(market({"B": "A", "C": "A"}), n=10)
    assert tickers(selection) == "ADEFGHIJ"
    assert selection.shortfall == "only 8 of 10 positions: no other ETF is eligible"


def test_no_eligible_name_is_an_empty_selection() -> None:
    selection = run(market(), scores=np.full(10, np.nan))
    assert selection.picks == ()
    assert len(selection.rows) == 0


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 10), limit=st.floats(0.0, 1.0))
def test_no_two_picks_correlate_above_the_limit_and_every_better_name_has_a_reason(
    seed: int, n: int, limit: float
) -> None:
    panel = market({"C": "A", "E": "B", "G": "B"}, seed=seed)
    rng = np.random.default_rng(seed)
    scores, held = rng.permutation(SCORES), set(rng.choice(list(NAMES), 3))
    selection = select(panel, scores, SelectionRules(n, limit), Circumstances(held=held))

    closes = panel.adjusted[selection.rows, -253:]
    correlations = np.atleast_2d(np.corrcoef(closes[:, 1:] / closes[:, :-1] - 1.0))
    assert (correlations[np.triu_indices(len(closes), 1)] <= limit + 1e-9).all()
    last = min(pick.composite for pick in selection.picks)
    better = {name for name, score in zip(NAMES, scores, strict=True) if score > last}
    assert better <= {p.ticker for p in selection.picks} | {p.ticker for p in selection.passed}


def test_only_the_past_is_read() -> None:
    panel = market({"B": "A"})
    early = panel.until(panel.sessions[270].item())
    panel.adjusted[:, 271:] = np.random.default_rng(1).uniform(1.0, 2.0, (10, 29))
    assert run(early) == run(panel.until(panel.sessions[270].item()))


def test_a_history_too_short_for_correlations_is_refused() -> None:
    panel = market()
    with pytest.raises(Exception, match="252 returns need 253 sessions"):
        run(panel.last(200))
