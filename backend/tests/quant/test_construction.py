"""Construction: from scores to target weights in one call, with reasons."""

from dataclasses import replace

import numpy as np
import pytest

from app.quant.construction import ConstructionSettings, Invested, Target, construct
from app.quant.costs import FREE
from app.quant.errors import Infeasible, InsufficientHistory
from app.quant.optimizers import OPTIMIZERS, Limits, MeanVariance, Simple
from app.quant.panel import Panel
from app.quant.selection import SelectionRules

NAMES = tuple("ABCDEFGHIJKL")
SCORES = np.linspace(0.9, 0.3, 12)
SETTINGS = ConstructionSettings(
    selection=SelectionRules(num_positions=8), limits=Limits(0.05, 0.3, 0.02)
)


def market(volume: float = 1e5) -> Panel:
    rng = np.random.default_rng(0)
    returns = rng.normal(0.0, 0.01, (12, 300)) + rng.normal(0.0, 0.005, 300)
    closes = np.asarray(50.0 * np.cumprod(1.0 + returns, axis=1), dtype=np.float64)
    sessions = np.arange(300).astype("datetime64[D]")
    return Panel(NAMES, sessions, closes, closes, np.full_like(closes, volume))


def run(settings: ConstructionSettings = SETTINGS, book: Invested | None = None) -> Target:
    return construct(market(), SCORES, settings, book or Invested(1e6))


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_gives_weights_with_reasons(name: str) -> None:
    target = run(replace(SETTINGS, optimizer=OPTIMIZERS[name]))
    assert list(target.weights) == list(NAMES[:8])
    assert sum(target.weights.values()) == pytest.approx(0.98, abs=1e-9)
    assert target.cash == 0.02
    assert target.positions[0].reason.startswith("rank 1")


def test_a_reason_says_where_a_bound_decided() -> None:
    target = run()
    bound = {p.ticker: p.reason for p in target.positions if p.weight == 0.05}
    assert bound
    assert all(reason.endswith("at the least weight") for reason in bound.values())


def test_caps_apply_to_the_classes_of_the_panel_rows() -> None:
    settings = replace(SETTINGS, optimizer=Simple(), limits=Limits(0.02, 0.3, 0.0, {"gold": 0.1}))
    groups = ["gold" if name in "AC" else "bond" for name in NAMES]
    weights = construct(market(), SCORES, settings, Invested(1e6), groups=groups).weights
    assert weights["A"] + weights["C"] == pytest.approx(0.1)


def test_barred_and_excluded_names_are_left_out_with_their_reasons() -> None:
    target = construct(
        market(),
        SCORES,
        SETTINGS,
        Invested(1e6),
        barred={"A": "barred until 2025-07-31"},
        excluded=frozenset({"C"}),
    )
    assert list(target.weights) == list("BDEFGHIJ")
    reasons = {passed.ticker: passed.reason for passed in target.selection.passed}
    assert reasons == {"A": "barred until 2025-07-31", "C": "excluded"}


def test_held_names_are_those_with_a_weight() -> None:
    target = run(book=Invested(1e6, {"J": 0.1, "I": 0.0}))
    assert list(target.weights) == list("ABCDEFGJ")


def test_the_cost_of_trading_holds_weights_near_those_held() -> None:
    aim = run().weights
    start = {
        name: weight + (0.005 if i % 2 else -0.005) for i, (name, weight) in enumerate(aim.items())
    }
    free = run(replace(SETTINGS, costs=FREE), Invested(1e6, start)).weights
    dear = run(replace(SETTINGS, optimizer=MeanVariance(cost_aversion=100.0)), Invested(1e6, start))

    def turnover(weights: dict[str, float]) -> float:
        return sum(abs(weight - start[name]) for name, weight in weights.items())

    assert turnover(dear.weights) < turnover(free)


def test_a_larger_portfolio_pays_more_impact_and_trades_less() -> None:
    start = dict.fromkeys(NAMES[:8], 0.98 / 8)
    settings = replace(SETTINGS, optimizer=MeanVariance(cost_aversion=10.0))
    small, large = (run(settings, Invested(value, start)).weights for value in (1e4, 1e9))

    def turnover(weights: dict[str, float]) -> float:
        return sum(abs(weight - start[name]) for name, weight in weights.items())

    assert turnover(large) < turnover(small)


def test_names_without_a_long_look_back_are_passed_over() -> None:
    panel = market()
    panel.adjusted[0, :20] = np.nan
    target = construct(panel, SCORES, replace(SETTINGS, lookback=290), Invested(1e6))
    assert target.selection.passed[0].reason == "closes missing within the last 290 returns"


def test_no_scored_name_is_infeasible() -> None:
    with pytest.raises(Infeasible, match="no ETF is eligible"):
        construct(market(), np.full(12, np.nan), SETTINGS, Invested(1e6))


def test_too_few_eligible_names_do_not_suggest_more_positions() -> None:
    scores = np.where(np.arange(12) < 3, SCORES, np.nan)
    with pytest.raises(Infeasible, match="no other ETF is eligible") as clash:
        construct(market(), scores, SETTINGS, Invested(1e6))
    assert "num_positions" not in str(clash.value)


def test_a_panel_shorter_than_the_look_back_is_refused() -> None:
    with pytest.raises(InsufficientHistory):
        construct(market(), SCORES, replace(SETTINGS, lookback=300), Invested(1e6))


def test_scrambling_the_future_changes_nothing() -> None:
    panel = market()
    day = panel.sessions[270].item()
    before = construct(panel.until(day), SCORES, SETTINGS, Invested(1e6))
    panel.close[:, 271:] = np.random.default_rng(1).uniform(1.0, 2.0, (12, 29))
    assert construct(panel.until(day), SCORES, SETTINGS, Invested(1e6)) == before
