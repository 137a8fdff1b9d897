"""One life under rules that change."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from app.quant.backtest.engine import Leg, in_turn, simulate
from app.quant.backtest.rules import TradingRules
from app.quant.backtest.simulation import Simulation
from app.quant.construction import ConstructionSettings
from app.quant.optimizers import Limits, MinimumVariance
from app.quant.selection import SelectionRules
from tests.quant.backtest.markets import HISTORY, scores_of, tape_of, weekly

CAPITAL = Decimal(1_000_000)


def rules(positions: int) -> TradingRules:
    return TradingRules(
        construction=ConstructionSettings(
            optimizer=MinimumVariance(),
            selection=SelectionRules(num_positions=positions),
            limits=Limits(min_weight=0.0, max_weight=0.6),
        ),
        cash_yield=0.02,
    )


RANDOM = np.random.default_rng(4)
TAPE = tape_of(100.0 * np.exp(np.cumsum(RANDOM.normal(0.0, 0.012, (8, HISTORY + 150)), axis=1)))
SCORES = scores_of(TAPE, [3, 1, 4, 0, 5, 2, 6, 7])
WHOLE = weekly(TAPE)


def legs(middle: int, first: TradingRules, second: TradingRules) -> tuple[Leg, Leg]:
    return (
        Leg(SCORES, first, replace(WHOLE, last=middle)),
        Leg(SCORES, second, replace(WHOLE, first=middle + 1)),
    )


def require_equal(one: Simulation, other: Simulation) -> None:
    np.testing.assert_array_equal(one.trades, other.trades)
    np.testing.assert_array_equal(one.days, other.days)


def test_the_same_rules_in_two_legs_are_one_life() -> None:
    # A leg asks its rules at its first close: cut where a week begins, that changes nothing.
    monday = int(np.flatnonzero(WHOLE.asks & (np.arange(len(WHOLE.asks)) > HISTORY + 60))[0])
    whole = simulate(TAPE, SCORES, rules(4), WHOLE, CAPITAL)
    assert len(whole.trades) > 8
    require_equal(in_turn(TAPE, legs(monday - 1, rules(4), rules(4)), CAPITAL), whole)


def test_a_second_leg_changes_nothing_of_the_first_and_trades_by_its_own_rules() -> None:
    middle = HISTORY + 80
    whole = simulate(TAPE, SCORES, rules(4), WHOLE, CAPITAL)
    found = in_turn(TAPE, legs(middle, rules(4), rules(2)), CAPITAL)
    np.testing.assert_array_equal(found.days[:80], whole.days[:80])
    assert len(whole.positions) == 4
    assert len(found.positions) == 2
    assert found.sessions[-1] == TAPE.panel.sessions[-1]


def test_legs_with_a_gap_are_refused() -> None:
    first, second = legs(HISTORY + 80, rules(4), rules(4))
    late = replace(second, timetable=replace(second.timetable, first=HISTORY + 82))
    with pytest.raises(ValueError, match="the session after"):
        in_turn(TAPE, (first, late), CAPITAL)
