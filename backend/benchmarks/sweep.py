"""A hundred settings on shared scores beside vectorbt, and a study of forty over fifteen years.

    python -m benchmarks.sweep

The settings are simulated by processes that are forked from one which has the prices and scores in
memory, one for each core; ours choose, weigh, trade and stop, vectorbt is handed weights. The study
lives 574 ETFs from 2010 to mid-2025 with other factor weights, stops, limits for twins and
optimizers; only factor weights are scored anew, from kept factors.
"""

import multiprocessing
import os
import resource
import warnings
from argparse import ArgumentParser
from itertools import product
from time import perf_counter

import numpy as np

from app.quant.backtest.engine import simulate
from app.quant.backtest.rules import Timetable, TradingRules
from app.quant.backtest.tape import ScoreTable
from app.quant.construction import ConstructionSettings
from app.quant.factors.cross_section import Composite
from app.quant.factors.score_history import recombine
from app.quant.factors.settings import FactorWeights
from app.quant.optimizers import MeanVariance, MinimumVariance, RankBased, Simple
from app.quant.selection import SelectionRules
from app.quant.stop_loss import StopPolicy
from benchmarks.backtest import by_vectorbt, frames
from benchmarks.backtest_market import CAPITAL, Market, market, timed, weekly

Job = tuple[ScoreTable, TradingRules, Timetable]

known: Market
work: list[Job]


def rules(optimizer: object, positions: int, fall: float, twins: float) -> TradingRules:
    return TradingRules(
        construction=ConstructionSettings(
            optimizer=optimizer,  # type: ignore[arg-type]
            selection=SelectionRules(positions, twins),
        ),
        stops=StopPolicy(use_vix_adjustment=False, fixed=fall),
    )


def one(number: int) -> float:
    table, policy, timetable = work[number]
    return float(simulate(known.tape, table, policy, timetable, CAPITAL).values[-1])


def all_of_it(workers: int) -> list[float]:
    """By forked processes: they share what is in memory, and only numbers travel."""
    if workers == 1:
        return [one(number) for number in range(len(work))]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        return pool.map(one, range(len(work)), chunksize=max(len(work) // workers // 4, 1))


def settings_of_a_hundred() -> list[TradingRules]:
    grid = product((10, 15, 20, 25, 30), (0.06, 0.08, 0.10, 0.12, 0.15), (0.9, 0.95, 0.98, 0.99))
    return [rules(Simple(), positions, fall, twins) for positions, fall, twins in grid]


def study() -> tuple[list[Job], float]:
    """And the seconds that weighing the factors anew took."""
    first = int(np.searchsorted(known.panel.sessions, np.datetime64("2010-01-04")))
    timetable = weekly(known.panel, first)
    started = perf_counter()
    weights = (
        FactorWeights(momentum=0.35, quality=0.30, volatility=0.20, value=0.15),
        FactorWeights(momentum=0.6, quality=0.2, volatility=0.1, value=0.1),
        FactorWeights(momentum=0.1, quality=0.3, volatility=0.5, value=0.1),
        FactorWeights(momentum=0.25, quality=0.25, volatility=0.25, value=0.25),
        FactorWeights(momentum=0.5, quality=0.5),
    )
    tables = [
        ScoreTable.of(recombine(known.history, each, Composite.INTEGRATE), known.panel)
        for each in weights
    ]
    weighed = perf_counter() - started
    optimizers = (Simple(), RankBased(), MinimumVariance(), MeanVariance())
    limits = ((0.10, 0.95), (0.15, 0.98))
    return [
        (table, rules(optimizer, 20, fall, twins), timetable)
        for table, optimizer, (fall, twins) in product(tables, optimizers, limits)
    ], weighed


def main() -> None:
    global known, work  # noqa: PLW0603 - what forked processes share
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore")
    cores = len(os.sched_getaffinity(0))
    known = market()
    timetable = weekly(known.panel)
    work = [(known.table, each, timetable) for each in settings_of_a_hundred()]
    alone = all_of_it(1)
    assert all_of_it(cores) == alone == all_of_it(cores + 1), "bit-identical"
    ours = timed(lambda: all_of_it(cores), repeats=repeats)
    closes, targets = frames(known)
    by_vectorbt(closes, targets)
    peer = 100 * timed(lambda: by_vectorbt(closes, targets), repeats=1)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(
        f"100 settings, {len(known.panel.tickers)} ETFs, {cores} processes: {ours:.2f} s;"
        f" at most {memory:.2f} GB with the peer, {child:.2f} GB in a child"
    )
    print(f"  vectorbt, extrapolated from one: {peer:.0f} s, {peer / ours:.0f} x")
    known = market("etf_prices_long.parquet", etfs=574, sessions=8_160)
    work, weighed = study()
    started = perf_counter()
    all_of_it(cores)
    print(
        f"study, {len(work)} settings over {len(known.panel.tickers)} ETFs: "
        f"{perf_counter() - started + weighed:.1f} s, of which weighing {weighed:.2f} s"
    )


if __name__ == "__main__":
    main()
