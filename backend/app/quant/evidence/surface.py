"""Is the best setting a plateau or a spike? A sweep's statistic beside that of its neighbours.

Settings that differ by one step should do nearly as well. A peak that stands alone was found by
trying, not by knowing; the middle of a broad plateau is the more credible choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from app.quant.measured import Measured, Missing, ratio
from app.quant.panel import BoolArray, FloatArray, IntArray

ROUNDING = 1e-12
"""Means that differ by less are equal: their sums were added in another order."""

LEAST_KNOWN = 0.5
"""The share of a point's neighbours that must be known before it can be the best plateau."""
NO_NEIGHBOURS = Missing("no neighbour of the peak is known")


@dataclass(frozen=True, slots=True)
class Axis:
    """One setting of a sweep. Values next to each other are neighbours if `ordered`; the values of
    a setting without an order (a name, a switch) are no neighbours of each other."""

    name: str
    values: tuple[object, ...]
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of every axis with its own statistic, and the mean and lowest of itself and its
    known neighbours: `known` of `neighbours`."""

    settings: dict[str, object]
    value: float
    mean: float
    lowest: float
    known: int
    neighbours: int


@dataclass(frozen=True, slots=True)
class Surface:
    """A grid of a statistic, higher is better.

    `mean`, `lowest` (NaN where the point itself is unknown), `known` and `neighbours` have the
    shape of the grid; neighbours are at most one step away on every ordered axis and equal on the
    others, diagonals included, and fewer at an edge. `prominence` is the peak less the mean of its
    neighbours without it, `in_spreads` the same in standard deviations of all known points.
    """

    mean: FloatArray
    lowest: FloatArray
    known: IntArray
    neighbours: IntArray
    peak: Point | Missing
    plateau: Point | Missing
    prominence: Measured
    in_spreads: Measured


def survey(axes: Sequence[Axis], values: FloatArray) -> Surface:
    """The surface of `values`, one dimension per axis; NaN where a run has no such statistic.

    The plateau is the point with the highest mean among those of which at least half of the
    neighbours are known; of equal ones that with the highest value of its own, then the first.
    """
    shape = tuple(len(axis.values) for axis in axes)
    if values.shape != shape:
        raise ValueError(f"the axes span {shape}, the values {values.shape}")
    if prod(shape) == 0 or np.isinf(values).any():
        raise ValueError("every axis has a value, and no statistic is infinite")
    here = np.isfinite(values)
    total, lowest, known, neighbours = _gathered(axes, values, here)
    mean = np.full(shape, np.nan)
    np.divide(total, known + 1, out=mean, where=here)
    grids = _Grids(values, mean, np.where(here, lowest, np.nan), known, neighbours)
    enough = here & (known >= LEAST_KNOWN * neighbours)
    peak = _highest(values, here)
    prominence, in_spreads = _standing_out(grids, peak)
    nothing, sparse = "no point of the grid is known", "too few neighbours of any point are known"
    return Surface(
        mean=mean,
        lowest=grids.lowest,
        known=known,
        neighbours=neighbours,
        peak=_point(axes, grids, peak, nothing),
        plateau=_point(
            axes, grids, _highest(mean, enough, values), sparse if here.any() else nothing
        ),
        prominence=prominence,
        in_spreads=in_spreads,
    )


@dataclass(frozen=True, slots=True)
class _Grids:
    values: FloatArray
    mean: FloatArray
    lowest: FloatArray
    known: IntArray
    neighbours: IntArray


def _gathered(
    axes: Sequence[Axis], values: FloatArray, here: BoolArray
) -> tuple[FloatArray, FloatArray, IntArray, IntArray]:
    """Sum and lowest of each point and its neighbours; how many of these are known, and exist."""
    layers = (
        np.pad(np.where(here, values, 0.0), 1),
        np.pad(np.where(here, values, np.inf), 1, constant_values=np.inf),
        np.pad(here.astype(np.int64), 1),
        np.pad(np.ones(values.shape, np.int64), 1),
    )
    total, lowest = np.zeros(values.shape), np.full(values.shape, np.inf)
    known, exist = np.zeros(values.shape, np.int64), np.zeros(values.shape, np.int64)
    for offset in product(*((-1, 0, 1) if axis.ordered else (0,) for axis in axes)):
        place = tuple(slice(1 + o, 1 + o + n) for o, n in zip(offset, values.shape, strict=True))
        total += layers[0][place]
        lowest = np.minimum(lowest, layers[1][place])
        known += layers[2][place]
        exist += layers[3][place]
    return total, lowest, known - here, exist - 1


def _highest(
    values: FloatArray, among: BoolArray, then: FloatArray | None = None
) -> tuple[int, ...] | None:
    """Where the highest of the values is; `then` decides between equal ones."""
    if not among.any():
        return None
    found = np.where(among, values, -np.inf)
    if then is not None:
        equal = found >= found.max() - ROUNDING
        found = np.where(equal, then, -np.inf)
    flat = int(np.argmax(found))
    return tuple(int(i) for i in np.unravel_index(flat, values.shape))


def _point(
    axes: Sequence[Axis], grids: _Grids, place: tuple[int, ...] | None, otherwise: str
) -> Point | Missing:
    if place is None:
        return Missing(otherwise)
    return Point(
        settings={axis.name: axis.values[i] for axis, i in zip(axes, place, strict=True)},
        value=float(grids.values[place]),
        mean=float(grids.mean[place]),
        lowest=float(grids.lowest[place]),
        known=int(grids.known[place]),
        neighbours=int(grids.neighbours[place]),
    )


def _standing_out(grids: _Grids, peak: tuple[int, ...] | None) -> tuple[Measured, Measured]:
    """The peak above the mean of its neighbours: as it is, and in standard deviations of all."""
    if peak is None or grids.known[peak] == 0:
        return NO_NEIGHBOURS, NO_NEIGHBOURS
    value, known = float(grids.values[peak]), int(grids.known[peak])
    others = (float(grids.mean[peak]) * (known + 1) - value) / known
    spread = float(grids.values[np.isfinite(grids.values)].std(ddof=1))
    height = value - others
    return height, ratio(height, spread, "the statistic is the same at every point")
