"""The least risky weights."""

from dataclasses import dataclass

from app.quant.optimizers.problem import Problem
from app.quant.optimizers.weights import minimise
from app.quant.panel import FloatArray


@dataclass(frozen=True, slots=True)
class MinimumVariance:
    """min wᵀΣw + penalty·(sigma)ᵀw: besides variance, a preference for quiet names."""

    volatility_penalty: float = 0.01

    @property
    def reads_risk(self) -> bool:
        return True

    def solve(self, problem: Problem) -> FloatArray:
        linear = self.volatility_penalty * problem.sigma
        return minimise(2.0 * problem.covariance, linear, problem)
