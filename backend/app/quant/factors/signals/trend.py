"""Trend: an ETF's own past year against cash, whatever the others did."""

from dataclasses import dataclass

import numpy as np

from app.quant.factors.cross_section import CrossSection
from app.quant.factors.history import Window
from app.quant.factors.signals.factor import YEAR
from app.quant.panel import FloatArray


@dataclass(frozen=True, slots=True)
class Trend:
    """Return over the past `lookback` sessions in excess of cash, over the year's volatility.

    Time-series momentum (Moskowitz, Ooi and Pedersen, 2012). The sign of the excess return is kept:
    whatever fell behind cash ranks below whatever beat it. Their volatility weighs days
    exponentially; here all `lookback` returns weigh the same. `risk_free` is the yearly rate,
    `lookback` a year; an ETF that did not move has no trend.
    """

    risk_free: float = 0.04
    lookback: int = 252

    @property
    def window(self) -> int:
        return self.lookback + 1

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        return compare.z(self.raw(window))

    def raw(self, window: Window) -> FloatArray:
        _, deviation = window.moments(self.lookback)
        growth = window.closes_ago(0) / window.closes_ago(self.lookback)
        return (growth - 1 - self.risk_free) / (YEAR * np.where(deviation > 0, deviation, np.nan))
