"""What a factor is: a small rule that reads a window and answers with z-scores."""

from math import sqrt
from typing import Protocol

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
        """The z-score, higher is better, of each ETF (column) on each session (row) of the window;
        NaN where the factor is unknown.
        """
        ...
