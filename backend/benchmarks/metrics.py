"""The full metric set of one 5-year daily series, and of 1,000, beside the peers' statistics.

Run from backend/: `python -m benchmarks.metrics`. Medians over alternating rounds. empyrical has
fewer statistics than the set and is measured with those it has; ffn and quantstats make a report.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Mapping

import empyrical
import ffn
import numpy as np
import pandas as pd
import quantstats

from app.quant.metrics import compute, compute_many
from app.quant.panel import DateArray, FloatArray

SESSIONS, SERIES = 1256, 1000
ROUNDS, FEW_ROUNDS, MANY_ROUNDS = 200, 5, 5
RF = 0.04
TARGET_MS, TARGET_MANY_MS = 1.0, 400.0

Work = Callable[[], object]


def series(count: int) -> tuple[FloatArray, FloatArray, DateArray]:
    generator = np.random.default_rng(7)
    market = generator.standard_t(5, SESSIONS) * 0.008 + 0.0004
    days = np.arange("2020-01-01", "2026-01-01", dtype="datetime64[D]")
    own = generator.normal(0.0001, 0.004, (SESSIONS, count))
    return 0.8 * market[:, None] + own, market, days[np.is_busday(days)][: SESSIONS + 1]


def peer(returns: FloatArray | pd.Series, market: FloatArray | pd.Series) -> None:
    """What empyrical has of our set; it has no dates, months, skew or kurtosis."""
    daily = RF / 252
    empyrical.cum_returns_final(returns)
    empyrical.annual_return(returns)
    empyrical.annual_volatility(returns)
    empyrical.sharpe_ratio(returns, risk_free=daily)
    empyrical.sortino_ratio(returns, required_return=daily)
    empyrical.calmar_ratio(returns)
    empyrical.max_drawdown(returns)
    for tail in (0.05, 0.01):
        empyrical.value_at_risk(returns, tail)
        empyrical.conditional_value_at_risk(returns, tail)
    empyrical.alpha_beta(returns, market, risk_free=daily)
    empyrical.excess_sharpe(returns, market)
    empyrical.up_capture(returns, market)
    empyrical.down_capture(returns, market)


def milliseconds(work: Work) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def compare(title: str, contenders: Mapping[str, Work], rounds: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            times[name].append(milliseconds(work))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    ours = next(iter(medians.values()))
    print(title)
    for name, median in medians.items():
        print(f"  {name:<44} {median:9.3f} ms  x{median / ours:.1f}")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--series", type=int, default=SERIES)
    count = arguments.parse_args().series
    warnings.filterwarnings("ignore")
    returns, market, dates = series(count)
    dated_market = pd.Series(market, index=pd.DatetimeIndex(dates[1:]))
    dated = pd.DataFrame(returns, index=dated_market.index)
    one, dated_one = returns[:, 0].copy(), dated[0]
    path = pd.Series(np.append(1.0, (1.0 + one).cumprod()), index=pd.DatetimeIndex(dates))
    compare(
        f"metrics of one series of {SESSIONS} daily returns; target {TARGET_MS:.0f} ms",
        {
            "ours, the whole set": lambda: compute(one, dates, rf=RF, benchmark=market),
            "empyrical on dated series, as it is used": lambda: peer(dated_one, dated_market),
            "empyrical on bare arrays": lambda: peer(one, market),
        },
        ROUNDS,
    )
    compare(
        "the same beside whole reports",
        {
            "ours, the whole set": lambda: compute(one, dates, rf=RF, benchmark=market),
            "ffn PerformanceStats": lambda: ffn.PerformanceStats(path, rf=RF),
            "quantstats metrics": lambda: quantstats.reports.metrics(
                dated_one, dated_market, rf=RF, mode="full", display=False
            ),
        },
        FEW_ROUNDS,
    )
    compare(
        f"metrics of {count} such series; target {TARGET_MANY_MS:.0f} ms",
        {
            "ours, the whole set": lambda: compute_many(returns, dates, rf=RF, benchmark=market),
            "empyrical on dated series, one by one": lambda: [
                peer(dated[column], dated_market) for column in dated
            ],
            "empyrical on bare arrays, one by one": lambda: [
                peer(returns[:, column].copy(), market) for column in range(count)
            ],
        },
        MANY_ROUNDS,
    )


if __name__ == "__main__":
    main()
