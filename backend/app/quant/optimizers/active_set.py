"""Weights with a sum, bounds and a cost of moving from where they are, by active sets, compiled.

Importing this module imports numba, so only `mvo.active_set` does it, when first called.

min ½xᵀPx + qᵀx + Σᵢ upᵢ·max(xᵢ - kinkᵢ, 0) + downᵢ·max(kinkᵢ - xᵢ, 0), Σx = total, low ≤ x ≤ high

Each variable rests at one of its breakpoints (low, kink, high) or is free between two of them,
where its cost is linear. Moving the free ones to the minimum that they have with the others at rest
solves linear equations; one that meets a breakpoint on the way rests there. At that minimum all
free ones have the same slope, and who gains most by leaving its breakpoint against that slope is
freed next. When nobody gains, x is the minimiser: the problem is convex (Nocedal and Wright,
"Numerical Optimization", 2006, section 16.5).
"""

from typing import NamedTuple

import numpy as np

from app.quant.compiled import exactly
from app.quant.panel import BoolArray, FloatArray

GAIN = 1e-13
"""Slopes that differ by less are equal: rounding."""

ROUNDS_PER_VARIABLE = 10


class Kinked(NamedTuple):
    """The problem above; `total` lies between the sums of `low` and `high`."""

    quadratic: FloatArray
    linear: FloatArray
    up: FloatArray
    down: FloatArray
    kink: FloatArray
    low: float
    high: float
    total: float


@exactly
def minimiser(problem: Kinked) -> tuple[FloatArray, bool]:
    """The weights, and whether nothing is left to gain; not so where rounding or a quadratic that
    is not positive definite stood in the way."""
    size = len(problem.linear)
    x, free = np.minimum(np.maximum(problem.kink, problem.low), problem.high), np.zeros(
        size, np.bool_
    )
    above = np.zeros(size, np.bool_)
    _reach_total(problem, x, free, above)
    for _ in range(ROUNDS_PER_VARIABLE * size):
        move = _to_minimum(problem, x, free, above)
        if np.isnan(move).any():
            return x, False
        if not _step(problem, x, free, above, move) and not _release(problem, x, free, above):
            return x, True
    return x, False


@exactly
def _slopes(problem: Kinked, x: FloatArray) -> FloatArray:
    """Of everything but the kinks."""
    found = problem.linear.copy()
    for i in range(len(x)):
        for j in range(len(x)):
            found[i] += problem.quadratic[i, j] * x[j]
    return found


@exactly
def _rising(problem: Kinked, i: int, x: float) -> float:
    """The slope of its kink to the right of x."""
    if x >= problem.high:
        return np.inf
    return problem.up[i] if x >= problem.kink[i] else -problem.down[i]


@exactly
def _falling(problem: Kinked, i: int, x: float) -> float:
    """To the left."""
    if x <= problem.low:
        return -np.inf
    return problem.up[i] if x > problem.kink[i] else -problem.down[i]


@exactly
def _ends(problem: Kinked, i: int, above: np.bool_) -> tuple[float, float]:
    """The breakpoints of the piece above the kink, or below it."""
    kink = min(max(problem.kink[i], problem.low), problem.high)
    return (kink, problem.high) if above else (problem.low, kink)


@exactly
def _reach_total(problem: Kinked, x: FloatArray, free: BoolArray, above: BoolArray) -> None:
    """Move who gains most, or loses least, from breakpoint to breakpoint until the sum is right."""
    missing = problem.total - x.sum()
    slopes = _slopes(problem, x)
    while missing != 0.0:
        best, least = -1, np.inf
        for i in range(len(x)):
            rising = slopes[i] + _rising(problem, i, x[i])
            falling = -(slopes[i] + _falling(problem, i, x[i]))
            cost = rising if missing > 0.0 else falling
            if cost < least:
                best, least = i, cost
        if best < 0:
            return
        kink = problem.kink[best]
        above[best] = x[best] >= kink if missing > 0.0 else x[best] > kink
        low, high = _ends(problem, best, above[best])
        room = high - x[best] if missing > 0.0 else low - x[best]
        if abs(room) > abs(missing):
            x[best] += missing
            free[best] = True
            return
        x[best] = high if missing > 0.0 else low
        missing -= room


@exactly
def _to_minimum(problem: Kinked, x: FloatArray, free: BoolArray, above: BoolArray) -> FloatArray:
    """How far the free ones are from where they are best; NaN where no Cholesky factor exists."""
    names = np.flatnonzero(free)
    size = len(names)
    slopes, factor = _slopes(problem, x), np.empty((size, size))
    gains, ones = np.empty(size), np.ones(size)
    for i in range(size):
        name = names[i]
        gains[i] = -slopes[name] - (problem.up[name] if above[name] else -problem.down[name])
        for j in range(i + 1):
            value = problem.quadratic[name, names[j]]
            for k in range(j):
                value -= factor[i, k] * factor[j, k]
            factor[i, j] = value / factor[j, j] if j < i else np.sqrt(value)
    _solve_in_place(factor, gains)
    _solve_in_place(factor, ones)
    return gains - gains.sum() / ones.sum() * ones if size else gains


@exactly
def _solve_in_place(factor: FloatArray, values: FloatArray) -> None:
    size = len(values)
    for i in range(size):
        for k in range(i):
            values[i] -= factor[i, k] * values[k]
        values[i] /= factor[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            values[i] -= factor[k, i] * values[k]
        values[i] /= factor[i, i]


@exactly
def _step(
    problem: Kinked, x: FloatArray, free: BoolArray, above: BoolArray, move: FloatArray
) -> bool:
    """Move the free ones as far as the first breakpoint; whether there was one on the way."""
    names = np.flatnonzero(free)
    part, met, stop = 1.0, -1, 0.0
    for k in range(len(names)):
        name = names[k]
        low, high = _ends(problem, name, above[name])
        end = high if move[k] > 0.0 else low
        if abs(move[k]) * part > abs(end - x[name]):
            part, met, stop = (end - x[name]) / move[k], name, end
    for k in range(len(names)):
        x[names[k]] += part * move[k]
    if met >= 0:
        x[met], free[met] = stop, False
    return met >= 0


@exactly
def _release(problem: Kinked, x: FloatArray, free: BoolArray, above: BoolArray) -> bool:
    """Free who gains most against the common slope; without free ones, the two that gain most
    together. False where nobody gains."""
    slopes = _slopes(problem, x)
    grows, shrinks, least, most, level = -1, -1, np.inf, -np.inf, 0.0
    for i in range(len(x)):
        if free[i]:
            level = slopes[i] + (problem.up[i] if above[i] else -problem.down[i])
            continue
        rising, falling = _rising(problem, i, x[i]), _falling(problem, i, x[i])
        if slopes[i] + rising < least:
            grows, least = i, slopes[i] + rising
        if slopes[i] + falling > most:
            shrinks, most = i, slopes[i] + falling
    alone = not free.any()
    gain = most - least if alone else max(level - least, most - level)
    if gain <= GAIN:
        return False
    if alone or level - least >= most - level:
        free[grows], above[grows] = True, x[grows] >= problem.kink[grows]
    if alone or level - least < most - level:
        free[shrinks], above[shrinks] = True, x[shrinks] > problem.kink[shrinks]
    return True
