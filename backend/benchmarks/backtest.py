"""One backtest beside bt and vectorbt, and one with an optimizer beside PyPortfolioOpt.

    python -m benchmarks.backtest [--repeats 9]

Ours starts from aligned prices and scores in memory and does everything: selection without twins,
weights, drift bands, orders in whole shares, costs, fills at the next open, stops, cool-downs. The
peers are handed the weights that our book had after each of its trades, so they choose nothing and
stop nothing; they only rebalance to them and pay the same five basis points. For `mvo` the peer is
the loop that a user of PyPortfolioOpt writes: the same picks, Ledoit-Wolf covariance and bounds on
every week, solved for the largest quadratic utility.
"""

import warnings
from argparse import ArgumentParser

import bt
import numpy as np
import pandas as pd
import vectorbt as vbt
from pypfopt import EfficientFrontier, objective_functions, risk_models

from app.quant.optimizers import MeanVariance, Simple
from benchmarks.backtest_market import (
    CAPITAL,
    Market,
    lived,
    market,
    timed,
    weekly,
    weights_after_trades,
)

FRICTION = 0.0005
LOOKBACK = 252
POSITIONS = 20


def frames(known: Market) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Closes and targets as the peers take them: a row per session, a column per ETF that is ever
    held, and targets on the sessions on which our book traded."""
    columns, weights = weights_after_trades(lived(known, Simple()))
    panel = known.panel
    first = weekly(panel).first
    dates = pd.DatetimeIndex(panel.sessions[first:])
    closes = pd.DataFrame(panel.close[:, first:].T, dates, list(panel.tickers))
    targets = pd.DataFrame(weights, pd.DatetimeIndex(panel.sessions[columns]), closes.columns)
    return closes, targets


def by_bt(closes: pd.DataFrame, targets: pd.DataFrame) -> float:
    strategy = bt.Strategy(
        "weekly",
        [
            bt.algos.RunOnDate(*targets.index),
            bt.algos.WeighTarget(targets),
            bt.algos.Rebalance(),
        ],
    )
    test = bt.Backtest(
        strategy,
        closes.ffill().bfill(),
        initial_capital=float(CAPITAL),
        commissions=lambda quantity, price: abs(quantity) * price * FRICTION + 1.0,
        progress_bar=False,
    )
    return float(bt.run(test).prices.iloc[-1, 0] / 100.0 * float(CAPITAL))


def by_vectorbt(closes: pd.DataFrame, targets: pd.DataFrame) -> float:
    size = targets.reindex(closes.index)
    portfolio = vbt.Portfolio.from_orders(
        closes.ffill().bfill(),
        size,
        size_type="targetpercent",
        group_by=True,
        cash_sharing=True,
        call_seq="auto",
        fees=FRICTION,
        fixed_fees=1.0,
        init_cash=float(CAPITAL),
        freq="1D",
    )
    return float(portfolio.final_value())


def by_pypfopt(known: Market) -> int:
    """The optimisation of every week alone: our picks, and the same problem, trading costs from the
    weights of the week before included."""
    panel, timetable = known.panel, weekly(known.panel)
    order, line_of = known.table.order, known.table.line_of
    before: dict[int, float] = {}
    solved = 0
    for column in np.flatnonzero(timetable.asks[timetable.first :]) + timetable.first:
        rows = order[line_of[column], :POSITIONS]
        closes = pd.DataFrame(panel.adjusted[rows, column - LOOKBACK : column + 1].T)
        covariance = risk_models.CovarianceShrinkage(closes.ffill().bfill()).ledoit_wolf()
        expected = pd.Series(np.linspace(0.2, 0.0, len(rows)))
        frontier = EfficientFrontier(expected, covariance, weight_bounds=(0.02, 0.15))
        held = np.array([before.get(row, 0.0) for row in rows.tolist()])
        frontier.add_objective(objective_functions.transaction_cost, w_prev=held, k=FRICTION)
        weights = frontier.max_quadratic_utility(risk_aversion=5.0)
        before = dict(zip(rows.tolist(), weights.values(), strict=True))
        solved += 1
    return solved


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore")
    known = market()
    closes, targets = frames(known)
    simple, mvo = lived(known, Simple()), lived(known, MeanVariance())
    finals = {
        "ours": simple.values[-1],
        "bt": by_bt(closes, targets),
        "vectorbt": by_vectorbt(closes, targets),
    }
    print(
        f"{'real' if known.real else 'invented'} data, {len(known.panel.tickers)} ETFs,"
        f" {len(simple.sessions)} sessions, {len(simple.trades)} trades"
    )
    print("final values:", ", ".join(f"{name} {value:,.0f}" for name, value in finals.items()))
    ours = timed(lambda: lived(known, Simple()), repeats=repeats)
    slow = {
        "bt": timed(lambda: by_bt(closes, targets), repeats=3),
        "vectorbt": timed(lambda: by_vectorbt(closes, targets), repeats=3),
    }
    print(f"simple: {1e3 * ours:.1f} ms")
    for name, seconds in slow.items():
        print(f"  {name}: {1e3 * seconds:,.0f} ms, {seconds / ours:.0f} x")
    ours = timed(lambda: lived(known, MeanVariance()), repeats=repeats)
    theirs = timed(lambda: by_pypfopt(known), repeats=1)
    print(f"mvo ({len(mvo.decisions)} decisions): {1e3 * ours:.1f} ms")
    print(f"  PyPortfolioOpt: {1e3 * theirs:,.0f} ms, {theirs / ours:.0f} x")


if __name__ == "__main__":
    main()
