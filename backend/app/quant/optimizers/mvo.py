"""Mean-variance weights that count the cost of getting there (Markowitz, 1952; Boyd et al., 2017).

max μᵀw - (λ/2)·wᵀΣw - penalty·(sigma)ᵀw - κ·c(w - w₀)

with μ = scale·z(composite among the picked), sigma the volatilities, and the expected cost of
trades c(t) = buy ratesᵀ·max(t, 0) + sell ratesᵀ·max(-t, 0).

A name whose current weight lies strictly between its bounds may be bought or sold. For it c has a
kink, and one more variable u ≥ max(w - w₀, 0), what is bought of it: then c = buy·u + sell·(u - w
+ w₀). Every other name can only be bought, or only sold, and its cost is linear already.

Without caps active sets find the weights exactly and need no such variable; the quadratic program
is for caps, and for what active sets cannot do.
"""

from dataclasses import dataclass, replace
from functools import cache
from math import sqrt
from types import ModuleType
from typing import NamedTuple

import numpy as np

from app.quant.optimizers.feasibility import require_feasible
from app.quant.optimizers.problem import Problem
from app.quant.optimizers.qp import QuadraticProgram, solve
from app.quant.optimizers.weights import finish, program
from app.quant.panel import FloatArray, IntArray


@cache
def active_set() -> ModuleType:
    """The compiled solver. Importing numba takes half a second: who optimises pays for it."""
    from app.quant.optimizers import active_set as compiled  # noqa: PLC0415

    return compiled


@dataclass(frozen=True, slots=True)
class MeanVariance:
    risk_aversion: float = 5.0
    volatility_penalty: float = 0.01
    cost_aversion: float = 1.0
    return_scale: float = 0.10

    @property
    def reads_risk(self) -> bool:
        return True

    def solve(self, problem: Problem) -> FloatArray:
        require_feasible(problem)
        if not problem.members:
            weights, found = active_set().minimiser(self._kinked(problem))
            if found:
                return finish(weights, problem)
        return finish(solve(self.program(problem))[: len(problem)], problem)

    def program(self, problem: Problem) -> QuadraticProgram:
        """The quadratic program: the weights first, then what is bought of names with a kink."""
        quadratic = self.risk_aversion * problem.covariance
        return self._with_costs(program(quadratic, self._linear(problem), problem), problem)

    def _linear(self, problem: Problem) -> FloatArray:
        return self.volatility_penalty * problem.sigma - self.expected_returns(problem)

    def _kinked(self, problem: Problem) -> NamedTuple:
        limits = problem.limits
        kinked: NamedTuple = active_set().Kinked(
            quadratic=np.ascontiguousarray(self.risk_aversion * problem.covariance),
            linear=self._linear(problem),
            up=self.cost_aversion * problem.buy_rates,
            down=self.cost_aversion * problem.sell_rates,
            kink=np.ascontiguousarray(problem.current),
            low=limits.min_weight,
            high=limits.max_weight,
            total=limits.invested,
        )
        return kinked

    def expected_returns(self, problem: Problem) -> FloatArray:
        """Composites standardised among the picked (n - 1), scaled; zeros where all are equal."""
        composites, count = problem.composites, len(problem)
        if count < 2 or composites.max() == composites.min():
            return np.zeros(count)
        centred = composites - composites.sum() / count
        return (self.return_scale / sqrt(centred @ centred / (count - 1))) * centred

    def _with_costs(self, plain: QuadraticProgram, problem: Problem) -> QuadraticProgram:
        buys = self.cost_aversion * problem.buy_rates
        sells = self.cost_aversion * problem.sell_rates
        only_bought = problem.current <= plain.low
        linear = plain.linear + np.where(only_bought, buys, -sells)
        either = np.flatnonzero(~only_bought & (problem.current < plain.high))
        costly = either[buys[either] + sells[either] > 0.0]
        whole = replace(plain, linear=linear)
        return _split(whole, costly, buys + sells, problem.current) if len(costly) else whole


def _split(
    plain: QuadraticProgram, names: IntArray, round_trip: FloatArray, current: FloatArray
) -> QuadraticProgram:
    """Add for each of `names` a variable, what is bought of it, at the price of a round trip."""
    size, added = len(plain.linear), len(names)
    quadratic = np.zeros((size + added, size + added))
    quadratic[:size, :size] = plain.quadratic
    bought = np.hstack([np.eye(size)[names], -np.eye(added)])
    return QuadraticProgram(
        quadratic,
        np.concatenate([plain.linear, round_trip[names]]),
        equal=np.hstack([plain.equal, np.zeros((1, added))]),
        equal_to=plain.equal_to,
        below=np.vstack([np.hstack([plain.below, np.zeros((len(plain.below), added))]), bought]),
        below_at=np.concatenate([plain.below_at, current[names]]),
        low=np.concatenate([plain.low, np.zeros(added)]),
        high=np.concatenate([plain.high, plain.high[names]]),
    )
