"""One backtest beside bt and vectorbt, and one with an optimizer beside PyPortfolioOpt and skfolio.

    python -m benchmarks.backtest [--repeats 9]

Ours starts from aligned prices and scores in memory and does everything: selection without twins,
weights, drift bands, orders in whole shares, costs, fills at the next open, stops, cool-downs. The
peers are handed the weights that our book had after each of its trades, so they choose nothing and
stop nothing; they only rebalance to them and pay the same five basis points. For `mvo` the peers
are the loops that users of PyPortfolioOpt and of skfolio write: the best twenty of every week,
Ledoit-Wolf covariance, our bounds and trading costs, solved for the largest quadratic utility.
Those loops weigh, and do nothing else.
"""

import warnings
from argparse import ArgumentParser
from collections.abc import Callable

import bt
import numpy as np
import pandas as pd
import vectorbt as vbt
from pypfopt import EfficientFrontier, objective_functions, risk_models
from skfolio.moments import LedoitWolf
from skfolio.optimization import MeanRisk, ObjectiveFunction
from skfolio.prior import EmpiricalPrior

from app.quant.covariance import carried
from app.quant.optimizers import MeanVariance, Simple
from app.quant.panel import CARRY_SESSIONS, SESSIONS_PER_YEAR, FloatArray
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
LEAST, MOST = 0.02, 0.15
RISK_AVERSION = 5.0


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


Weigher = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
"""Closes (sessions x names), expected yearly returns and weights held: the weights to hold."""


def weighed_weekly(known: Market, weigh: Weigher) -> list[FloatArray]:
    """The weights of every week for the best names, starting from those of the week before."""
    panel, timetable = known.panel, weekly(known.panel)
    order, line_of = known.table.order, known.table.line_of
    expected = np.linspace(0.2, 0.0, POSITIONS)
    held = np.zeros(len(panel.tickers))
    weights = []
    for column in np.flatnonzero(timetable.asks[timetable.first :]) + timetable.first:
        rows = order[line_of[column], :POSITIONS]
        begin = max(column - LOOKBACK - CARRY_SESSIONS, 0)
        closes = carried(panel.adjusted[rows, begin : column + 1]).T
        found = weigh(closes[-LOOKBACK - 1 :], expected, held[rows])
        held[:] = 0.0
        held[rows] = found
        weights.append(found)
    return weights


def by_pypfopt(closes: FloatArray, expected: FloatArray, held: FloatArray) -> FloatArray:
    covariance = risk_models.CovarianceShrinkage(pd.DataFrame(closes)).ledoit_wolf()
    frontier = EfficientFrontier(expected, covariance, weight_bounds=(LEAST, MOST))
    frontier.add_objective(objective_functions.transaction_cost, w_prev=held, k=FRICTION)
    weights = frontier.max_quadratic_utility(risk_aversion=RISK_AVERSION)
    return np.array(list(weights.values()))


def by_skfolio(closes: FloatArray, expected: FloatArray, held: FloatArray) -> FloatArray:
    """skfolio counts by the day, and its risk aversion has no half."""
    model = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
        risk_aversion=RISK_AVERSION / 2.0,
        prior_estimator=EmpiricalPrior(covariance_estimator=LedoitWolf()),
        overwrite_expected_return=lambda weights: (expected / SESSIONS_PER_YEAR) @ weights,
        min_weights=LEAST,
        max_weights=MOST,
        transaction_costs=FRICTION / SESSIONS_PER_YEAR,
        previous_weights=held,
    )
    model.fit(closes[1:] / closes[:-1] - 1.0)
    return np.asarray(model.weights_)


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
    print(f"mvo ({len(mvo.decisions)} decisions): {1e3 * ours:.1f} ms")
    found = {}
    for name, weigh in {"PyPortfolioOpt": by_pypfopt, "skfolio": by_skfolio}.items():
        found[name] = weighed_weekly(known, weigh)
        theirs = timed(lambda weigh=weigh: weighed_weekly(known, weigh), repeats=3)
        print(f"  {name}: {1e3 * theirs:,.0f} ms, {theirs / ours:.0f} x")
    apart = np.abs(np.array(found["PyPortfolioOpt"]) - np.array(found["skfolio"])).max()
    print(f"  their weights differ by at most {apart:.1e}")


if __name__ == "__main__":
    main()
