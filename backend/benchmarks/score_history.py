"""Scores of every date and ETF at once, beside pandas, polars and bottleneck doing the same.

    python -m benchmarks.score_history

Uses the real prices kept beside the project where there are any, else random walks of the size of
the shorter file. All routes start from aligned closes and volumes in memory (polars from a long
frame sorted by ETF and date, the layout it rolls over) and give universe, four factors, composite
and ranks of every date. None of the three has a rolling drawdown faster than numpy passing over
the window of one date after the other, so all get that. polars uses all cores, the others one.
The composites are compared: rolling sums round differently, so that a few ranks may change places.
Peer and sweep take turns, so that what else the machine does slows both.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from sys import path
from time import perf_counter

import bottleneck as bn
import numpy as np
import pandas as pd
import polars as pl

path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.quant.factors.cross_section import Composite
from app.quant.factors.score_history import ScoreHistory, recombine, score_history
from app.quant.factors.settings import FactorWeights
from app.quant.panel import BoolArray, Facts, FloatArray, Panel
from benchmarks.scores import DATA, invented_market, market_of

YEAR = 252**0.5
WEIGHTS = {"momentum": 0.35, "quality": 0.30, "volatility": 0.20, "value": 0.15}
OURS, PEERS = 4, 3


def drawdowns(closes: FloatArray) -> FloatArray:
    """Of the last 253 closes of each row's date; one row per date."""
    found = np.full(closes.shape, np.nan)
    for t in range(252, len(closes)):
        year = closes[t - 252 : t + 1]
        found[t] = (year / np.fmax.accumulate(year, axis=0)).min(axis=0) - 1
    return found


def by_pandas(panel: Panel, facts: Facts) -> FloatArray:
    close = pd.DataFrame(panel.close.T)
    value = close * pd.DataFrame(panel.volume.T)
    carried = close.ffill(limit=5)
    returns = carried.pct_change(fill_method=None)
    year = returns.rolling(252, min_periods=202)
    volatility = YEAR * year.std()
    inside = (
        (close >= 5)
        & close.notna().cummax().shift(252, fill_value=False)
        & (close.rolling(253, min_periods=1).count() >= 241)
        & (value.rolling(63, min_periods=1).median() >= 1e6)
        & (volatility >= 0.03)
        & (volatility <= 0.35)
        & ~(facts.leveraged | facts.inverse)
    )

    def z(values: pd.DataFrame) -> pd.DataFrame:
        known = values.where(inside)
        low, high = known.quantile(0.01, axis=1), known.quantile(0.99, axis=1)
        return standardised(known.clip(low, high, axis=0))

    def standardised(known: pd.DataFrame) -> pd.DataFrame:
        return known.sub(known.mean(axis=1), axis=0).div(known.std(axis=1), axis=0)

    quality = (
        0.4 * z((252 * year.mean() - 0.04) / volatility)
        + 0.3 * z(pd.DataFrame(drawdowns(carried.to_numpy())))
        + 0.3 * z(-volatility)
    )
    factors = {
        "momentum": z(carried.shift(21) / carried.shift(252) - 1),
        "quality": standardised(quality),
        "volatility": z(-YEAR * returns.rolling(60, min_periods=48).std()),
        "value": z(pd.DataFrame(np.broadcast_to(-facts.expense_ratio, close.shape))),
    }
    logs = sum(
        weight * np.log(factors[name].rank(axis=1, pct=True).fillna(0.5))
        for name, weight in WEIGHTS.items()
    )
    composite = np.exp(logs).where(inside)
    composite.rank(axis=1, ascending=False, method="first")
    return composite.to_numpy()


def carried_by_numpy(closes: FloatArray) -> FloatArray:
    """Gaps of up to five dates (rows) closed."""
    row = np.arange(len(closes))[:, None]
    last = np.maximum.accumulate(np.where(np.isnan(closes), -1, row), axis=0)
    filled = np.take_along_axis(closes, np.maximum(last, 0), axis=0)
    return np.where((last < 0) | (row - last > 5), np.nan, filled)


