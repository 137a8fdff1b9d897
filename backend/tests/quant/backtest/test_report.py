from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from app.quant.backtest.caveats import Warned
from app.quant.backtest.engine import simulate
from app.quant.backtest.report import Report, report
from app.quant.backtest.rules import TradingRules
from app.quant.backtest.simulation import Simulation
from app.quant.backtest.state import Because
from app.quant.construction import ConstructionSettings
from app.quant.costs import FREE
from app.quant.optimizers import Limits, Simple
from app.quant.orders import OrderSettings
from app.quant.selection import SelectionRules
from tests.quant.backtest.markets import HISTORY, noisy, scores_of, tape_of, weekly

CONSTRUCTION = ConstructionSettings(
    optimizer=Simple(),
    selection=SelectionRules(num_positions=2),
    limits=Limits(min_weight=0.0, max_weight=1.0, cash_buffer=0.0),
    costs=FREE,
)
RULES = TradingRules(construction=CONSTRUCTION, orders=OrderSettings(fractional=True))


def lived(rules: TradingRules = RULES, *, drift: float = 0.001, sessions: int = 300) -> Simulation:
    """Two of four ETFs that all rise steadily, half each, without costs."""
    tape = tape_of(noisy(4, sessions, drift=drift))
    return simulate(tape, scores_of(tape, [2, 1, 0, 3]), rules, weekly(tape), Decimal(100_000))


def told(simulation: Simulation) -> Report:
    closes = simulation.tape.panel.adjusted[0, HISTORY:]
    return report(simulation, rf=0.0, benchmark=closes)


def test_a_steady_rise_is_the_growth_of_its_sessions() -> None:
    # Decided at the first close, bought at the next open, which is that close: one for one.
    found = told(lived())
    np.testing.assert_allclose(found.growth, 1.001 ** np.arange(300), rtol=1e-6)
    assert found.metrics.total_return == pytest.approx(1.001**299 - 1, rel=1e-6)
    assert found.benchmark is not None
    assert found.benchmark.total_return == pytest.approx(1.001**299 - 1)
    assert found.drawdown.min() == 0.0


def test_years_and_months_multiply_to_the_whole() -> None:
    found = told(lived())
    whole = found.growth[-1]
    for parts in (found.years, found.months):
        values = [part.value for part in parts]
        assert np.prod([1.0 + value for value in values if isinstance(value, float)]) == (
            pytest.approx(whole)
        )
    assert [part.period for part in found.years] == ["2020", "2021", "2022"]


def test_what_is_bought_once_is_half_of_it_in_turnover() -> None:
    simulation = lived(sessions=240)
    found = told(simulation)
    assert found.rebalances == 1
    assert found.decisions[Because.FIRST] == 1
    assert float(found.bought) == pytest.approx(100_000, abs=1)
    expected = 50_000 / simulation.values.mean() / (239 / 252)
    assert found.turnover == pytest.approx(expected, rel=1e-4)
    assert found.cost_drag == 0.0


def test_exposures_are_weights_of_classes_and_cash() -> None:
    found = told(lived())
    by_name = {each.name: each for each in found.exposures}
    assert set(by_name) == {"bonds", "shares", "cash"}
    assert by_name["bonds"].last == pytest.approx(0.5, abs=1e-4)
    assert by_name["cash"].highest == 1.0
    assert sum(each.mean for each in found.exposures) == pytest.approx(1.0)


def test_interest_and_money_that_comes_are_counted_apart() -> None:
    tape = tape_of(noisy(4, 260))
    timetable = weekly(tape, flows={HISTORY + 10: Decimal(50_000), HISTORY + 200: Decimal(-100)})
    half = replace(CONSTRUCTION, limits=replace(CONSTRUCTION.limits, cash_buffer=0.5))
    rules = replace(RULES, construction=half, cash_yield=0.0365)
    simulation = simulate(tape, scores_of(tape, [0, 1]), rules, timetable, Decimal(100_000))
    assert int(simulation.days["flow"].sum()) == 4_990_000
    found = told(simulation)
    # Flat prices: all that is earned is interest, at a ten-thousandth of the cash each day.
    assert simulation.days["interest"][1] == 100_000 * 100 // 10_000
    earned = simulation.values[-1] - 100_000 - 49_900
    assert float(found.interest) == pytest.approx(earned, abs=0.02)


def test_a_reader_is_warned_of_survivors_and_of_too_few_sessions() -> None:
    codes = {caveat.code for caveat in told(lived()).caveats}
    assert {Warned.SURVIVORSHIP, Warned.FEW_SESSIONS} <= codes
    assert Warned.CAPACITY not in codes


def test_an_order_larger_than_the_market_trades_is_warned_of() -> None:
    tape = tape_of(noisy(4, 300))
    thin = replace(tape, panel=replace(tape.panel, volume=np.full((4, len(tape.panel)), 1_000.0)))
    simulation = simulate(thin, scores_of(thin, [0, 1]), RULES, weekly(thin), Decimal(100_000))
    found = {caveat.code: caveat for caveat in told(simulation).caveats}
    assert found[Warned.CAPACITY].figure == pytest.approx(1.0)
    assert Warned.CUT_ORDERS in found


def test_sessions_without_a_fresh_vix_are_warned_of() -> None:
    tape = tape_of(noisy(4, 300))
    age = np.where(np.arange(len(tape.panel)) % 2, 4, 3)
    old = replace(tape, vix_age=age)
    simulation = simulate(old, scores_of(old, [0, 1]), RULES, weekly(old), Decimal(100_000))
    found = {caveat.code: caveat for caveat in told(simulation).caveats}
    assert found[Warned.VIX_UNKNOWN].figure == pytest.approx(0.5, abs=0.01)
    assert Warned.VIX_UNKNOWN not in {caveat.code for caveat in told(lived()).caveats}


def test_a_withdrawal_of_more_than_there_is_is_refused() -> None:
    tape = tape_of(noisy(4, 60))
    timetable = weekly(tape, flows={HISTORY + 10: Decimal(-50_000)})
    with pytest.raises(Exception, match="are to be withdrawn from cash"):
        simulate(tape, scores_of(tape, [0, 1]), RULES, timetable, Decimal(100_000))
