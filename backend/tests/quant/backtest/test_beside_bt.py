"""Another engine, given the same weights and costs, comes to the same value.

bt is told on which closes our book traded and which weights it had after that, and pays the same
five basis points. It takes its costs out of the portfolio before it meets the weights where we pay
them out of cash, and does not round to cents: in five years and some two thousand trades that makes
less than half a basis point, a hundredth of what is allowed here.
"""

from decimal import Decimal

import bt
import numpy as np
import pandas as pd
import polars as pl
import pytest

from app.quant.backtest.engine import simulate
from app.quant.backtest.rules import Fills, TradingRules
from app.quant.backtest.simulation import Simulation
from app.quant.backtest.tape import NEVER, ScoreTable, Tape
from app.quant.construction import ConstructionSettings
from app.quant.costs import CostModel, Proportional
from app.quant.factors.score_history import score_history
from app.quant.optimizers import MinimumVariance, Optimizer, Simple
from app.quant.orders import OrderSettings
from app.quant.panel import Facts, FloatArray, Panel
from tests.quant.backtest.markets import weekly
from tests.shared_data import SHARED, needs_market_data

FRICTION = 0.0005
CAPITAL = 1_000_000
FIRST, SESSIONS = 260, 260 + 5 * 252


def market() -> tuple[Tape, Facts]:
    """The ETFs of the long file that were there in 2009, over the five years from 2010 on."""
    bars = pl.read_parquet(SHARED / "data" / "etf_prices_long.parquet").filter(
        pl.col("date") >= pl.date(2008, 12, 1)
    )
    days = bars["date"].unique().sort()[:SESSIONS]
    bars = bars.filter(pl.col("date").is_in(days.implode()))
    old = bars.group_by("ticker").len().filter(pl.col("len") == SESSIONS)["ticker"].sort()
    bars = bars.filter(pl.col("ticker").is_in(old.implode())).sort("ticker", "date")

    def matrix(column: str) -> FloatArray:
        return bars[column].cast(pl.Float64).to_numpy().reshape(len(old), SESSIONS)

    close = matrix("close")
    panel = Panel(
        tuple(old), days.to_numpy().astype("datetime64[D]"), close, close, matrix("volume")
    )
    no = np.zeros(len(old), np.bool_)
    tape = Tape(
        panel=panel,
        opens=matrix("open"),
        vix=np.full(SESSIONS, 20.0),
        vix_age=np.zeros(SESSIONS, np.int64),
        classes=np.zeros(len(old), np.int64),
        class_names=("all",),
        closed=np.full(len(old), NEVER),
    )
    return tape, Facts(np.full(len(old), 0.001), no, no, np.full(len(old), "all"))


def lived(tape: Tape, facts: Facts, optimizer: Optimizer) -> Simulation:
    costs = CostModel(frictions=(Proportional(Decimal(str(FRICTION))),), fees=())
    rules = TradingRules(
        construction=ConstructionSettings(optimizer=optimizer, costs=costs),
        orders=OrderSettings(fractional=True),
        fills=Fills.NEXT_CLOSE,
    )
    history = score_history(tape.panel, facts, None, tape.panel.sessions[FIRST - 1 :])
    table = ScoreTable.of(history, tape.panel)
    return simulate(tape, table, rules, weekly(tape, first=FIRST), Decimal(CAPITAL))


def weights_after_trades(simulation: Simulation) -> pd.DataFrame:
    panel, trades = simulation.tape.panel, simulation.trades
    signed = np.where(trades["buys"] == 1, 1, -1) * trades["quantity"] / 1e6
    shares, rows = np.zeros(len(panel.tickers)), {}
    for column in np.unique(trades["column"]):
        mine = trades["column"] == column
        np.add.at(shares, trades["row"][mine], signed[mine])
        held = np.where(shares > 1e-7, shares * panel.close[:, column], 0.0)
        rows[pd.Timestamp(panel.sessions[column])] = (
            held / simulation.values[column - simulation.first]
        )
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(panel.tickers))


def by_bt(simulation: Simulation) -> FloatArray:
    panel = simulation.tape.panel
    closes = pd.DataFrame(
        panel.close[:, simulation.first :].T,
        pd.DatetimeIndex(simulation.sessions),
        list(panel.tickers),
    )
    targets = weights_after_trades(simulation)
    held = targets.columns[(targets > 0).any()]
    strategy = bt.Strategy(
        "the same weights",
        [
            bt.algos.RunOnDate(*targets.index),
            bt.algos.WeighTarget(targets[held]),
            bt.algos.Rebalance(),
        ],
    )
    test = bt.Backtest(
        strategy,
        closes[held],
        initial_capital=float(CAPITAL),
        commissions=lambda quantity, price: abs(quantity) * price * FRICTION,
        integer_positions=False,
        progress_bar=False,
    )
    values: FloatArray = bt.run(test).prices.iloc[:, 0].to_numpy() / 100.0 * CAPITAL
    return values


@needs_market_data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("optimizer", [Simple(), MinimumVariance()], ids=["simple", "minvar"])
def test_bt_comes_to_the_same_value_within_half_a_percent_in_five_years(
    optimizer: Optimizer,
) -> None:
    tape, facts = market()
    simulation = lived(tape, facts, optimizer)
    assert simulation.rebalances > 100
    theirs = by_bt(simulation)
    ratio = simulation.values / theirs
    assert abs(ratio[-1] - 1.0) < 0.005
    assert np.abs(ratio - 1.0).max() < 0.005
