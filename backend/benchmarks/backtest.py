"""One backtest beside bt and vectorbt, and one with an optimizer beside PyPortfolioOpt and skfolio.

    python -m benchmarks.backtest [--repeats 9]

Ours starts from aligned prices and scores in memory and does everything: selection without twins,
weights, drift bands, orders in whole shares, costs, fills at the next open, stops, cool-downs. For
`simple` the peers are handed the weights that our book had after each of its trades, so they choose
nothing and stop nothing; they only rebalance to them and pay the same five basis points.

For `mvo` two things are compared with what users of PyPortfolioOpt and of skfolio write. Weighing
alone: the weights of the best twenty of every week, starting from those of the week before:
Ledoit-Wolf covariance, the same bounds, a trading cost, solved for the largest quadratic utility;
ours measures each name's impact besides and checks limits. And the whole backtest: ours as above;
theirs is bt, with an algorithm that every week takes the best twenty of our scores, weighs them by
the library, starting from the weights in bt's book, and rebalances to that with the same costs, in
whole shares at the same close. It knows no twins, buffers, bands, opens, or stops. bt is given the
closes of only those ETFs that are ever among the best twenty.
"""

import warnings
from argparse import ArgumentParser
from collections.abc import Callable
from statistics import median

import bt
import numpy as np
import pandas as pd
import vectorbt as vbt
from pypfopt import EfficientFrontier, objective_functions, risk_models
from skfolio.moments import LedoitWolf
from skfolio.optimization import MeanRisk, ObjectiveFunction
from skfolio.prior import EmpiricalPrior

from app.quant import construction
from app.quant.construction import ConstructionSettings, Picked
from app.quant.covariance import carried
from app.quant.optimizers import MeanVariance, Simple
from app.quant.panel import CARRY_SESSIONS, SESSIONS_PER_YEAR, FloatArray, IntArray
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
    algos = [
        bt.algos.RunOnDate(*targets.index),
        bt.algos.WeighTarget(targets),
        bt.algos.Rebalance(),
    ]
    return _run_bt(algos, closes)


def _run_bt(algos: list[bt.Algo], closes: pd.DataFrame) -> float:
    test = bt.Backtest(
        bt.Strategy("weekly", algos),
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


Weigher = Callable[[Market, int, IntArray, FloatArray], FloatArray]
"""A market, the column decided at, rows of the panel best first, and their weights held: the
weights to hold."""

EXPECTED = np.linspace(0.2, 0.0, POSITIONS)
"""Yearly returns that the peers expect of the best name to the last."""


def weeks(known: Market) -> IntArray:
    timetable = weekly(known.panel)
    return np.flatnonzero(timetable.asks[timetable.first :]) + timetable.first


def best(known: Market, column: int) -> IntArray:
    return known.table.order[known.table.line_of[column], :POSITIONS].astype(np.int64)


def weighed_weekly(known: Market, weigh: Weigher) -> list[FloatArray]:
    """The weights of every week for the best names, starting from those of the week before."""
    held = np.zeros(len(known.panel.tickers))
    weights = []
    for column in weeks(known):
        rows = best(known, column)
        found = weigh(known, column, rows, held[rows])
        held[:] = 0.0
        held[rows] = found
        weights.append(found)
    return weights


def window(known: Market, column: int, rows: IntArray) -> FloatArray:
    """Closes up to a column, with gaps filled, a row per session."""
    begin = max(column - LOOKBACK - CARRY_SESSIONS, 0)
    return carried(known.panel.adjusted[rows, begin : column + 1]).T[-LOOKBACK - 1 :]


def by_us(known: Market, column: int, rows: IntArray, held: FloatArray) -> FloatArray:
    composites = known.table.composite[known.table.line_of[column], rows]
    picked = Picked(rows, composites, held, ("",) * len(rows), complete=True)
    return construction.weigh(
        known.panel.first(column + 1), picked, ConstructionSettings(), float(CAPITAL)
    ).weights


def by_pypfopt(known: Market, column: int, rows: IntArray, held: FloatArray) -> FloatArray:
    closes = pd.DataFrame(window(known, column, rows))
    covariance = risk_models.CovarianceShrinkage(closes).ledoit_wolf()
    frontier = EfficientFrontier(EXPECTED, covariance, weight_bounds=(LEAST, MOST))
    frontier.add_objective(objective_functions.transaction_cost, w_prev=held, k=FRICTION)
    weights = frontier.max_quadratic_utility(risk_aversion=RISK_AVERSION)
    return np.array(list(weights.values()))


def by_skfolio(known: Market, column: int, rows: IntArray, held: FloatArray) -> FloatArray:
    """skfolio counts by the day, and its risk aversion has no half."""
    closes = window(known, column, rows)
    model = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
        risk_aversion=RISK_AVERSION / 2.0,
        prior_estimator=EmpiricalPrior(covariance_estimator=LedoitWolf()),
        overwrite_expected_return=lambda weights: (EXPECTED / SESSIONS_PER_YEAR) @ weights,
        min_weights=LEAST,
        max_weights=MOST,
        transaction_costs=FRICTION / SESSIONS_PER_YEAR,
        previous_weights=held,
    )
    model.fit(closes[1:] / closes[:-1] - 1.0)
    return np.asarray(model.weights_)


