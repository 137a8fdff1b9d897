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

    def percentile_ranks(self, values: FloatArray) -> FloatArray:
        """Rank / count in (0, 1], 1 = highest; equal values share their average rank."""
        found = np.full(values.shape, np.nan)
        self._rank(values, found, logarithms=False)
        return found

    def log_ranks(self, values: FloatArray, found: FloatArray) -> None:
        """Put the logarithms of percentile ranks into `found` where there is a value."""
        self._rank(values, found, logarithms=True)

    def _standardised(self, values: FloatArray, clip: tuple[float, float]) -> FloatArray:
        rows, inside, groups = self._by_row(values)
        z: FloatArray = kernels().standardised(rows, inside, groups, clip)
        return z.reshape(values.shape)

    def _rank(self, values: FloatArray, found: FloatArray, *, logarithms: bool) -> None:
        rows, inside, groups = self._by_row(values)
        kernels().percentile_ranks(rows, inside, groups, np.atleast_2d(found), logarithms)

    def _by_row(
        self, values: FloatArray
    ) -> tuple[FloatArray, BoolArray, tuple[IntArray, IntArray]]:
        rows = np.ascontiguousarray(np.atleast_2d(values), dtype=np.float64)
        inside = np.ones(rows.shape, np.bool_) if self.inside is None else self.inside
        etfs = rows.shape[1]
        if self.groups is None:
            return rows, inside, (np.arange(etfs), np.array([0, etfs]))
        members = np.argsort(self.groups, kind="stable")
        starts = np.flatnonzero(np.diff(self.groups[members], prepend=-1, append=-1))
        return rows, inside, (members, starts)
