"""The weights a problem allows, and two ways to them: minimise over them, project onto them."""

import numpy as np

from app.quant.errors import SolveFailed
from app.quant.optimizers.feasibility import require_feasible
from app.quant.optimizers.problem import TOLERANCE, Problem
from app.quant.optimizers.qp import MAX_VIOLATION, QuadraticProgram, solve
from app.quant.panel import FloatArray


def project(wanted: FloatArray, problem: Problem) -> FloatArray:
    """`wanted` itself where it meets the limits, else the nearest weights (Euclidean) that do."""
    require_feasible(problem)
    if _violation(wanted, problem) <= TOLERANCE:
        return wanted
    return minimise(np.eye(len(problem)), -wanted, problem)


def minimise(quadratic: FloatArray, linear: FloatArray, problem: Problem) -> FloatArray:
    """Weights with the least ½wᵀPw + qᵀw within the limits."""
    return finish(solve(program(quadratic, linear, problem)), problem)


def program(quadratic: FloatArray, linear: FloatArray, problem: Problem) -> QuadraticProgram:
    require_feasible(problem)
    size, limits = len(problem), problem.limits
    members = problem.members
    return QuadraticProgram(
        quadratic,
        linear,
        equal=np.ones((1, size)),
        equal_to=np.array([limits.invested]),
        below=np.array(list(members.values()), dtype=float).reshape(-1, size),
        below_at=np.array([limits.caps[name] for name in members], dtype=float),
        low=np.full(size, limits.min_weight),
        high=np.full(size, limits.max_weight),
    )


def finish(weights: FloatArray, problem: Problem) -> FloatArray:
    """Make a solver's bounds exact, and spread what that leaves of the sum where there is room.

    Raises SolveFailed where more is left than a solver's accuracy explains.
    """
    limits = problem.limits
    weights = np.where(weights - limits.min_weight < TOLERANCE, limits.min_weight, weights)
    weights = np.where(limits.max_weight - weights < TOLERANCE, limits.max_weight, weights)
    missing = limits.invested - float(weights.sum())
    if abs(missing) > MAX_VIOLATION * len(problem):
        raise SolveFailed(f"weights miss their sum by {missing:.1e}")
    room = _room(weights, problem, upwards=missing > 0.0)
    between = np.where((weights > limits.min_weight) & (weights < limits.max_weight), room, 0.0)
    if float(between.sum()) >= abs(missing):
        room = between
    if total := float(room.sum()):
        weights = weights + max(min(missing / total, 1.0), -1.0) * room
    if (missed := _violation(weights, problem)) > TOLERANCE:
        raise SolveFailed(f"weights miss a limit by {missed:.1e}")
    return weights


def _room(weights: FloatArray, problem: Problem, *, upwards: bool) -> FloatArray:
    """How far each weight can move, its class's cap shared equally by what it could move."""
    if not upwards:
        return weights - problem.limits.min_weight
    room = problem.limits.max_weight - weights
    for name, mask in problem.members.items():
        left = max(problem.limits.caps[name] - float(weights[mask].sum()), 0.0)
        total = float(room[mask].sum())
        if total > left:
            room[mask] *= left / total
    return room


def _violation(weights: FloatArray, problem: Problem) -> float:
    limits = problem.limits
    misses = [
        abs(float(weights.sum()) - limits.invested),
        float(limits.min_weight - weights.min()),
        float(weights.max() - limits.max_weight),
    ]
    misses += [
        float(weights[mask].sum()) - limits.caps[name] for name, mask in problem.members.items()
    ]
    return max(misses)
