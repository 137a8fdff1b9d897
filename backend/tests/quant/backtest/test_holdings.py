"""What a simulation held each day: its book over time explains its returns to the cent."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from app.quant.backtest.engine import simulate
from app.quant.backtest.holdings import book_over_time
from app.quant.backtest.rules import Dividends, Fills, TradingRules
from app.quant.backtest.simulation import Simulation
from app.quant.backtest.tape import Event, EventKind, Tape
from app.quant.construction import ConstructionSettings
from app.quant.optimizers import Limits
from app.quant.panel import FloatArray
from app.quant.selection import SelectionRules
from tests.quant.backtest import markets

CAPITAL = Decimal(100_000)
LIVED = 60


def rules(**changes: object) -> TradingRules:
    construction = ConstructionSettings(
        selection=SelectionRules(num_positions=2), limits=Limits(0.0, 1.0, 0.0)
    )
    return TradingRules(construction=construction, **changes)  # type: ignore[arg-type]


def closes(seed: int = 3) -> FloatArray:
    random = np.random.default_rng(seed)
    moves = random.normal(0.0005, 0.015, (4, markets.HISTORY + LIVED))
    found: FloatArray = np.round(50.0 * np.exp(np.cumsum(moves, axis=1)), 2)
    return found


def lived(tape: Tape, chosen: TradingRules, **changes: object) -> Simulation:
    return simulate(
        tape,
        markets.scores_of(tape, [0, 1, 2, 3]),
        chosen,
        markets.weekly(tape, **changes),
        CAPITAL,
    )


def eventful(prices: FloatArray) -> Tape:
    """The first ETF splits three for one and pays, the second closes."""
    split, paid, gone = (markets.HISTORY + k for k in (20, 30, 45))
    prices = prices.copy()
    prices[0, split:] = np.round(prices[0, split:] / 3.0, 2)
    events = (
        Event(EventKind.SPLIT, 0, split, ratio=Fraction(3)),
        Event(EventKind.DIVIDEND, 0, paid, amount=Decimal("0.40"), paid=paid + 5),
        Event(EventKind.CLOSURE, 1, gone, amount=Decimal("55.5")),
    )
    closed = np.full(4, np.iinfo(np.int64).max)
    closed[1] = gone
    return markets.tape_of(prices, events=events, splits=frozenset({(split, 0)}), closed=closed)


@pytest.mark.parametrize("fills", list(Fills))
def test_contributions_costs_and_cash_are_the_returns(fills: Fills) -> None:
    simulation = lived(markets.tape_of(closes()), rules(fills=fills))

    book = book_over_time(simulation)

    assert len(book) == len(simulation.returns) == LIVED - 1
    np.testing.assert_array_equal(book.returns, simulation.returns)
    assert set(book.tickers) == {"E000", "E001"}
    # Only the rounding of cents is left: a cent or two of 100,000 USD.
    assert np.abs(book.cash).max() < 5e-7


def test_splits_dividends_and_closures_belong_to_their_etf() -> None:
    dividends = Dividends(on_pay_date=True, withholding=0.15, reinvest=True)
    flows = {markets.HISTORY + 12: Decimal(25_000), markets.HISTORY + 40: Decimal(-50)}

    simulation = lived(eventful(closes()), rules(dividends=dividends), flows=flows)
    book = book_over_time(simulation)

    assert {move.ratio for move in simulation.movements} == {1.0, 3.0}
    assert sum(move.cents for move in simulation.movements) >= int(simulation.days["income"].sum())
    assert np.abs(book.cash).max() < 5e-7
    assert np.abs(book.contributions).max() < 0.2


def test_weights_are_those_of_the_close_before_over_what_is_at_work() -> None:
    simulation = lived(markets.tape_of(closes()), rules())

    book = book_over_time(simulation)

    held = simulation.days["positions"] / (simulation.days["cash"] + simulation.days["positions"])
    np.testing.assert_allclose(book.weights.sum(axis=1), held[:-1], atol=1e-9)
    np.testing.assert_allclose(book.cash_weights, 1.0 - held[:-1], atol=1e-9)


def test_interest_is_cash() -> None:
    simulation = lived(markets.tape_of(closes()), rules(cash_yield=0.05))

    book = book_over_time(simulation)

    earned = simulation.days["interest"][1:] / 100.0 / simulation.values[:-1]
    np.testing.assert_allclose(book.cash, earned, atol=5e-7)
    assert earned.max() > 0.0


def test_a_period_leaves_out_what_was_only_held_before_it() -> None:
    simulation = lived(eventful(closes()), rules())
    book = book_over_time(simulation)

    late = book.since(50)

    assert len(late) == len(book) - 50
    assert "E001" in book.tickers
    assert "E001" not in late.tickers
    np.testing.assert_allclose(late.cash, book.cash[50:], atol=1e-15)
    assert late.dates[0].item() == date.fromisoformat(str(book.dates[50]))