def by_bottleneck(panel: Panel, facts: Facts) -> FloatArray:
    close = np.ascontiguousarray(panel.close.T)
    carried = carried_by_numpy(close)
    returns = np.full_like(carried, np.nan)
    returns[1:] = carried[1:] / carried[:-1] - 1
    volatility = YEAR * bn.move_std(returns, 252, min_count=202, axis=0, ddof=1)
    known = ~np.isnan(close)
    listed = np.zeros_like(known)
    listed[252:] = np.maximum.accumulate(known, axis=0)[:-252]
    present = bn.move_sum(known.astype(float), 253, min_count=1, axis=0)
    traded = bn.move_median(close * panel.volume.T, 63, min_count=1, axis=0)
    inside = (
        (close >= 5)
        & listed
        & (present >= 241)
        & (traded >= 1e6)
        & (volatility >= 0.03)
        & (volatility <= 0.35)
        & ~(facts.leveraged | facts.inverse)
    )

    def z(values: FloatArray) -> FloatArray:
        values = np.where(inside, values, np.nan)
        ordered = np.sort(values, axis=1)
        counts = np.count_nonzero(~np.isnan(values), axis=1)
        return standardised(
            np.clip(values, percentile(ordered, counts, 0.01), percentile(ordered, counts, 0.99))
        )

    def percentile(
        ordered: FloatArray, counts: "np.typing.NDArray[np.int64]", at: float
    ) -> FloatArray:
        place = np.maximum(counts - 1, 0) * at
        below = place.astype(int)
        above = np.minimum(below + 1, np.maximum(counts - 1, 0))
        rows = np.arange(len(ordered))
        low, high = ordered[rows, below], ordered[rows, above]
        return (low + (place - below) * (high - low))[:, None]

    def standardised(values: FloatArray) -> FloatArray:
        return (values - bn.nanmean(values, axis=1)[:, None]) / bn.nanstd(values, axis=1, ddof=1)[
            :, None
        ]

    def shifted(values: FloatArray, by: int) -> FloatArray:
        moved = np.full_like(values, np.nan)
        moved[by:] = values[:-by]
        return moved

    mean = bn.move_mean(returns, 252, min_count=202, axis=0)
    quality = (
        0.4 * z((252 * mean - 0.04) / volatility)
        + 0.3 * z(drawdowns(carried))
        + 0.3 * z(-volatility)
    )
    factors = {
        "momentum": z(shifted(carried, 21) / shifted(carried, 252) - 1),
        "quality": standardised(quality),
        "volatility": z(-YEAR * bn.move_std(returns, 60, min_count=48, axis=0, ddof=1)),
        "value": z(np.broadcast_to(-facts.expense_ratio, close.shape)),
    }
    logs = np.zeros(close.shape)
    for name, weight in WEIGHTS.items():
        ranks = bn.nanrankdata(factors[name], axis=1)
        counts = np.count_nonzero(~np.isnan(ranks), axis=1)[:, None]
        logs += weight * np.log(np.where(np.isnan(ranks), 0.5, ranks / counts))
    composite = np.where(inside, np.exp(logs), np.nan)
    np.argsort(-composite, axis=1, kind="stable")
    return composite


def long_frame(panel: Panel, facts: Facts) -> pl.DataFrame:
    etfs, dates = panel.close.shape
    return pl.DataFrame(
        {
            "etf": np.repeat(np.arange(etfs, dtype=np.int32), dates),
            "date": np.tile(np.arange(dates, dtype=np.int32), etfs),
            "close": panel.close.ravel(),
            "volume": panel.volume.ravel(),
            "cost": np.repeat(facts.expense_ratio, dates),
            "barred": np.repeat(facts.leveraged | facts.inverse, dates),
        }
    ).with_columns(pl.col("close", "cost", "volume").fill_nan(None))


