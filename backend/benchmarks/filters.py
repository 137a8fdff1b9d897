"""Which filter suits filtered historical simulation: exponential weights or GARCH(1,1).

    python -m benchmarks.filters

Ten funds over eighteen years, out of sample: each day's value at risk at 95 and 99 % from the 252
standardised returns before it, by both filters, beside the historical and the normal method. The
GARCH parameters are fitted by normal maximum likelihood, with the variance targeted, to the 1,008
returns before every 21st day. The table tells what share of the days lost more, and for how many of
the ten funds each test rejects at 5 %. The evidence of decision 0015; needs the folder of market
data beside the project.
"""

import math
import time
from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view
from scipy.optimize import minimize
from scipy.signal import lfilter

from app.quant.panel import FloatArray
from app.quant.risk.coverage import Coverage, coverage
from app.quant.risk.tails import LEVELS, WINDOW, normal_forecasts, quantile_forecasts
from app.quant.risk.volatilities import exponentially_weighted
from tests.shared_data import SHARED

FUNDS = ("SPY", "QQQ", "EEM", "EFA", "AGG", "TLT", "HYG", "GLD", "USO", "VNQ")
SESSIONS = 18 * 252
FIRST, FITTED, EVERY = 504, 1_008, 21
SIGNIFICANT = 0.05


def returns_of(prices: pl.DataFrame, ticker: str) -> FloatArray:
    closes = prices.filter(pl.col("ticker") == ticker).sort("date")["close"]
    values = closes.cast(pl.Float64).to_numpy()
    return (values[1:] / values[:-1] - 1.0)[-SESSIONS:]


def variances(returns: FloatArray, parameters: tuple[float, float, float, float]) -> FloatArray:
    """Of each day and the one after the last: omega + alpha r^2 + beta h of the day before."""
    omega, alpha, beta, start = parameters
    driven = omega + alpha * returns * returns
    later, _ = lfilter([1.0], [1.0, -beta], driven, zi=[beta * start])
    return np.concatenate(([start], later))


def fitted(returns: FloatArray) -> tuple[float, float, float, float]:
    level = float(returns.var())

    def parameters(free: FloatArray) -> tuple[float, float, float, float]:
        share, memory = (1.0 / (1.0 + math.exp(-each)) for each in free)
        memory *= 0.9999
        return level * (1.0 - memory), memory * share, memory * (1.0 - share), level

    def loss(free: FloatArray) -> float:
        h = variances(returns[:-1], parameters(free))
        return 0.5 * float((np.log(h) + returns * returns / h).sum())

    found = minimize(loss, np.array([-2.2, 3.5]), method="Nelder-Mead")
    return parameters(found.x)


def garch(returns: FloatArray) -> FloatArray:
    """The volatility known before each day, from `FIRST` on."""
    found = np.full(len(returns) + 1, np.nan)
    for day in range(FIRST, len(returns) + 1, EVERY):
        begin, end = max(0, day - FITTED), min(day + EVERY, len(returns))
        path = variances(returns[begin:end], fitted(returns[begin:day]))
        last = min(day + EVERY, len(found))
        found[day:last] = np.sqrt(path[day - begin : last - begin])
    return found


def forecasts(returns: FloatArray) -> Iterator[tuple[str, list[FloatArray]]]:
    start = FIRST + WINDOW
    windows = sliding_window_view(returns, WINDOW)[start - WINDOW : -1]
    yield "historical", quantile_forecasts(windows, LEVELS)
    yield "normal", normal_forecasts(windows, LEVELS)
    for name, filter_of in (("filtered, EWMA", exponentially_weighted), ("filtered, GARCH", garch)):
        begun = time.perf_counter()
        volatility = filter_of(returns)
        TOOK[name] = TOOK.get(name, 0.0) + time.perf_counter() - begun
        divided = returns[FIRST:] / volatility[FIRST:-1]
        quantiles = quantile_forecasts(sliding_window_view(divided, WINDOW)[:-1], LEVELS)
        yield name, [each * volatility[start:-1] for each in quantiles]


TOOK: dict[str, float] = {}


def main() -> None:
    prices = pl.read_parquet(
        SHARED / "data" / "etf_prices_long.parquet", columns=["ticker", "date", "close"]
    )
    judged: dict[tuple[str, float], list[Coverage]] = {}
    for ticker in FUNDS:
        returns = returns_of(prices, ticker)
        for name, found in forecasts(returns):
            for tail, forecast in zip(LEVELS, found, strict=True):
                verdict = coverage(returns[FIRST + WINDOW :], forecast, tail)
                assert isinstance(verdict, Coverage)
                judged.setdefault((name, tail), []).append(verdict)
    print(f"{'method':<17}{'tail':>6}{'lost more':>11}{'Kupiec':>8}{'alone':>7}{'both':>6}")
    for (name, tail), verdicts in judged.items():
        share = sum(each.exceptions for each in verdicts) / sum(each.forecasts for each in verdicts)
        rejected = [
            sum(test.p_value < SIGNIFICANT for test in tests)
            for tests in zip(
                *((each.kupiec, each.independence, each.conditional) for each in verdicts),
                strict=True,
            )
        ]
        print(f"{name:<17}{tail:>6}{share:>11.2%}" + "{:>8}{:>7}{:>6}".format(*rejected))
    for name, seconds in TOOK.items():
        print(f"{name}: {seconds / len(FUNDS) * 1e3:.1f} ms for each fund")


if __name__ == "__main__":
    main()
