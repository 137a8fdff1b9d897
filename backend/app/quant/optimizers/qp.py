"""Convex quadratic programs: piqp first, clarabel where it fails, and no answer unchecked."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import piqp

from app.quant.errors import SolveFailed
from app.quant.panel import FloatArray

ACCURACY = 1e-11
MAX_VIOLATION = 1e-8
"""A solution that misses a constraint by more is refused, whatever its solver says."""


@dataclass(frozen=True, slots=True)
class QuadraticProgram:
    """min ½xᵀPx + qᵀx subject to Ax = b, Gx ≤ h, low ≤ x ≤ high. P is symmetric, semidefinite."""

    quadratic: FloatArray
    linear: FloatArray
    equal: FloatArray
    equal_to: FloatArray
    below: FloatArray
    below_at: FloatArray
    low: FloatArray
    high: FloatArray

    def violation(self, x: FloatArray) -> float:
        """The largest amount by which `x` misses a constraint; infinite where x is not finite."""
        if not np.isfinite(x).all():
            return float("inf")
        misses = (
            np.abs(self.equal @ x - self.equal_to),
            self.below @ x - self.below_at,
            self.low - x,
            x - self.high,
        )
        return max(float(miss.max(initial=0.0)) for miss in misses)


Solver = Callable[[QuadraticProgram], tuple[FloatArray | None, str]]


def solve(program: QuadraticProgram) -> FloatArray:
    """The minimiser, its variables within their bounds.

    Raises SolveFailed naming what each solver said when none has a solution that holds.
    """
    said = []
    for name, solver in SOLVERS.items():
        x, status = solver(program)
        if x is not None:
            missed = program.violation(x)
            if missed <= MAX_VIOLATION:
                return np.clip(x, program.low, program.high)
            status = f"solved, but misses a constraint by {missed:.1e}"
        said.append(f"{name}: {status}")
    raise SolveFailed("no solver found weights that satisfy the limits; " + ", ".join(said))


def with_piqp(program: QuadraticProgram) -> tuple[FloatArray | None, str]:
    solver = piqp.DenseSolver()
    settings = solver.settings
    settings.eps_abs = settings.eps_rel = ACCURACY
    settings.eps_duality_gap_abs = settings.eps_duality_gap_rel = ACCURACY
    rows = len(program.below)
    solver.setup(
        np.asfortranarray(program.quadratic),
        program.linear,
        np.asfortranarray(program.equal),
        program.equal_to,
        np.asfortranarray(program.below) if rows else None,
        None,
        program.below_at if rows else None,
        program.low,
        program.high,
    )
    status = solver.solve()
    return (np.array(solver.result.x) if status == piqp.PIQP_SOLVED else None), str(status)


def with_clarabel(program: QuadraticProgram) -> tuple[FloatArray | None, str]:
    # clarabel takes scipy's sparse matrices only; loading them takes longer than a hundred solves.
    import clarabel  # noqa: PLC0415
    from scipy import sparse  # noqa: PLC0415

    size = len(program.linear)
    bounded = np.isfinite(program.low), np.isfinite(program.high)
    identity = np.eye(size)
    stacked = (program.equal, program.below, -identity[bounded[0]], identity[bounded[1]])
    limits = (
        program.equal_to,
        program.below_at,
        -program.low[bounded[0]],
        program.high[bounded[1]],
    )
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = ACCURACY
    cones = [
        clarabel.ZeroConeT(len(program.equal_to)),
        clarabel.NonnegativeConeT(sum(len(limit) for limit in limits[1:])),
    ]
    solution = clarabel.DefaultSolver(
        sparse.csc_matrix(np.triu(program.quadratic)),
        program.linear,
        sparse.csc_matrix(np.vstack(stacked)),
        np.concatenate(limits),
        cones,
        settings,
    ).solve()
    solved = solution.status == clarabel.SolverStatus.Solved
    return (np.array(solution.x) if solved else None), str(solution.status)


SOLVERS: dict[str, Solver] = {"piqp": with_piqp, "clarabel": with_clarabel}
