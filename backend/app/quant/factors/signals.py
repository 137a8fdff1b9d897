"""The four signals: small rules that read a window and answer with z-scores, higher is better."""

from dataclasses import dataclass
from math import sqrt
from typing import Protocol

import numpy as np

from app.quant.factors.cross_section import CrossSection
from app.quant.factors.history import Window
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray

YEAR = sqrt(SESSIONS_PER_YEAR)
"""What scales a daily deviation to a yearly one."""


class Factor(Protocol):
    """A cross-sectional signal."""

    @property
    def window(self) -> int:
        """How many sessions, the scored one included, one score reads."""
        ...

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        """The z-score of each ETF of the window, NaN where the factor is unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Momentum:
    """Return over the past `lookback` sessions, leaving out the newest `skip`.

    The skip keeps short-term reversal (Jegadeesh, 1990) out of the signal.
    """

    lookback: int = 252
    skip: int = 21

    @property
    def window(self) -> int:
        return self.lookback + 1

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        return compare.z(self.raw(window))

    def raw(self, window: Window) -> FloatArray:
        return window.closes_ago(self.skip) / window.closes_ago(self.lookback) - 1


@dataclass(frozen=True, slots=True)
class Quality:
    """Steadiness of the past `lookback` returns: Sharpe ratio, shallow falls, low volatility.

    `risk_free` is the yearly rate. An ETF that did not move has no Sharpe ratio.
    """

    risk_free: float = 0.04
    lookback: int = 252
    sharpe_weight: float = 0.40
    drawdown_weight: float = 0.30
    volatility_weight: float = 0.30

    @property
    def window(self) -> int:
        return self.lookback + 1

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        mean, deviation = window.moments(self.lookback)
        volatility = YEAR * np.where(deviation > 0, deviation, np.nan)
        sharpe = (SESSIONS_PER_YEAR * mean - self.risk_free) / volatility
        return compare.standardise(
            self.sharpe_weight * compare.z(sharpe)
            + self.drawdown_weight * compare.z(window.drawdowns(self.lookback + 1))
            + self.volatility_weight * compare.z(-YEAR * deviation)
        )


@dataclass(frozen=True, slots=True)
class LowVolatility:
    """Minus the annualised deviation of the last `lookback` returns."""

    lookback: int = 60

    @property
    def window(self) -> int:
        return self.lookback + 1

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        _, deviation = window.moments(self.lookback)
        return compare.z(-YEAR * deviation)


@dataclass(frozen=True, slots=True)
class Value:
    """Cheapness of a fund of securities: minus its expense ratio.

    With `tracking`, an ETF whose benchmark is known is judged on its tracking error over
    `lookback` returns as well; one without keeps the z-score of its expense ratio. The blend is
    not standardised again.
    """

    tracking: bool = False
    lookback: int = 252
    expense_weight: float = 0.60
    tracking_weight: float = 0.40

    @property
    def window(self) -> int:
        return self.lookback + 1 if self.tracking else 1

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        cheap = compare.z(-window.expense_ratio)
        if not self.tracking:
            return cheap
        close = compare.z(-YEAR * window.tracking_errors(self.lookback))
        blend = self.expense_weight * cheap + self.tracking_weight * close
        return np.where(np.isnan(close), cheap, blend)
