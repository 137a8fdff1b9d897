"""Scores of a market, beside pandas rolling windows doing the same computation.

    python benchmarks/scores.py

Uses the real prices kept beside the project where there are any, else random walks of the same
size. Both routes start from aligned closes and volumes in memory and give universe, four factors,
composite and ranks; their composites are compared before anything is timed. pandas keeps its dates
as rows, the layout it is fastest in, and computes the newest date from the last 258 rows only.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from sys import path
from time import perf_counter

import numpy as np
import pandas as pd

path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.quant.factors.score_history import score_history
from app.quant.factors.scoring import score
from app.quant.panel import Facts, Panel
from benchmarks.real_prices import DATA, read_prices

ETFS, SESSIONS, SWEPT, REPEATS = 2_383, 1_098, 252, 15
READ = 258


def market_of(file: str) -> tuple[Panel, Facts]:
    """A file of real prices, in double precision."""
    panel, _, facts = read_prices(f"{file}.parquet")
    return panel, facts


def invented_market() -> tuple[Panel, Facts]:
    """Random walks, a third of them too young and half of the others thinly traded."""
    generator = np.random.default_rng(0)
    daily = generator.uniform(0.002, 0.02, (ETFS, 1))
    close = 50 * np.exp(np.cumsum(generator.normal(0, daily, (ETFS, SESSIONS)), axis=1))
    close[::3, :-200] = np.nan
    volume = np.broadcast_to(generator.lognormal(10, 2.5, (ETFS, 1)), close.shape).copy()
    nothing = np.zeros(ETFS, np.bool_)
    costs = generator.uniform(0.0003, 0.01, ETFS)
    facts = Facts(costs, nothing, nothing, np.full(ETFS, "equity"))
    sessions = np.datetime64("2020-01-01") + np.arange(SESSIONS)
    return Panel(tuple(f"E{i}" for i in range(ETFS)), sessions, close, close, volume), facts


def standardised(values: "pd.Series[float]") -> "pd.Series[float]":
    low, high = np.nanpercentile(values, [1, 99]).tolist()
    clipped = values.clip(low, high)
    return (clipped - clipped.mean()) / clipped.std()


def by_pandas(
    close: pd.DataFrame, volume: pd.DataFrame, facts: Facts, old: "pd.Series[bool]"
) -> "pd.Series[float]":
    """Composite of the newest date; `old` tells which ETFs were listed a year before."""
    traded = (close.iloc[-63:] * volume.iloc[-63:]).median()
    inside = (
        close.iloc[-1].ge(5)
        & old
        & (close.iloc[-253:].isna().sum() <= 12)
        & (traded >= 1e6)
        & ~facts.leveraged
        & ~facts.inverse
    )
    carried = close.loc[:, inside].ffill(limit=5)
    returns = carried.pct_change(fill_method=None)
    deviation = returns.rolling(252, min_periods=200).std().iloc[-1]
    keep = (deviation * 252**0.5).between(0.03, 0.35)
    carried, returns, deviation = carried.loc[:, keep], returns.loc[:, keep], deviation[keep]
    mean = returns.rolling(252, min_periods=200).mean().iloc[-1]
    volatility = deviation * 252**0.5
    year = carried.iloc[-253:]
    quality = (
        0.4 * standardised((252 * mean - 0.04) / volatility)
        + 0.3 * standardised((year / year.cummax()).min() - 1)
        + 0.3 * standardised(-volatility)
    )
    recent = returns.iloc[-60:].rolling(60, min_periods=48).std().iloc[-1]
    z = pd.DataFrame(
        {
            "momentum": standardised(carried.iloc[-22] / carried.iloc[-253] - 1),
            "quality": (quality - quality.mean()) / quality.std(),
            "volatility": standardised(-recent),
            "value": standardised(-pd.Series(facts.expense_ratio, close.columns)[carried.columns]),
        }
    )
    ranks = np.log(z.rank(pct=True).fillna(0.5))
    composite: pd.Series[float] = np.exp(ranks @ np.array([0.35, 0.30, 0.20, 0.15]))
    return composite.sort_values(ascending=False)


def milliseconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    taken = []
    for _ in range(repeats):
        begin = perf_counter()
        work()
        taken.append(1e3 * (perf_counter() - begin))
    return median(taken)


def main() -> None:
    real = (DATA / "etf_prices.parquet").is_file()
    panel, facts = market_of("etf_prices") if real else invented_market()
    close = pd.DataFrame(panel.close[:, -READ:].T.copy(), columns=panel.tickers)
    volume = pd.DataFrame(panel.volume[:, -READ:].T.copy(), columns=panel.tickers)
    old = pd.Series(~np.isnan(panel.close[:, :-252]).all(axis=1), index=pd.Index(panel.tickers))

    scores = score(panel, facts)
    peer = by_pandas(close, volume, facts, old)
    ours = pd.Series(scores.composite[scores.scored], np.array(panel.tickers)[scores.scored])
    np.testing.assert_allclose(ours, peer[ours.index], rtol=0, atol=1e-9)

    swept = panel.sessions[-SWEPT:]
    one = milliseconds(lambda: score(panel, facts))
    pandas_one = milliseconds(lambda: by_pandas(close, volume, facts, old))
    many = milliseconds(lambda: score_history(panel, facts, None, swept), 5)

    kind = "real" if real else "invented"
    print(f"{len(panel.tickers):,} ETFs x {len(panel):,} sessions ({kind}), {len(ours)} scored")
    print(f"{'':<34}{'median ms':>10}{'ratio':>8}")
    print(f"{'one date':<34}{one:>10.2f}{1:>8.1f}")
    print(f"{'one date, pandas rolling':<34}{pandas_one:>10.2f}{pandas_one / one:>8.1f}")
    print(f"{f'{len(swept)} dates in one sweep':<34}{many:>10.1f}")
    print(f"{'  per date':<34}{many / len(swept):>10.2f}{many / len(swept) / one:>8.1f}")


if __name__ == "__main__":
    main()
