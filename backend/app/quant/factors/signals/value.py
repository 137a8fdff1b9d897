"""Value of a fund: what it costs, and how closely it follows its benchmark."""

from dataclasses import dataclass

import numpy as np

from app.quant.factors.cross_section import CrossSection
from app.quant.factors.history import Window
from app.quant.factors.signals.factor import YEAR
from app.quant.panel import FloatArray


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
        cheap = compare.z(-window.expense_ratios())
        if not self.tracking:
            return cheap
        close = compare.z(-YEAR * window.tracking_errors(self.lookback))
        blend = self.expense_weight * cheap + self.tracking_weight * close
        return np.where(np.isnan(close), cheap, blend)
