"""Momentum: what rose over the past year goes on rising."""

from dataclasses import dataclass

from app.quant.factors.cross_section import CrossSection
from app.quant.factors.history import Window
from app.quant.panel import FloatArray


@dataclass(frozen=True, slots=True)
class Momentum:
    """Return over the past `lookback` sessions, leaving out the newest `skip`.

    Jegadeesh and Titman (1993). The skip keeps short-term reversal (Jegadeesh, 1990) out of the
    signal.
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
