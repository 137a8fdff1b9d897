"""The same weight for every name."""

from dataclasses import dataclass

import numpy as np

from app.quant.optimizers.problem import Problem
from app.quant.optimizers.weights import project
from app.quant.panel import FloatArray


@dataclass(frozen=True, slots=True)
class Simple:
    """Equal weights; where a cap forbids them, the nearest weights that it allows."""

    @property
    def reads_risk(self) -> bool:
        return False

    def solve(self, problem: Problem) -> FloatArray:
        equal = np.full(len(problem), problem.limits.invested / max(len(problem), 1))
        return project(equal, problem)
