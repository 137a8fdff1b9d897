"""Carry: what an ETF pays while its price stands still."""

from dataclasses import dataclass

from app.quant.factors.cross_section import CrossSection
from app.quant.factors.history import Window
from app.quant.panel import FloatArray


@dataclass(frozen=True, slots=True)
class Carry:
    """Distributions of the last `lookback` sessions over the traded close.

    A trailing form of carry (Koijen, Moskowitz, Pedersen and Vrugt, 2018). Unknown where
    distributions are: see `Window.yields`.
    """

    lookback: int = 252

    @property
    def window(self) -> int:
        return self.lookback

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        return compare.z(window.yields(self.lookback))
