"""What an optimizer is given: the picked names, their risk, and the limits on their weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from app.quant.panel import BoolArray, FloatArray, IntArray

TOLERANCE = 1e-9
"""How far sums and bounds may be missed, as a fraction of the portfolio."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of each weight, the cash kept back, and the most that each class may hold.

    All are fractions of the portfolio. A class without a cap is free.
    """

    min_weight: float = 0.02
    max_weight: float = 0.15
    cash_buffer: float = 0.02
    caps: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fractions = (self.min_weight, self.max_weight, self.cash_buffer, *self.caps.values())
        if not all(0.0 <= fraction <= 1.0 for fraction in fractions):
            raise ValueError(f"limits are fractions from 0 to 1, not {self}")

    @property
    def invested(self) -> float:
        return 1.0 - self.cash_buffer


@dataclass(frozen=True)
class Problem:
    """Weigh `tickers`, listed best first; every array is aligned with them.

    `ranks` count from 1, best first, among the picked. `covariance` (n x n) and `sigma` are
    annualised. `current` are weights held now; `buy_rates` and `sell_rates` the expected cost per
    unit of weight traded. `groups` is the class of each name, the keys of `limits.caps`.
    `complete` says that as many names were found as asked for, so that more could be had.
    """

    tickers: tuple[str, ...]
    composites: FloatArray
    ranks: IntArray
    covariance: FloatArray
    sigma: FloatArray
    current: FloatArray
    buy_rates: FloatArray
    sell_rates: FloatArray
    groups: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)
    complete: bool = True

    def __len__(self) -> int:
        return len(self.tickers)

    @cached_property
    def members(self) -> Mapping[str, BoolArray]:
        """Which names each cap that can bind counts; classes that none of them belongs to: none."""
        if not self.limits.caps:
            return {}
        groups = np.array(self.groups, dtype=object)
        found = {name: groups == name for name in self.limits.caps}
        return {name: mask for name, mask in found.items() if mask.any()}


class Optimizer(Protocol):
    """A rule that turns a problem into weights that satisfy all its limits."""

    @property
    def reads_risk(self) -> bool:
        """Whether weights depend on more than how many names there are, their ranks, and caps."""
        ...

    def solve(self, problem: Problem) -> FloatArray:
        """Weights aligned with the tickers.

        Raises Infeasible where no weights satisfy the limits, SolveFailed where a solver failed.
        """
        ...
