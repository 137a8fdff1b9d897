"""What a score depends on beside the prices and the facts."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite

import numpy as np

from app.quant.factors.cross_section import Composite
from app.quant.factors.registry import REGISTRY
from app.quant.factors.signals import Factor
from app.quant.factors.universe import UniverseRules
from app.quant.panel import FloatArray

FACTORS = ("momentum", "quality", "volatility", "value")
"""The factors of a market's stored scores."""


class ScoreWithin(StrEnum):
    """Whom an ETF is compared with."""

    MARKET = "market"
    ASSET_CLASS = "asset_class"


@dataclass(frozen=True, slots=True, init=False)
class FactorWeights:
    """How much each registered factor counts: any weights >= 0 that are not all 0.

    A factor that is not named has its registered weight. One of weight 0 is not computed.
    """

    weights: tuple[tuple[str, float], ...]

    def __init__(self, **weights: float) -> None:
        if unknown := weights.keys() - REGISTRY.keys():
            raise ValueError(f"no such factor: {', '.join(sorted(unknown))}")
        chosen = tuple((name, weights.get(name, REGISTRY[name].weight)) for name in REGISTRY)
        if not all(isfinite(weight) and weight >= 0 for _, weight in chosen) or not any(
            weight for _, weight in chosen
        ):
            raise ValueError("factor weights must be finite, not negative and not all zero")
        object.__setattr__(self, "weights", chosen)

    def __getitem__(self, name: str) -> float:
        return dict(self.weights)[name]

    @property
    def counted(self) -> tuple[str, ...]:
        """The factors of weight above 0, in the order of the registry."""
        return tuple(name for name, weight in self.weights if weight > 0)

    @property
    def read_distributions(self) -> bool:
        """Whether one of `counted` needs to know what ETFs paid out."""
        return any(REGISTRY[name].reads_distributions for name in self.counted)

    def normalised(self) -> FloatArray:
        """The weights of `counted`, summing to 1."""
        weights = np.array([weight for _, weight in self.weights if weight > 0])
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

    def factors(self, others: Collection[str] = ()) -> dict[str, Factor]:
        """The factors of weight above 0, and `others`, by name in the order of the registry."""
        wanted = {*self.weights.counted, *others}
        return {name: known.make(self) for name, known in REGISTRY.items() if name in wanted}
