"""How easily an ETF trades, measured from its own history: what market impact depends on."""

from decimal import Decimal

import numpy as np

from app.quant.covariance import kernels, newest, recent_returns
from app.quant.panel import FloatArray, IntArray, Panel

LIQUIDITY_SESSIONS = 63


def measure(panel: Panel, rows: IntArray) -> tuple[FloatArray, FloatArray]:
    """Daily volatility (a fraction) and average daily value traded (money) of the ETFs in `rows`.

    Over the last 63 sessions of the panel, or as many as it has: the standard deviation (n - 1) of
    returns, the mean of traded close times volume. What is missing is left out; NaN where nothing
    is known, fewer than two returns, or nothing was traded.
    """
    sessions = min(LIQUIDITY_SESSIONS, len(panel) - 1)
    returns = recent_returns(panel, rows, sessions)
    start = max(len(panel) - LIQUIDITY_SESSIONS, 0)
    traded = newest(panel.close, rows, start) * newest(panel.volume, rows, start)
    value = kernels().means(traded)
    value[~(value > 0.0)] = np.nan
    return kernels().deviations(returns), value


def median_value(panel: Panel, row: int) -> Decimal | None:
    """The median value traded in a session, in money, over the last 63; None if unknown or zero."""
    close = panel.close[row, -LIQUIDITY_SESSIONS:]
    value = close * panel.volume[row, -LIQUIDITY_SESSIONS:]
    known = value[~np.isnan(value)]
    median = float(np.median(known)) if len(known) else 0.0
    return Decimal(f"{median:.2f}") if median > 0.0 else None
