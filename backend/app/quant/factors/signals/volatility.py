"""Low volatility: the calm earn more than their risk deserves."""

from dataclasses import dataclass

from app.quant.factors.cross_section import CrossSection
from app.quant.factors.history import Window
from app.quant.factors.signals.factor import YEAR
from app.quant.panel import FloatArray


@dataclass(frozen=True, slots=True)
class LowVolatility:
    """Minus the annualised deviation of the last `lookback` returns.

    Ang, Hodrick, Xing and Zhang (2006).
    """

    lookback: int = 60

    @property
    def window(self) -> int:
        return self.lookback + 1

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        _, deviation = window.moments(self.lookback)
        return compare.z(-YEAR * deviation)
