"""Reversal: what fell over the past month recovers."""

from dataclasses import dataclass

from app.quant.factors.cross_section import CrossSection
from app.quant.factors.history import Window
from app.quant.panel import FloatArray


@dataclass(frozen=True, slots=True)
class Reversal:
    """Minus the return of the last `lookback` sessions (Jegadeesh, 1990)."""

    lookback: int = 21

    @property
    def window(self) -> int:
        return self.lookback + 1

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        return compare.z(self.raw(window))

    def raw(self, window: Window) -> FloatArray:
        return 1 - window.closes_ago(0) / window.closes_ago(self.lookback)