class WeighBest(bt.Algo):  # type: ignore[misc]
    """Target the best names of the day, weighed from what bt holds of them."""

    def __init__(self, known: Market, weigh: Weigher) -> None:
        super().__init__()
        self.known, self.weigh = known, weigh
        sessions = pd.DatetimeIndex(known.panel.sessions)
        self.column_of = {session: column for column, session in enumerate(sessions)}

    def __call__(self, target: bt.core.StrategyBase) -> bool:
        column = self.column_of[target.now]
        rows, children = best(self.known, column), target.children
        names = [self.known.panel.tickers[row] for row in rows]
        held = [children[name].weight if name in children else 0.0 for name in names]
        found = self.weigh(self.known, column, rows, np.array(held))
        target.temp["weights"] = dict(zip(names, found.tolist(), strict=True))
        return True


def lived_in_bt(known: Market, weigh: Weigher) -> float:
    """The final value of a weekly life in bt."""
    panel, columns = known.panel, weeks(known)
    ever = np.unique([best(known, column) for column in columns])
    first = weekly(panel).first
    dates = pd.DatetimeIndex(panel.sessions[first:])
    closes = pd.DataFrame(panel.close[ever, first:].T, dates, [panel.tickers[row] for row in ever])
    algos = [
        bt.algos.RunOnDate(*pd.DatetimeIndex(panel.sessions[columns])),
        WeighBest(known, weigh),
        bt.algos.Rebalance(),
    ]
    return _run_bt(algos, closes)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore")
    known = market()
    closes, targets = frames(known)
    simple = lived(known, Simple())
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
    compare_mvo(known, repeats)


def compare_mvo(known: Market, repeats: int) -> None:
    """Ours is measured after every run of a peer, because other work comes and goes."""
    decisions = len(lived(known, MeanVariance()).decisions)
    found = {}
    for name, weigh in {"PyPortfolioOpt": by_pypfopt, "skfolio": by_skfolio}.items():
        found[name] = weighed_weekly(known, weigh)
        ours, theirs = beside(
            lambda: weighed_weekly(known, by_us),
            lambda weigh=weigh: weighed_weekly(known, weigh),
            repeats,
        )
        print(f"mvo, weighing {len(found[name])} weeks alone: {1e3 * ours:.1f} ms")
        print(f"  {name}: {1e3 * theirs:,.0f} ms, {theirs / ours:.0f} x")
        ours, theirs = beside(
            lambda: lived(known, MeanVariance()),
            lambda weigh=weigh: lived_in_bt(known, weigh),
            repeats,
        )
        print(f"mvo, the whole backtest with {decisions} decisions: {1e3 * ours:.1f} ms")
        print(f"  bt and {name}: {1e3 * theirs:,.0f} ms, {theirs / ours:.0f} x")
    apart = np.abs(np.array(found["PyPortfolioOpt"]) - np.array(found["skfolio"])).max()
    print(f"their weights differ by at most {apart:.1e}")


def beside(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> tuple[float, float]:
    """Medians in seconds; three of the peer, each followed by some of ours."""
    times = [(timed(theirs, repeats=1), timed(ours, repeats=repeats)) for _ in range(3)]
    return median(time for _, time in times), median(time for time, _ in times)


if __name__ == "__main__":
    main()
