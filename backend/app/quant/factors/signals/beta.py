"""Low beta: who may not borrow bids up what moves more than the market."""

from dataclasses import dataclass

from app.quant.factors.cross_section import CrossSection
from app.quant.factors.history import Window
from app.quant.panel import FloatArray


@dataclass(frozen=True, slots=True)
class LowBeta:
    """Minus the beta against the market, shrunk towards 1.

    Betting against beta (Frazzini and Pedersen, 2014): beta = correlation x deviation / deviation
    of the market, deviations over `lookback` daily returns, the correlation of overlapping
    three-session log returns over `correlation_lookback` sessions, of which at least
    `correlation_least` are known (they take five years and at least three); then
    `shrinkage` x beta + (1 - shrinkage). The market is `Window.market`.
    """

    lookback: int = 252
    correlation_lookback: int = 756
    correlation_least: int = 250
    shrinkage: float = 0.6

    @property
    def window(self) -> int:
        return max(self.lookback, self.correlation_lookback + 2) + 1

    def score(self, window: Window, compare: CrossSection) -> FloatArray:
        return compare.z(-self.raw(window))

    def raw(self, window: Window) -> FloatArray:
        correlation = window.market_correlations(self.correlation_lookback, self.correlation_least)
        _, deviation = window.moments(self.lookback)
        beta = correlation * deviation / window.market_deviations(self.lookback)
        return self.shrinkage * beta + (1 - self.shrinkage)
