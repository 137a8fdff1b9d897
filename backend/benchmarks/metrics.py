"""The full metric set of one 5-year daily series, beside the same statistics from empyrical.

Run from backend/: `python -m benchmarks.metrics`. Medians over alternating rounds.
"""

import statistics
import time
from collections.abc import Callable

import empyrical
import numpy as np
import pandas as pd

from app.quant.metrics import compute
from app.quant.panel import DateArray, FloatArray

SESSIONS = 1256
ROUNDS = 200
RF = 0.04
TARGET_MS = 1.0


def series() -> tuple[FloatArray, FloatArray, DateArray]:
    generator = np.random.default_rng(7)
    market = generator.standard_t(5, SESSIONS) * 0.008 + 0.0004
    days = np.arange("2020-01-01", "2026-01-01", dtype="datetime64[D]")
    return (
        0.8 * market + generator.normal(0.0001, 0.004, SESSIONS),
        market,
        days[np.is_busday(days)][: SESSIONS + 1],
    )


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


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    returns, market, dates = series()
    dated, dated_market = (pd.Series(s, index=dates[1:]) for s in (returns, market))
    contenders: dict[str, Callable[[], object]] = {
        "ours, the whole set": lambda: compute(returns, dates, rf=RF, benchmark=market),
        "empyrical on arrays, fewer statistics": lambda: peer(returns, market),
        "empyrical on dated series, as it is used": lambda: peer(dated, dated_market),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, work in contenders.items():
            times[name].append(milliseconds(work))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    ours = next(iter(medians.values()))
    print(f"metrics of {SESSIONS} daily returns; target {TARGET_MS:.1f} ms")
    for name, median in medians.items():
        print(f"{name:<42} {median:7.3f} ms  x{median / ours:.1f}")


if __name__ == "__main__":
    main()
