"""How raw numbers of many ETFs on one date become comparable: clip, standardise, rank, combine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.quant.panel import BoolArray, FloatArray, IntArray

NEUTRAL_RANK = 0.5
"""The percentile rank of an ETF in a factor that says nothing about it."""

ROUNDING = 1e-12
"""Values closer together than this, relative to their size, differ by rounding only."""


@dataclass(frozen=True, slots=True)
class CrossSection:
    """The rules of comparison on one date.

    `clip` are the percentiles (0 to 100, linear interpolation) beyond which a raw value counts as
    the value at the percentile. `groups` numbers the group of each ETF, which is then compared
    with its group alone; None compares all with all.

    NaN stays NaN and enters no statistic. Fewer than two known values, or values that are all
    equal, have no z-score: NaN for all.
    """

    clip: tuple[float, float] = (1.0, 99.0)
    groups: IntArray | None = None

    def z(self, values: FloatArray) -> FloatArray:
        """Clipped, then (x - mean) / std with n - 1."""
        return self._by_group(lambda part: _standardised(_clipped(part, self.clip)), values)

    def standardise(self, values: FloatArray) -> FloatArray:
        """(x - mean) / std with n - 1, nothing clipped."""
        return self._by_group(_standardised, values)

    def percentile_ranks(self, values: FloatArray) -> FloatArray:
        """Rank / count in (0, 1], 1 = highest; equal values share their average rank."""
        return self._by_group(_percentile_ranks, values)

    def _by_group(self, rule: Callable[[FloatArray], FloatArray], values: FloatArray) -> FloatArray:
        result = np.full(len(values), np.nan)
        known = ~np.isnan(values)
        for part in self._parts(known):
            if not part.any():
                continue
            result[part] = rule(values[part].astype(np.float64))
        return result

    def _parts(self, known: BoolArray) -> Iterator[BoolArray]:
        if self.groups is None:
            yield known
        else:
            yield from (known & (self.groups == group) for group in np.unique(self.groups))


def _clipped(values: FloatArray, percentiles: tuple[float, float]) -> FloatArray:
    ordered = np.sort(values)
    low, high = (_percentile(ordered, percentile) for percentile in percentiles)
    return np.minimum(np.maximum(values, low), high)


def _percentile(ordered: FloatArray, percentile: float) -> float:
    position = (len(ordered) - 1) * percentile / 100.0
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (position - below) * (ordered[above] - ordered[below]))


def _standardised(values: FloatArray) -> FloatArray:
    if np.ptp(values) <= ROUNDING * np.abs(values).max():
        return np.full(len(values), np.nan)
    apart = values - values.mean()
    return apart / np.sqrt((apart @ apart) / (len(values) - 1))


def _percentile_ranks(values: FloatArray) -> FloatArray:
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    sizes = np.diff(np.append(first, len(values)))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(first + (sizes + 1) / 2.0, sizes)
    return ranks / len(values)


class Composite(StrEnum):
    """How the factors of an ETF become one number."""

    INTEGRATE = "integrate"
    MIX = "mix"


def integrate(z: FloatArray, weights: FloatArray, compare: CrossSection) -> FloatArray:
    """The weighted geometric mean of percentile ranks: a name must be good at everything.

    `z` has one row per factor, `weights` sum to 1. An unknown factor has the rank 0.5.
    """
    ranks = np.stack([compare.percentile_ranks(row) for row in z])
    ranks[np.isnan(ranks)] = NEUTRAL_RANK
    return np.exp(weights @ np.log(ranks))


def mix(z: FloatArray, weights: FloatArray, _compare: CrossSection) -> FloatArray:
    """The weighted mean of z-scores. An unknown factor counts as average, z = 0."""
    return weights @ np.where(np.isnan(z), 0.0, z)


COMPOSITES = {Composite.INTEGRATE: integrate, Composite.MIX: mix}
