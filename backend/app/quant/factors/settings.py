"""What a score depends on beside the prices and the facts."""

from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite

import numpy as np

from app.quant.factors.cross_section import Composite
from app.quant.factors.signals import Factor, LowVolatility, Momentum, Quality, Value
from app.quant.factors.universe import UniverseRules
from app.quant.panel import FloatArray

FACTORS = ("momentum", "quality", "volatility", "value")
"""The order of the factors wherever they are rows of an array."""


class ScoreWithin(StrEnum):
    """Whom an ETF is compared with."""

    MARKET = "market"
    ASSET_CLASS = "asset_class"


@dataclass(frozen=True, slots=True)
class FactorWeights:
    """How much each factor counts: any weights >= 0 that are not all 0."""

    momentum: float = 0.35
    quality: float = 0.30
    volatility: float = 0.20
    value: float = 0.15

    def __post_init__(self) -> None:
        weights = (self.momentum, self.quality, self.volatility, self.value)
        if not all(isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
            raise ValueError("factor weights must be finite, not negative and not all zero")

    def normalised(self) -> FloatArray:
        """In the order of FACTORS, summing to 1."""
        weights = np.array([self.momentum, self.quality, self.volatility, self.value])
        shares: FloatArray = weights / weights.max()
        return shares / shares.sum()


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """The defaults give the market's stored scores; a portfolio may choose otherwise."""

    universe: UniverseRules = field(default_factory=UniverseRules)
    weights: FactorWeights = field(default_factory=FactorWeights)
    composite: Composite = Composite.INTEGRATE
    risk_free: float = 0.04
    clip: tuple[float, float] = (1.0, 99.0)
    score_within: ScoreWithin = ScoreWithin.MARKET
    value_tracking: bool = False

    def __post_init__(self) -> None:
        low, high = self.clip
        if not 0.0 <= low <= high <= 100.0:
            raise ValueError("clip percentiles must be ordered and within 0 to 100")

    def factors(self) -> tuple[Factor, ...]:
        """In the order of FACTORS."""
        quality = Quality(risk_free=self.risk_free)
        return Momentum(), quality, LowVolatility(), Value(tracking=self.value_tracking)
