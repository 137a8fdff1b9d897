"""How much of a book's return the market and each factor made, and what is left to selection.

A book's exposure to a factor is the sum of its weights times the scores of the close before; to the
market it is the weight of everything that had a score. Exposure times factor return is the part of
that factor. What the book's ETFs earned beyond it is selection: among it all that an ETF without a
score earned, what trading within a session made, and sessions without factor returns. Interest and
rounding are cash. Days are linked by Carino's factors (`linking`), so that the parts add up.
"""

from dataclasses import dataclass

import numpy as np

from app.quant.attribution.factor_returns import FactorReturns
from app.quant.attribution.linking import link, total_return
from app.quant.book_over_time import BookOverTime
from app.quant.factors.factor_history import FactorHistory
from app.quant.panel import DateArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class FactorAttribution:
    """Linked `parts` (one per entry of `names`, the market first), `selection`, `cash` and `costs`
    (not positive) add up to `total`.

    `exposures` [T, K] are those that each session began with, and `unscored` [T] is the weight of
    what was held and had no score, whose return is in `selection`. `unexplained_sessions` had no
    factor returns: all they made is selection. `daily` [T, K + 3] has the parts, selection, cash
    and costs of each session, which add up to its return.
    """

    sessions: DateArray
    names: tuple[str, ...]
    parts: FloatArray
    selection: float
    cash: float
    costs: float
    total: float
    exposures: FloatArray
    unscored: FloatArray
    unexplained_sessions: int
    daily: FloatArray


def by_factor(
    book: BookOverTime, history: FactorHistory, returns: FactorReturns
) -> FactorAttribution:
    """Split the returns of a book without gaps (`BookOverTime.observed`).

    `returns` are those of `history`: entry t of both belongs together. Raises QuantError where a
    day cannot be linked.
    """
    line = _lines(book.sessions, returns.sessions)
    exposures = _exposures(book, history, line)
    earned = np.full(exposures.shape, np.nan)
    earned[line >= 0] = returns.values[line[line >= 0]]
    parts = np.where(np.isnan(earned), 0.0, earned) * exposures
    selection = book.contributions.sum(axis=1) - parts.sum(axis=1)
    daily = np.column_stack((parts, selection, book.cash, -book.costs))
    linked = link(daily, book.returns)
    return FactorAttribution(
        sessions=book.sessions,
        names=returns.names,
        parts=linked[:-3],
        selection=float(linked[-3]),
        cash=float(linked[-2]),
        costs=float(linked[-1]),
        total=total_return(book.returns),
        exposures=exposures,
        unscored=book.weights.sum(axis=1) - exposures[:, 0],
        unexplained_sessions=int(np.count_nonzero(np.isnan(earned[:, 0]))),
        daily=daily,
    )


def _lines(sessions: DateArray, known: DateArray) -> IntArray:
    """Where each session is among the known ones, -1 where it is not."""
    if not len(known):
        return np.full(len(sessions), -1)
    place = np.minimum(np.searchsorted(known, sessions), len(known) - 1)
    return np.where(known[place] == sessions, place, -1)


def _exposures(book: BookOverTime, history: FactorHistory, line: IntArray) -> FloatArray:
    """[T, K]: weights times scores; the scores of line t were made at the close before."""
    exposures = np.zeros((len(line), 1 + len(history.names)))
    column = np.full(len(history.tickers), -1)
    column[book.rows] = np.arange(len(book.rows))
    first, last = _span(line)
    entries = slice(int(history.starts[first]), int(history.starts[last]))
    held = np.flatnonzero(column[history.rows[entries]] >= 0) + entries.start
    scored_line = np.searchsorted(history.starts, held, side="right") - 1
    day_of = np.full(len(history.sessions) + 1, -1)
    day_of[line[line >= 0]] = np.flatnonzero(line >= 0)
    day = day_of[scored_line]
    held, day = held[day >= 0], day[day >= 0]
    weight = book.weights[day, column[history.rows[held]]]
    exposures[:, 0] = np.bincount(day, weight, minlength=len(line))
    for k, z in enumerate(history.z, start=1):
        score = z[held]
        known = np.where(np.isnan(score), 0.0, score)
        exposures[:, k] = np.bincount(day, weight * known, minlength=len(line))
    return exposures


def _span(line: IntArray) -> tuple[int, int]:
    """The first known line, and the one after the last."""
    known = line[line >= 0]
    return (int(known.min()), int(known.max()) + 1) if len(known) else (0, 0)
