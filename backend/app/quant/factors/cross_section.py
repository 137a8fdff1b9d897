"""How raw numbers of many ETFs on one date become comparable: clip, standardise, rank."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.quant.factors.history import kernels
from app.quant.panel import BoolArray, FloatArray, IntArray

NEUTRAL_RANK = 0.5
"""The percentile rank of an ETF in a factor that says nothing about it."""


class Composite(StrEnum):
    """How the factors of an ETF become one number.

    `integrate`: the weighted geometric mean of percentile ranks, so a name must be good at
    everything; an unknown factor has the rank 0.5. `mix`: the weighted mean of z-scores; an unknown
    factor counts as average, z = 0.
    """

    INTEGRATE = "integrate"
    MIX = "mix"


@dataclass(frozen=True, slots=True)
class CrossSection:
    """The rules of comparison on each date.

    Values have one column per ETF and any number of rows, one per date, or are those of one date
    alone. `clip` are the percentiles (0 to 100, linear interpolation) beyond which a raw value
    counts as the value at the percentile. `groups` numbers the group of each ETF, which is then
    compared with its group alone; None compares all with all. `inside`, of the shape of the values,
    marks who is compared at all; None all.

    NaN stays NaN and enters no statistic. Fewer than two known values, or values that are all
    equal, have no z-score: NaN for all.
    """

    clip: tuple[float, float] = (1.0, 99.0)
    groups: IntArray | None = None
    inside: BoolArray | None = None

    def z(self, values: FloatArray) -> FloatArray:
        """Clipped, then (x - mean) / std with n - 1."""
        return self._standardised(values, self.clip)

    def standardise(self, values: FloatArray) -> FloatArray:
        """(x - mean) / std with n - 1, nothing clipped."""
        return self._standardised(values, (0.0, 100.0))

    def _standardised(self, values: FloatArray, clip: tuple[float, float]) -> FloatArray:
        rows = np.ascontiguousarray(np.atleast_2d(values), dtype=np.float64)
        inside = np.ones(rows.shape, np.bool_) if self.inside is None else self.inside
        z: FloatArray = kernels().standardised(rows, inside, self._members(rows.shape[1]), clip)
        return z.reshape(values.shape)

    def _members(self, etfs: int) -> tuple[IntArray, IntArray]:
        """The columns by group, and where each group begins and the last one ends."""
        if self.groups is None:
            return np.arange(etfs), np.array([0, etfs])
        members = np.argsort(self.groups, kind="stable")
        return members, np.flatnonzero(np.diff(self.groups[members], prepend=-1, append=-1))
