"""Which sessions a rule set is chosen on, and which it is tried on: index arithmetic only.

Walk forward: choose on the past, try on what follows, move on. Combinatorial purged
cross-validation (López de Prado, "Advances in financial machine learning", 2018, chapters 7 and
12): of N consecutive groups every k are the test once, and the tests join into several whole paths,
so that a result has a distribution and not one history.

A label or a decision made at session t may read up to `horizon` sessions after it. Training on t is
then refused where it overlaps with a test: that is the purge. `embargo` sessions after a test are
refused as well, because what they measure still reflects it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from app.quant.errors import InsufficientHistory
from app.quant.panel import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Window:
    """Sessions (places in the history) to choose on, and those right after to try on."""

    train: range
    test: range


def walk_forward(
    sessions: int,
    *,
    train: int,
    test: int,
    step: int | None = None,
    anchored: bool = False,
    purge: int = 0,
) -> tuple[Window, ...]:
    """Windows over `sessions`: the last `train` sessions, or all since the first if `anchored`.

    `purge` sessions are left out between the two. Tests begin every `step` sessions (`test` if
    None: they join without gap or overlap). The last test ends with the history and may be
    shorter. No embargo is needed: training never follows its test.
    """
    step = test if step is None else step
    if min(train, test, step) < 1 or purge < 0:
        raise ValueError("train, test and step are at least one session, purge is not negative")
    first = train + purge
    if sessions <= first:
        raise InsufficientHistory(f"{sessions} sessions; more than {first} are needed")
    return tuple(
        Window(
            train=range(0 if anchored else begin - first, begin - purge),
            test=range(begin, min(begin + test, sessions)),
        )
        for begin in range(first, sessions, step)
    )


@dataclass(frozen=True, slots=True)
class Fold:
    """One choice of test groups: the sessions to choose on and to try on, ascending."""

    groups: tuple[int, ...]
    train: IntArray
    test: IntArray


@dataclass(frozen=True, slots=True)
class CombinatorialSplits:
    """All C(N, k) folds. `edges` are the N + 1 bounds of the groups; `paths` whole histories come
    out of the tests: each group is tested in so many folds, C(N - 1, k - 1) = k / N of all."""

    sessions: int
    edges: tuple[int, ...]
    folds: tuple[Fold, ...]
    paths: int

    def assemble(self, tested: Sequence[FloatArray]) -> FloatArray:
        """Paths x sessions from one row per fold, as long as the fold's `test` and in its order.

        The j-th fold that tests a group gives that group of path j, so every value is used once.
        """
        if len(tested) != len(self.folds):
            raise ValueError(f"{len(self.folds)} folds, {len(tested)} results")
        joined = np.full((self.paths, self.sessions), np.nan)
        used = dict.fromkeys(range(len(self.edges) - 1), 0)
        for fold, values in zip(self.folds, tested, strict=True):
            if len(values) != len(fold.test):
                raise ValueError(f"a fold tests {len(fold.test)} sessions, not {len(values)}")
            for group in fold.groups:
                begin, end = self.edges[group], self.edges[group + 1]
                first = int(np.searchsorted(fold.test, begin))
                joined[used[group], begin:end] = values[first : first + end - begin]
                used[group] += 1
        return joined


def combinatorial(
    sessions: int, *, groups: int, tested: int, horizon: int = 0, embargo: int = 0
) -> CombinatorialSplits:
    """Every choice of `tested` out of `groups` consecutive groups; sizes differ by at most one.

    Between a ≤ t ≤ b a test, training leaves out a - horizon .. b + horizon + embargo.
    """
    if not 1 <= tested < groups:
        raise ValueError(f"between 1 and {groups - 1} groups are tested, not {tested}")
    if min(horizon, embargo) < 0:
        raise ValueError("horizon and embargo are not negative")
    if sessions < groups:
        raise InsufficientHistory(f"{sessions} sessions for {groups} groups")
    edges = tuple(sessions * g // groups for g in range(groups + 1))
    folds = tuple(
        _fold(chosen, edges, before=horizon, after=horizon + embargo)
        for chosen in combinations(range(groups), tested)
    )
    return CombinatorialSplits(sessions, edges, folds, comb(groups - 1, tested - 1))


def _fold(chosen: tuple[int, ...], edges: tuple[int, ...], *, before: int, after: int) -> Fold:
    test = np.zeros(edges[-1], dtype=bool)
    refused = np.zeros(edges[-1], dtype=bool)
    for group in chosen:
        begin, end = edges[group], edges[group + 1]
        test[begin:end] = True
        refused[max(begin - before, 0) : end + after] = True
    return Fold(chosen, train=np.flatnonzero(~refused), test=np.flatnonzero(test))
