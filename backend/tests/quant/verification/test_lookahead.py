"""Nothing looks ahead; what does is caught, and named."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pytest

from app.quant.backtest.engine import simulate
from app.quant.backtest.rules import Timetable, TradingRules
from app.quant.backtest.simulation import Simulation
from app.quant.backtest.tape import NEVER, ScoreTable, Tape
from app.quant.construction import ConstructionSettings
from app.quant.factors import registry
from app.quant.factors.cross_section import CrossSection
from app.quant.factors.history import Window
from app.quant.optimizers import Limits, MeanVariance, MinimumVariance, RankBased, Simple
from app.quant.panel import FloatArray
from app.quant.selection import SelectionRules
from app.quant.stop_loss import StopPolicy
from app.quant.verification.lookahead import Checked, Subject, verify
from tests.quant.backtest.markets import weekly
from tests.quant.factors.markets import ragged_market

FIRST, SESSIONS = 262, 330
CUTS = (283, 301)


def rules(optimizer: object) -> TradingRules:
    return TradingRules(
        construction=ConstructionSettings(
            optimizer=optimizer,  # type: ignore[arg-type]
            selection=SelectionRules(num_positions=6),
            limits=Limits(0.0, 0.4),
        ),
        stops=StopPolicy(fixed=0.04, use_vix_adjustment=False, trailing=True),
    )


RULES = {
    "simple": rules(Simple()),
    "rank_based": rules(RankBased()),
    "minvar": rules(MinimumVariance()),
    "mvo": rules(MeanVariance()),
}


def subject(names: tuple[str, ...] = tuple(RULES)) -> Subject:
    panel, facts = ragged_market(40, SESSIONS)
    opens = panel.close * np.exp(np.random.default_rng(2).normal(0.0, 0.004, panel.close.shape))
    tape = Tape(
        panel=panel,
        opens=opens,
        vix=np.linspace(12.0, 30.0, SESSIONS),
        vix_age=np.zeros(SESSIONS, np.int64),
        classes=np.zeros(40, np.int64),
        class_names=("all",),
        closed=np.full(40, NEVER),
    )
    chosen = {name: RULES[name] for name in names}
    return Subject(tape, facts, chosen, weekly(tape).asks, FIRST)


def checked(of: Subject, **changes: object) -> dict[str, Checked]:
    found = verify(of, CUTS, seed=5, tell=lambda *_: None, **changes)  # type: ignore[arg-type]
    return {each.stage: each for each in found}


def leaking(found: dict[str, Checked]) -> list[str]:
    return [stage for stage, each in found.items() if each.leak is not None]


def test_no_factor_no_optimizer_and_no_part_of_a_simulation_looks_ahead() -> None:
    found = checked(subject())
    assert leaking(found) == []
    factors = {f"factor {name}" for name in registry.REGISTRY}
    lived = {f"{part} of {name}" for name in RULES for part in ("decisions", "trades", "values")}
    assert set(found) == {"universe", "composite"} | factors | lived
    assert all(each.compared > 0 for each in found.values())


@contextmanager
def with_factor(name: str, factor: object) -> Iterator[None]:
    registry.REGISTRY[name] = replace(
        registry.REGISTRY["reversal"], make=lambda _: factor  # type: ignore[arg-type, return-value]
    )
    try:
        yield
    finally:
        del registry.REGISTRY[name]


@dataclass(frozen=True, slots=True)
class Tomorrow:
    """The next day's return, as far as the history goes."""

    window: int = 2

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        closes = window.history.closes
        later = np.minimum(window.ends, closes.shape[1] - 1)
        moves = (closes[:, later] / closes[:, window.ends - 1] - 1).T
        return compare.z(np.where(window.inside, moves, np.nan))


@dataclass(frozen=True, slots=True)
class WholeSample:
    """Today's close over its mean of all time, the future included."""

    window: int = 1

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        closes = window.history.closes
        level = (closes / np.nanmean(closes, axis=1, keepdims=True))[:, window.ends - 1].T
        return compare.z(np.where(window.inside, level, np.nan))


@pytest.mark.parametrize("factor", [Tomorrow(), WholeSample()], ids=["tomorrow", "whole sample"])
def test_a_factor_that_reads_the_future_is_caught_and_named(factor: object) -> None:
    with with_factor("clairvoyance", factor):
        found = checked(subject(("simple",)))
    assert leaking(found) == ["factor clairvoyance"]
    leak = found["factor clairvoyance"].leak
    assert leak is not None
    assert leak.session <= leak.cut
    assert leak.ticker.startswith("E")
    assert leak.followed in {"what is missing", "closes"}
    assert leak.sentence.startswith("factor clairvoyance follows")


def test_an_optimizer_that_is_shown_the_whole_panel_is_caught() -> None:
    of = subject(("simple",))
    whole = of.tape.panel

    def peeking(
        tape: Tape, scores: ScoreTable, known: TradingRules, timetable: Timetable, money: Decimal
    ) -> Simulation:
        """Weights by the returns of the whole history, whatever its end."""
        best = int(np.nanargmax(tape.panel.close[:, -1] / tape.panel.close[:, FIRST]))
        pushed = scores.composite.copy()
        pushed[:, best] = np.where(np.isnan(pushed[:, best]), np.nan, 9.0)
        order = np.array(
            [np.argsort(-np.nan_to_num(line, nan=-1.0), kind="stable") for line in pushed], np.int32
        )
        for line, row in enumerate(pushed):
            order[line, np.isfinite(row).sum() :] = -1
        return simulate(tape, ScoreTable(pushed, order, scores.line_of), known, timetable, money)

    found = checked(of, living=peeking)
    assert "decisions of simple" in leaking(found) or "trades of simple" in leaking(found)
    assert not any(stage.startswith("factor") for stage in leaking(found))
    assert whole is of.tape.panel


def test_scores_that_are_used_a_session_early_are_caught() -> None:
    def early(
        tape: Tape, scores: ScoreTable, known: TradingRules, timetable: Timetable, money: Decimal
    ) -> Simulation:
        line_of = np.append(scores.line_of[1:], scores.line_of[-1])
        return simulate(tape, replace(scores, line_of=line_of), known, timetable, money)

    daily = subject(("simple",))
    daily = replace(daily, asks=np.ones(SESSIONS, np.bool_))
    found = checked(daily, living=early)
    assert leaking(found)[0].endswith("of simple")
    leak = found[leaking(found)[0]].leak
    assert leak is not None
    assert "of simple follows" in leak.sentence


def test_orders_that_know_volumes_to_come_are_caught() -> None:
    def knowing(
        tape: Tape, scores: ScoreTable, known: TradingRules, timetable: Timetable, money: Decimal
    ) -> Simulation:
        volume = np.roll(tape.panel.volume, -8, axis=1)
        later = replace(tape, panel=replace(tape.panel, volume=volume))
        return simulate(later, scores, replace(known, volume_share=1e-4), timetable, money)

    daily = replace(subject(("simple",)), asks=np.ones(SESSIONS, np.bool_))
    found = checked(daily, living=knowing)
    stages = leaking(found)
    assert stages
    assert {found[stage].leak.followed for stage in stages} & {  # type: ignore[union-attr]
        "volumes",
        "what is missing",
    }
