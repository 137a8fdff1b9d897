"""Quality of a fund: a steady year."""

from dataclasses import dataclass

import numpy as np

from app.quant.factors.cross_section import CrossSection
from app.quant.factors.history import Window
from app.quant.factors.signals.factor import YEAR
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray


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
