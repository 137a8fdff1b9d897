"""One factor of a whole market examined over five horizons, beside alphalens-reloaded.

    python -m benchmarks.research

Uses the real prices kept beside the project where there are any, else random walks of the same
size. Both start from z-scores of momentum and prices in memory. alphalens is fed what its users
feed it, `get_clean_factor_and_forward_returns`, and calculates what its full tear sheet shows, the
pictures left out: rank ICs and their months, quantile returns and spread, factor returns, alpha and
beta, turnover of every quantile, rank autocorrelation. Ours gives that except factor returns, alpha
and beta, and besides errors for overlap, a test of monotonicity, costs, regressions on four
factors, double sorts, asset classes and regimes. alphalens knows of no session between score and
purchase: its scores are dated a session later. Rank ICs, spreads and rank autocorrelations are
compared before anything is timed; both take turns.
"""

import warnings
from collections import defaultdict
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from statistics import median
from sys import path
from time import perf_counter, process_time
from typing import Any

import alphalens
import numpy as np
import pandas as pd

path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.quant.factors.factor_history import FactorHistory
from app.quant.factors.score_history import score_history
from app.quant.panel import Facts, Panel
from app.quant.research.signals import Question, Signals, signals
from app.quant.research.study import Settings, Study, study
from benchmarks.scores import DATA, invented_market, market_of

HORIZONS = (1, 5, 21, 63, 126)
OTHERS = ("quality", "volatility", "value")
FIRST = 252
OURS, PEERS = 3, 3
TARGET_SECONDS, TARGET_RATIO = 1.0, 10.0


def scored(panel: Panel, facts: Facts) -> FactorHistory:
    return score_history(panel, facts, sessions=panel.sessions[FIRST:]).factors


def asked(history: FactorHistory, facts: Facts, panel: Panel) -> Signals:
    columns = np.arange(FIRST, len(panel))
    classes = facts.asset_class.astype(np.str_)
    return signals(history, columns, classes, Question("momentum", OTHERS, 0))


def ours(panel: Panel, facts: Facts, history: FactorHistory) -> Study:
    found = asked(history, facts, panel)
    regimes = np.where(np.arange(len(found)) % 100 < 50, "low", "high").tolist()
    return study(
        found, panel, panel.close, Settings(horizons=HORIZONS), regimes=regimes, joined=True
    )


def fed(panel: Panel, found: Signals) -> tuple[pd.Series, pd.DataFrame]:
    days = pd.DatetimeIndex(panel.sessions)
    later = np.minimum(found.columns + 1, len(panel) - 1)[found.session_of]
    inside = found.columns[found.session_of] + 1 < len(panel)
    index = pd.MultiIndex.from_arrays(
        [days[later[inside]], np.array(panel.tickers)[found.rows[inside]]], names=["date", "asset"]
    )
    prices = pd.DataFrame(panel.adjusted.T, index=days, columns=list(panel.tickers))
    return pd.Series(found.scores[inside], index=index), prices


def theirs(factor: "pd.Series[float]", prices: pd.DataFrame) -> dict[str, Any]:
    performance = alphalens.performance
    clean = alphalens.utils.get_clean_factor_and_forward_returns(
        factor, prices, quantiles=5, periods=HORIZONS, filter_zscore=None
    )
    by_date, errors = performance.mean_return_by_quantile(clean, by_date=True, demeaned=False)
    codes = clean["factor_quantile"]
    return {
        "ic": performance.factor_information_coefficient(clean),
        "months": performance.mean_information_coefficient(clean, by_time="ME"),
        "means": performance.mean_return_by_quantile(clean, demeaned=False)[0],
        "spread": performance.compute_mean_returns_spread(by_date, 5, 1, errors),
        "returns": performance.factor_returns(clean),
        "alpha_beta": performance.factor_alpha_beta(clean),
        "turnover": [
            performance.quantile_turnover(codes, quantile, horizon)
            for quantile in range(1, 6)
            for horizon in HORIZONS
        ],
        "autocorrelation": [performance.factor_rank_autocorrelation(clean, h) for h in HORIZONS],
    }


def compare(mine: Study, peer: dict[str, Any]) -> None:
    """On the sessions that alphalens keeps: those whose longest horizon is over."""
    known = len(peer["ic"])
    ics = np.abs(mine.ic_by_session[:, :known].T - peer["ic"].to_numpy())
    spreads = np.abs(mine.spread_by_session[:, :known].T - 2.0 * peer["spread"][0].to_numpy())
    for name, apart in (("rank ICs", ics), ("spreads", spreads)):
        print(
            f"{name}: {apart.size - (apart > 1e-10).sum()} of {apart.size} agree to 1e-10; "
            f"largest difference {apart.max():.1e}"
        )
    print(f"scores without a price to enter at, which alphalens enters: {mine.unfilled}")
    lags = {each.lag: each.autocorrelation for each in mine.persistence.lags}
    their = [float(each.mean()) for each in peer["autocorrelation"]]
    # alphalens leaves out the last sessions, whose returns are not known yet.
    pairs = zip(HORIZONS, their, strict=True)
    print("rank autocorrelations", [f"{h}: {lags[h]:.4f} / {value:.4f}" for h, value in pairs])


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """On the clock, and of the processor: on a machine that does other things the two differ."""
    clock, processor = perf_counter(), process_time()
    work()
    return perf_counter() - clock, process_time() - processor


def main() -> None:
    real = (DATA / "etf_prices.parquet").is_file()
    panel, facts = market_of("etf_prices") if real else invented_market()
    panel = replace(panel, adjusted=panel.close)
    history = scored(panel, facts)
    found = asked(history, facts, panel)
    factor, prices = fed(panel, found)
    print(f"{len(panel.tickers)} ETFs x {len(panel)} sessions, {len(found.rows)} scores")
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        peer = theirs(factor, prices)
    compare(ours(panel, facts, history), peer)
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(PEERS):
        for _ in range(OURS):
            times["ours"].append(seconds(lambda: ours(panel, facts, history)))
            times["ours, scoring included"].append(
                seconds(lambda: ours(panel, facts, scored(panel, facts)))
            )
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            times["alphalens"].append(seconds(lambda: theirs(factor, prices)))
    print(f"target: {TARGET_SECONDS:.0f} s and {TARGET_RATIO:.0f} x alphalens")
    first = [median(taken) for taken in zip(*times["ours"], strict=True)]
    for name, taken in times.items():
        clock, processor = (median(each) for each in zip(*taken, strict=True))
        print(
            f"{name:<24} {clock:6.2f} s x{clock / first[0]:<5.1f} "
            f"processor {processor:6.2f} s x{processor / first[1]:.1f}"
        )


if __name__ == "__main__":
    main()
