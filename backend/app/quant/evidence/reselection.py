"""What a choice by the past is worth: the best of many runs, chosen on some sessions only and then
looked at on others.

Walk forward chooses again before every window. Combinatorial cross-validation (López de Prado,
"Advances in financial machine learning", 2018, chapter 12) chooses on every choice of groups and
joins what was earned outside into whole paths, so that the choice has a distribution of results.

A choice is given the returns of its training sessions and no others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.quant import statistics
from app.quant.evidence.sharpe import yearly
from app.quant.evidence.splits import CombinatorialSplits, Window
from app.quant.measured import Measured, Missing
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray, IntArray

CELLS_AT_ONCE = 1 << 20
NOBODY = Missing("no run has a Sharpe ratio on the training sessions")
TOO_FEW = Missing("fewer than 2 observations")


@dataclass(frozen=True, slots=True)
class Choice:
    """The row with the best yearly Sharpe ratio `inside`, on the training sessions (the first of
    equal ones), and its ratio `outside`, on the tested ones."""

    row: int | Missing
    inside: Measured
    outside: Measured


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """One choice per fold, and the yearly Sharpe ratio of each path [P] that the tests join into,
    `returns` [P, T]; `missing` paths have no ratio."""

    choices: tuple[Choice, ...]
    returns: FloatArray
    sharpes: FloatArray
    mean: Measured
    deviation: Measured
    loss: Measured
    """The share of paths with a ratio below zero."""
    missing: int


def sharpes(rows: FloatArray, rf: float) -> FloatArray:
    """The yearly Sharpe ratio of each of N rows of T daily returns, NaN where it has none.

    A return that is NaN is not an observation; fewer than 2 give no ratio.
    """
    known = np.isfinite(rows)
    whole = known.all(axis=1)
    found = np.full(len(rows), np.nan)
    found[whole] = _of_known(rows[whole], rf)
    for row in np.flatnonzero(~whole):
        found[row] = _of_known(rows[row : row + 1, known[row]], rf)[0]
    return found


def walked(rows: FloatArray, windows: Sequence[Window], *, rf: float) -> tuple[Choice, ...]:
    """The choice before each window, from N rows of T daily returns."""
    return tuple(
        _choice(rows, np.asarray(window.train), np.asarray(window.test), rf) for window in windows
    )


def cross_validated(
    rows: FloatArray,
    splits: CombinatorialSplits,
    *,
    rf: float,
    tell: Callable[[int, int], None] = lambda _done, _of: None,
) -> CrossValidation:
    """The choices on all folds of N rows of T daily returns, and the paths they join into.

    A fold on which nothing can be chosen leaves its part of a path without returns. `tell` is
    told how many folds are done, of how many.
    """
    choices, tested = [], []
    for done, fold in enumerate(splits.folds):
        tell(done, len(splits.folds))
        choice = _choice(rows, fold.train, fold.test, rf)
        nothing = np.full(len(fold.test), np.nan)
        tested.append(nothing if isinstance(choice.row, Missing) else rows[choice.row, fold.test])
        choices.append(choice)
    paths = splits.assemble(tested)
    ratios = sharpes(paths, rf)
    known = ratios[np.isfinite(ratios)]
    nothing_known = Missing("no path has a Sharpe ratio")
    return CrossValidation(
        choices=tuple(choices),
        returns=paths,
        sharpes=ratios,
        mean=float(known.mean()) if len(known) else nothing_known,
        deviation=float(known.std(ddof=1)) if len(known) > 1 else Missing("there is one path"),
        loss=float((known < 0.0).mean()) if len(known) else nothing_known,
        missing=len(ratios) - len(known),
    )


def _choice(rows: FloatArray, train: IntArray, test: IntArray, rf: float) -> Choice:
    at_once = max(CELLS_AT_ONCE // max(len(train), 1), 1)
    inside = np.concatenate(
        [sharpes(rows[i : i + at_once, train], rf) for i in range(0, len(rows), at_once)]
    )
    if not np.isfinite(inside).any():
        return Choice(NOBODY, NOBODY, NOBODY)
    row = int(np.nanargmax(inside))
    outside = float(sharpes(rows[row : row + 1, test], rf)[0])
    return Choice(
        row, float(inside[row]), outside if np.isfinite(outside) else _reason(rows[row, test])
    )


def _of_known(rows: FloatArray, rf: float) -> FloatArray:
    """`statistics.sharpe` of each row; a row's answer does not depend on the others."""
    found = np.full(len(rows), np.nan)
    if rows.shape[1] > 1:
        each = np.ascontiguousarray(rows)
        spread = each.std(axis=1, ddof=1)
        excess = each.mean(axis=1) - rf / SESSIONS_PER_YEAR
        np.divide(excess, spread, out=found, where=spread > statistics.NEGLIGIBLE)
    return yearly(1.0) * found


def _reason(returns: FloatArray) -> Missing:
    enough = np.count_nonzero(np.isfinite(returns)) > 1
    return Missing(statistics.NO_SPREAD) if enough else TOO_FEW
