"""The figures of every window of so many sessions: what the metrics say of each of them."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from app.quant.measured import Missing
from app.quant.panel import DateArray, FloatArray
from app.quant.statistics import betas, excesses, falls, volatilities

AT_ONCE = 512
"""Windows in memory together."""


@dataclass(frozen=True, slots=True)
class Rolling:
    """One entry per window, dated by the session it ends with; NaN where a return within it is
    unknown or the figure has no value."""

    window: int
    dates: DateArray
    total_return: FloatArray
    volatility: FloatArray
    sharpe: FloatArray
    max_drawdown: FloatArray
    beta: FloatArray


FIGURES = ("total_return", "volatility", "sharpe", "max_drawdown", "beta")


def rolling(
    returns: FloatArray,
    dates: DateArray,
    *,
    window: int,
    rf: float,
    benchmark: FloatArray | None = None,
) -> Rolling | Missing:
    """Of T returns between T + 1 dates, and the benchmark's over the same sessions."""
    if len(returns) < window:
        return Missing(
            f"the period has {len(returns)} sessions, fewer than the {window} of a window"
        )
    mine = sliding_window_view(returns, window)
    theirs = None if benchmark is None else sliding_window_view(benchmark, window)
    parts = [
        _figures(
            mine[start : start + AT_ONCE],
            None if theirs is None else theirs[start : start + AT_ONCE],
            rf,
        )
        for start in range(0, len(mine), AT_ONCE)
    ]
    columns = np.concatenate(parts, axis=1)
    return Rolling(window, dates[window:], **dict(zip(FIGURES, columns, strict=True)))


def _figures(windows: FloatArray, benchmark: FloatArray | None, rf: float) -> FloatArray:
    """One row per figure."""
    risk, wealth = volatilities(windows), (1.0 + windows).cumprod(axis=1)
    known = np.isfinite(wealth[:, -1])
    with np.errstate(divide="ignore", invalid="ignore"):
        sharpes = excesses(windows, rf) / np.where(risk > 0.0, risk, np.nan)
    nothing = np.full(len(windows), np.nan)
    return np.vstack(
        (
            wealth[:, -1] - 1.0,
            np.where(known, risk, np.nan),
            sharpes,
            np.where(known, falls(wealth).min(axis=1), np.nan),
            nothing if benchmark is None else betas(windows, benchmark),
        )
    )
