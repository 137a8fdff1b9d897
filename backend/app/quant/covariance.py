"""How returns move together: carried closes, returns, and the Ledoit-Wolf covariance.

Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (2004):
the sample covariance S (dividing by the number of observations) is pulled towards m·I, m the mean
variance, by the share that minimises the expected squared error, estimated from the same returns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np

from app.quant.errors import InsufficientHistory
from app.quant.panel import CARRY_SESSIONS, SESSIONS_PER_YEAR, FloatArray, IntArray, Panel


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A covariance per session, the share of the target in it, 0 to 1, and the variances that the
    sample has without it (dividing by the number of observations)."""

    covariance: FloatArray
    shrinkage: float
    variances: FloatArray


@dataclass(frozen=True, slots=True)
class Risk:
    """Annualised risk of some ETFs: `covariance` (n x n), and `sigma`, the sample volatilities
    √252·std with n - 1 (the diagonal of the shrunk covariance is pulled to their mean)."""

    covariance: FloatArray
    sigma: FloatArray
    shrinkage: float


@cache
def kernels() -> ModuleType:
    """The compiled functions. Importing numba takes half a second: who measures pays for it."""
    from app.quant import windows  # noqa: PLC0415

    return windows


def carried(closes: FloatArray, limit: int = CARRY_SESSIONS) -> FloatArray:
    """Closes (one row per ETF) with gaps filled from the last close, at most `limit` sessions."""
    filled: FloatArray = kernels().carried(np.ascontiguousarray(closes), limit)
    return filled


def recent_returns(panel: Panel, rows: IntArray, sessions: int) -> FloatArray:
    """The last `sessions` simple returns of adjusted closes, one row per ETF; NaN where a close is
    missing beyond the carry. A close before the window may be carried into it.

    Raises InsufficientHistory where the panel is shorter than the window.
    """
    if len(panel) <= sessions:
        raise InsufficientHistory(
            f"{sessions} returns need {sessions + 1} sessions; the history has {len(panel)}"
        )
    start = max(len(panel) - sessions - 1 - CARRY_SESSIONS, 0)
    returns: FloatArray = kernels().returns(
        newest(panel.adjusted, rows, start), sessions, CARRY_SESSIONS
    )
    return returns


def newest(values: FloatArray, rows: IntArray, start: int) -> FloatArray:
    """What the kernels read of a panel: a contiguous copy of some rows from a column on."""
    return np.ascontiguousarray(values[rows, start:])


def estimate(panel: Panel, rows: IntArray, lookback: int) -> Risk:
    """Annualised risk of the ETFs in `rows` from their last `lookback` returns.

    Raises InsufficientHistory naming every ETF with a return missing in the window.
    """
    returns = recent_returns(panel, rows, lookback)
    short = np.isnan(returns).any(axis=1)
    if short.any():
        names = ", ".join(panel.tickers[row] for row in rows[short])
        raise InsufficientHistory(
            f"{names}: closes missing for more than {CARRY_SESSIONS} sessions within the last "
            f"{lookback} returns"
        )
    shrunk = ledoit_wolf(returns)
    sigma = np.sqrt(SESSIONS_PER_YEAR * lookback / (lookback - 1) * shrunk.variances)
    return Risk(shrunk.covariance * SESSIONS_PER_YEAR, sigma, shrunk.shrinkage)


def ledoit_wolf(returns: FloatArray) -> Shrunk:
    """Shrink the covariance of `returns` (assets x observations) towards the scaled identity."""
    return Shrunk(*kernels().ledoit_wolf(np.ascontiguousarray(returns)))


def largest_correlation(returns: FloatArray, others: Sequence[FloatArray]) -> tuple[int, float]:
    """Which of `others` moves most like `returns`, and how much; both given as unit deviations."""
    correlations = np.asarray(others) @ returns
    nearest = int(correlations.argmax())
    return nearest, float(correlations[nearest])


def unit_deviations(returns: FloatArray) -> FloatArray:
    """Rows less their mean, scaled to length one, so that a product of rows is a correlation.

    A row without any movement correlates with nothing and becomes zero.
    """
    centred = returns - returns.mean(axis=1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0.0)
