"""Does choosing the best run choose a good one? Combinatorially symmetric cross-validation.

Bailey, Borwein, López de Prado and Zhu, "The probability of backtest overfitting" (2015). The
sessions are cut into S consecutive blocks. For every choice of S/2 of them the run with the best
Sharpe ratio inside is looked up outside: its rank among all runs there, r of N, gives the relative
rank w = r / (N + 1) and the logit ln(w / (1 - w)). The probability of overfitting is the share of
logits that are not above zero: the chosen run is in the lower half of all.

A Sharpe ratio over a set of blocks needs only sums and sums of squares per block, so each choice
costs a row of a matrix product and not a pass over the returns.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from app.quant.evidence.sharpe import yearly
from app.quant.measured import Measured, Missing
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray
from app.quant.statistics import NEGLIGIBLE

BLOCKS = 16
SESSIONS_PER_BLOCK = 10
"""Fewer would make a ratio over a block's few returns a matter of chance."""
CELLS_AT_ONCE = 1 << 18
ROUNDING = 1e-12
"""Ratios this close, relatively, are equal: the same run tried twice."""


MOST_RATIOS = 3_000_000


def affordable(trials: int, blocks: int = BLOCKS) -> int:
    """The blocks that keep the ratios of so many trials on all choices to a second's work."""
    while blocks > 2 and math.comb(blocks, blocks // 2) * trials > MOST_RATIOS:
        blocks -= 2
    return blocks


@dataclass(frozen=True, slots=True)
class Overfitting:
    """What the choice of the best run is worth outside the sessions it was made on.

    `probability` of overfitting (PBO); `loss`, the share of choices whose Sharpe ratio outside is
    below zero; `slope` and `intercept` of the yearly ratio outside on the one inside over all
    choices, with `r_squared` (a slope below zero: the better inside, the worse outside). `trials`
    took part, over `sessions`; `logits` has one entry per combination.
    """

    trials: int
    sessions: int
    blocks: int
    combinations: int
    probability: float
    loss: float
    slope: Measured
    intercept: Measured
    r_squared: Measured
    logits: FloatArray


def cross_validate(
    returns: FloatArray, *, rf: float, blocks: int = BLOCKS
) -> Overfitting | Missing:
    """The probability of overfitting of N rows of T daily returns, all of them known.

    Blocks differ by at most one session. A run that does not vary within some block has no Sharpe
    ratio on every choice and is left out.
    """
    if blocks < 2 or blocks % 2:
        raise ValueError(f"the number of blocks is even, not {blocks}")
    if not np.isfinite(returns).all():
        raise ValueError("every run has a return at every session")
    sessions = returns.shape[1]
    if sessions < blocks * SESSIONS_PER_BLOCK:
        needed = blocks * SESSIONS_PER_BLOCK
        return Missing(f"the trials have {sessions} common sessions; {needed} are needed")
    sums = _BlockSums.of(returns - rf / SESSIONS_PER_YEAR, blocks)
    trials = len(sums.means)
    if trials < 2:
        return Missing("fewer than 2 trials vary throughout the common sessions")
    logits, inside, outside = (
        np.concatenate(parts)
        for parts in zip(
            *(_choices(sums, chosen) for chosen in _halves(blocks, trials)), strict=True
        )
    )
    slope, intercept, r_squared = _line(inside, outside)
    return Overfitting(
        trials=trials,
        sessions=sessions,
        blocks=blocks,
        combinations=len(logits),
        probability=float((logits <= 0.0).mean()),
        loss=float((outside < 0.0).mean()),
        slope=slope,
        intercept=intercept,
        r_squared=r_squared,
        logits=logits,
    )


@dataclass(frozen=True, slots=True)
class _BlockSums:
    """Sums and sums of squares (blocks x runs) of returns about each run's mean `means`."""

    counts: FloatArray
    sums: FloatArray
    squares: FloatArray
    means: FloatArray

    @classmethod
    def of(cls, excess: FloatArray, blocks: int) -> "_BlockSums":
        edges = np.linspace(0, excess.shape[1], blocks + 1).astype(int)
        counts = np.diff(edges).astype(np.float64)[:, None]
        means = excess.mean(axis=1)
        centred = excess - means[:, None]
        sums = np.add.reduceat(centred, edges[:-1], axis=1).T
        squares = np.add.reduceat(centred * centred, edges[:-1], axis=1).T
        spread = np.sqrt(np.maximum(squares / counts - (sums / counts) ** 2, 0.0))
        varying = (spread > NEGLIGIBLE).all(axis=0)
        return cls(counts, sums[:, varying], squares[:, varying], means[varying])

    def sharpes(self, chosen: FloatArray) -> FloatArray:
        """Yearly ratios (choices x runs) over the blocks marked 1 (choices x blocks)."""
        count = chosen @ self.counts
        total = chosen @ self.sums
        variance = (chosen @ self.squares - total * total / count) / (count - 1.0)
        return yearly(1.0) * (self.means + total / count) / np.sqrt(variance)


def _halves(blocks: int, trials: int) -> Iterator[FloatArray]:
    """Every choice of half of the blocks, as rows of 0 and 1, some rows at a time."""
    choices = combinations(range(blocks), blocks // 2)
    at_once = max(CELLS_AT_ONCE // trials, 1)
    while some := list(islice(choices, at_once)):
        chosen = np.zeros((len(some), blocks))
        np.put_along_axis(chosen, np.array(some), 1.0, axis=1)
        yield chosen


def _choices(sums: _BlockSums, chosen: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Logit, ratio inside and ratio outside of the best run inside, for each choice."""
    inside, outside = sums.sharpes(chosen), sums.sharpes(1.0 - chosen)
    best = inside.argmax(axis=1)[:, None]
    achieved = np.take_along_axis(outside, best, axis=1)
    margin = ROUNDING * (1.0 + np.abs(achieved))
    below = np.count_nonzero(outside < achieved - margin, axis=1)
    not_above = np.count_nonzero(outside <= achieved + margin, axis=1)
    # Equal runs share their mean rank; r / (N + 1 - r) is w / (1 - w).
    rank = (below + not_above + 1.0) / 2.0
    logits = np.log(rank / (outside.shape[1] + 1.0 - rank))
    return logits, np.take_along_axis(inside, best, axis=1)[:, 0], achieved[:, 0]


def _line(x: FloatArray, y: FloatArray) -> tuple[Measured, Measured, Measured]:
    """Slope, intercept and R squared of y on x by least squares."""
    apart, away = x - x.mean(), y - y.mean()
    variation, height = float(apart @ apart), float(away @ away)
    if math.sqrt(variation / len(x)) <= NEGLIGIBLE:
        nothing = Missing("the best ratio inside is the same for every choice")
        return nothing, nothing, nothing
    slope = float(apart @ away) / variation
    flat = Missing("the ratio outside is the same for every choice")
    explained: Measured = slope * slope * variation / height if height > 0.0 else flat
    return slope, float(y.mean()) - slope * float(x.mean()), explained
