"""Several factors at once: what one adds to the others, how alike they are, how they work together.

Regressions of each session's forward returns on the z-scores of that session (Fama and MacBeth,
1973): the coefficient of a factor is the return of one standard deviation more of it, all others
equal, and its mean over the sessions has the error of `averages`. Double sorts: first into thirds
by another factor, then within each third by the factor itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray
from app.quant.research.averages import Average, average
from app.quant.research.forward import Forward
from app.quant.research.signals import Arranged, Signals, kernels

COLLINEAR = 1e-8
"""A session whose factors' correlation matrix has an eigenvalue below this has no coefficients."""
PER_FACTOR = 3
"""A session has coefficients where it has so many ETFs for each of them, the intercept included."""
THIRDS = 3


@dataclass(frozen=True, slots=True)
class Coefficient:
    """Of one factor at one horizon: in a regression `alone`, and `together` with the others."""

    factor: str
    alone: Average
    together: Average


@dataclass(frozen=True, slots=True)
class Interaction:
    """Mean returns of ETFs in thirds: `cells[i][j]` are in third i of the other factor, and within
    that in third j of the factor, lowest first. `spreads` are the highest less the lowest third of
    the factor within each third of the other, `difference` is that of the highest less that of the
    lowest third."""

    other: str
    cells: tuple[tuple[Measured, ...], ...]
    spreads: tuple[Average, ...]
    difference: Average


@dataclass(frozen=True, slots=True)
class Correlations:
    """Means over sessions of the correlations between z-scores."""

    factors: tuple[str, ...]
    matrix: tuple[tuple[Measured, ...], ...]


def correlations(found: Signals) -> Correlations:
    """The factor first; a composite is none of the others, and stands here with the rest."""
    lines = np.vstack([found.scores, found.beside])
    squares, _, counts = kernels().session_moments(lines, np.zeros(lines.shape[1]), found.starts)
    known = squares[counts > 1]
    means = [
        _finite_mean(each)
        for each in np.moveaxis(_correlated(known), 0, -1).reshape(-1, len(known))
    ]
    size = len(lines)
    rows = tuple(tuple(means[i * size : (i + 1) * size]) for i in range(size))
    return Correlations((found.name, *found.others), rows)


def coefficients(
    found: Signals, after: Forward, which: int, *, joined: bool
) -> tuple[Coefficient, ...]:
    """At horizon number `which`. `joined`: the factor is one of the regressors; a composite, which
    is made of the others, is not."""
    names = (found.name, *found.others) if joined else found.others
    if not names:
        return ()
    z = np.vstack([found.scores, found.beside]) if joined else found.beside
    squares, products, counts = kernels().session_moments(z, after.returns[which], found.starts)
    alone = _alone(squares, products, counts)
    together = _together(squares, products, counts)
    horizon = after.horizons[which]
    return tuple(
        Coefficient(name, average(alone[:, line], horizon), average(together[:, line], horizon))
        for line, name in enumerate(names)
    )


def interactions(
    found: Signals, arranged: Arranged, after: Forward, *, fewest: int
) -> tuple[tuple[Interaction, ...], ...]:
    """With each other factor, by horizon. `arranged`: the whole market as one group."""
    by_other = [
        kernels().doubly_sorted(
            found.scores,
            other,
            after.returns,
            (found.starts, arranged.ordered),
            (THIRDS, max(fewest, THIRDS * THIRDS)),
        )
        for other in found.beside
    ]
    return tuple(
        tuple(
            _interaction(name, cells[which], horizon)
            for name, cells in zip(found.others, by_other, strict=True)
        )
        for which, horizon in enumerate(after.horizons)
    )


def _interaction(other: str, cells: FloatArray, horizon: int) -> Interaction:
    spreads = cells[:, :, -1] - cells[:, :, 0]
    return Interaction(
        other=other,
        cells=tuple(
            tuple(_finite_mean(cells[:, i, j]) for j in range(THIRDS)) for i in range(THIRDS)
        ),
        spreads=tuple(average(spreads[:, third], horizon) for third in range(THIRDS)),
        difference=average(spreads[:, -1] - spreads[:, 0], horizon),
    )


def _correlated(squares: FloatArray) -> FloatArray:
    """Correlation matrices [T, K, K] from sums of products of (1, z); NaN where one is constant."""
    count = squares[:, :1, :1]
    mean = squares[:, 1:, :1] / count
    covariance = squares[:, 1:, 1:] / count - mean * mean.transpose(0, 2, 1)
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    scale = np.sqrt(np.where(variance > COLLINEAR, variance, np.nan))
    found: FloatArray = covariance / (scale[:, :, None] * scale[:, None, :])
    return found


def _alone(squares: FloatArray, products: FloatArray, counts: FloatArray) -> FloatArray:
    """Slopes of regressions on one factor each [T, K]."""
    found = np.full((len(squares), squares.shape[1] - 1), np.nan)
    enough = counts >= 2 * PER_FACTOR
    count = counts[enough][:, None].astype(np.float64)
    sums, own = squares[enough][:, 1:, 0], np.diagonal(squares[enough], axis1=1, axis2=2)[:, 1:]
    total = products[enough][:, :1]
    varied = own - sums * sums / count
    moved = products[enough][:, 1:] - sums * total / count
    found[enough] = np.where(
        varied > COLLINEAR * count, moved / np.where(varied > 0, varied, np.nan), np.nan
    )
    return found


def _together(squares: FloatArray, products: FloatArray, counts: FloatArray) -> FloatArray:
    """Slopes of regressions on all factors [T, K]."""
    lines = squares.shape[1]
    found = np.full((len(squares), lines - 1), np.nan)
    enough = np.flatnonzero(counts >= PER_FACTOR * lines)
    matrices = _correlated(squares[enough])
    whole = np.isfinite(matrices).all(axis=(1, 2))
    enough, matrices = enough[whole], matrices[whole]
    apart = enough[np.linalg.eigvalsh(matrices)[:, 0] > COLLINEAR]
    found[apart] = np.linalg.solve(squares[apart], products[apart][:, :, None])[:, 1:, 0]
    return found


def _finite_mean(values: Sequence[float] | FloatArray) -> Measured:
    known = np.asarray(values)[np.isfinite(values)]
    return float(known.mean()) if len(known) else Missing("no session has enough ETFs")