def by_polars(frame: pl.DataFrame, shape: tuple[int, int]) -> FloatArray:
    close, returns = pl.col("carried"), pl.col("returns")

    def z(values: pl.Expr) -> pl.Expr:
        known = pl.when("inside").then(values)
        low, high = (known.quantile(at, "linear").over("date") for at in (0.01, 0.99))
        return standardised(known.clip(low, high))

    def standardised(known: pl.Expr) -> pl.Expr:
        return (known - known.mean().over("date")) / known.std().over("date")

    carried = frame.with_columns(carried=pl.col("close").forward_fill(5).over("etf"))
    falls = drawdowns(carried["carried"].to_numpy().reshape(shape).T).T.ravel()
    rolled = (
        carried.lazy()
        .with_columns(falls=pl.Series(falls).fill_nan(None))
        .with_columns(returns=(close / close.shift(1) - 1).over("etf"))
        .with_columns(
            mean=returns.rolling_mean(252, min_samples=202).over("etf"),
            volatility=YEAR * returns.rolling_std(252, min_samples=202).over("etf"),
            recent=YEAR * returns.rolling_std(60, min_samples=48).over("etf"),
            momentum=(close.shift(21) / close.shift(252) - 1).over("etf"),
            traded=(pl.col("close") * pl.col("volume"))
            .rolling_median(63, min_samples=1)
            .over("etf"),
            present=pl.col("close")
            .is_not_null()
            .cast(pl.Int32)
            .rolling_sum(253, min_samples=1)
            .over("etf"),
            listed=pl.col("close").is_not_null().cum_max().shift(252).over("etf"),
        )
        .with_columns(
            inside=(pl.col("close") >= 5)
            & pl.col("listed")
            & (pl.col("present") >= 241)
            & (pl.col("traded") >= 1e6)
            & pl.col("volatility").is_between(0.03, 0.35)
            & ~pl.col("barred")
        )
        .with_columns(
            momentum=z(pl.col("momentum")),
            sharpe=z((252 * pl.col("mean") - 0.04) / pl.col("volatility")),
            shallow=z(pl.col("falls")),
            calm=z(-pl.col("volatility")),
            volatility=z(-pl.col("recent")),
            value=z(-pl.col("cost")),
        )
        .with_columns(
            quality=standardised(
                0.4 * pl.col("sharpe") + 0.3 * pl.col("shallow") + 0.3 * pl.col("calm")
            )
        )
    )
    logs = pl.sum_horizontal(
        weight
        * (pl.col(name).rank().over("date") / pl.col(name).count().over("date"))
        .fill_null(0.5)
        .log()
        for name, weight in WEIGHTS.items()
    )
    found = (
        rolled.with_columns(composite=pl.when("inside").then(logs.exp()))
        .with_columns(place=pl.col("composite").rank("ordinal", descending=True).over("date"))
        .select("composite", "place")
        .collect()
    )
    return found["composite"].to_numpy().reshape(shape).T


def seconds(work: Callable[[], object]) -> float:
    begin = perf_counter()
    work()
    return perf_counter() - begin


def agreeing(ours: FloatArray, peer: FloatArray) -> float:
    """The share of composites that are equal to 1e-6; both universes the same but for rounding."""
    both: BoolArray = ~np.isnan(ours) & ~np.isnan(peer)
    assert both.sum() > 0.9999 * max(np.isfinite(ours).sum(), np.isfinite(peer).sum())
    return float((np.abs(ours - peer)[both] < 1e-6).mean())


def megabytes(history: ScoreHistory) -> float:
    """What the arrays of a history hold."""
    factors = history.factors
    arrays = (history.composite, history.rank, history.order, history.incomplete)
    swept = (factors.exclusion, factors.starts, factors.rows, factors.z, factors.log_ranks)
    return sum(array.nbytes for array in (*arrays, *swept)) / 1e6


def measure(name: str, panel: Panel, facts: Facts) -> None:
    history = score_history(panel, facts)
    scored = int((history.rank > 0).sum())
    print(f"\n{name}: {len(panel.tickers):,} ETFs x {len(panel):,} dates, {scored:,} scores")
    weights = FactorWeights(momentum=0.5, quality=0.2)
    again = median(
        seconds(lambda: recombine(history, weights, Composite.INTEGRATE)) for _ in range(OURS)
    )
    print(f"a history holds {megabytes(history):.0f} MB; other weights recombined in {again:.3f} s")
    frame = long_frame(panel, facts)
    routes = {
        "pandas": lambda: by_pandas(panel, facts),
        "bottleneck and numpy": lambda: by_bottleneck(panel, facts),
        "polars": lambda: by_polars(frame, panel.close.shape),
    }
    print(f"{'':<24}{'median s':>10}{'one sweep':>12}{'ratio':>8}{'agrees':>10}")
    for peer, route in routes.items():
        with np.errstate(all="ignore"):
            equal = agreeing(history.composite, route())
            rounds = [
                (
                    seconds(route),
                    [seconds(lambda: score_history(panel, facts)) for _ in range(OURS)],
                )
                for _ in range(PEERS)
            ]
        taken = median(peer_took for peer_took, _ in rounds)
        ours = median(took for _, sweeps in rounds for took in sweeps)
        print(f"{peer:<24}{taken:>10.3f}{ours:>12.3f}{taken / ours:>8.1f}{equal:>10.4%}")


def main() -> None:
    files = [
        name for name in ("etf_prices", "etf_prices_long") if (DATA / f"{name}.parquet").is_file()
    ]
    for name in files:
        measure(name, *market_of(name))
    if not files:
        measure("invented", *invented_market())


if __name__ == "__main__":
    main()
