"""More weight to better ranks, whatever the scores behind them."""

from dataclasses import dataclass

import numpy as np

from app.quant.optimizers.problem import Problem
from app.quant.optimizers.weights import project
from app.quant.panel import FloatArray


@dataclass(frozen=True, slots=True)
class RankBased:
    """Weights in proportion to N - rank + 1, or halving with every `half_life` ranks.

    Where these leave the bounds or a cap, the nearest weights that keep them.
    """

    half_life: float | None = None

    @property
    def reads_risk(self) -> bool:
        return False

    def solve(self, problem: Problem) -> FloatArray:
        parts = self._parts(problem.ranks.astype(float))
        return project(problem.limits.invested * parts / max(parts.sum(), 1.0), problem)

    def _parts(self, ranks: FloatArray) -> FloatArray:
        if self.half_life is None:
            return len(ranks) - ranks + 1.0
        return np.exp2((1.0 - ranks) / self.half_life)
