"""Why a book did otherwise than a benchmark: which classes it held, and what it held in them.

Brinson and Fachler, "Measuring non-US equity portfolio performance" (1985), with the interaction of
Brinson, Hood and Beebower (1986) told apart. With weights w and returns r of a class in the book
(p) and in the benchmark (b), and the benchmark's return R_b:

    allocation  = (w_p - w_b) (r_b - R_b)
    selection   = w_b (r_p - r_b)
    interaction = (w_p - w_b) (r_p - r_b)

A class that the benchmark does not hold has the book's own return for r_b, and one that the book
does not hold the benchmark's for r_p: being in it or out of it is allocation. Days are linked by
Carino's factors of the difference (`linking`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.attribution.linking import link, total_return
from app.quant.book_over_time import BookOverTime
from app.quant.panel import FloatArray, IntArray

CASH = "cash"


@dataclass(frozen=True, slots=True)
class Effects:
    """Each [T, J]: days and classes."""

    allocation: FloatArray
    selection: FloatArray
    interaction: FloatArray


@dataclass(frozen=True, slots=True)
class ClassEffect:
    """The linked effects of one class; its weights are means over the sessions."""

    name: str
    weight: float
    benchmark_weight: float
    allocation: float
    selection: float
    interaction: float


@dataclass(frozen=True, slots=True)
class ClassAttribution:
    """The effects of all classes, `trading`, `interest` and `costs` add up to `active`, which is
    `total` less `benchmark`.

    `trading` is what the book's ETFs made beyond weights times returns of the close before: trades
    within a session, and payments on another day than prices say. `interest` includes rounding.
    """

    classes: tuple[ClassEffect, ...]
    trading: float
    interest: float
    costs: float
    total: float
    benchmark: float
    active: float


def effects(
    weights: FloatArray, returns: FloatArray, benchmark: tuple[FloatArray, FloatArray]
) -> Effects:
    """Of each day and class, [T, J] all; `benchmark` are its weights and returns.

    What a class without weight returns is not read.
    """
    theirs, their_returns = benchmark
    total = (theirs * np.where(theirs != 0.0, their_returns, 0.0)).sum(axis=1, keepdims=True)
    in_book, in_benchmark = weights != 0.0, theirs != 0.0
    of_benchmark = np.where(in_benchmark, their_returns, np.where(in_book, returns, total))
    of_book = np.where(in_book, returns, of_benchmark)
    return Effects(
        allocation=(weights - theirs) * (of_benchmark - total),
        selection=theirs * (of_book - of_benchmark),
        interaction=(weights - theirs) * (of_book - of_benchmark),
    )


@dataclass(frozen=True, slots=True)
class Blend:
    """The benchmark's M ETFs: constant weights that sum to 1, [T, M] returns, and their classes."""

    weights: FloatArray
    returns: FloatArray
    classes: Sequence[str]


def by_class(
    book: BookOverTime, returns: FloatArray, classes: Sequence[str], benchmark: Blend
) -> ClassAttribution:
    """Split a book's difference to a benchmark, whose weights are restored every session.

    `book` is without gaps; `returns` [T, N] and `classes` are those of its ETFs, a return of NaN
    standing still. Raises QuantError where a day cannot be linked.
    """
    names = sorted({*classes, *benchmark.classes})
    mine = _places(names, classes)
    theirs = _places(names, benchmark.classes)
    sessions = len(book)
    held = book.weights * np.where(np.isfinite(returns), returns, 0.0)
    weights, earned = _grouped(book.weights, mine, len(names)), _grouped(held, mine, len(names))
    of_blend = np.tile(benchmark.weights, (sessions, 1))
    their_weights = _grouped(of_blend, theirs, len(names))
    their_earned = _grouped(of_blend * benchmark.returns, theirs, len(names))
    # Cash is a class that earns nothing: its interest stands for itself.
    weights, their_weights = (
        np.column_stack((weights, book.cash_weights)),
        np.column_stack((their_weights, np.zeros(sessions))),
    )
    found = effects(
        weights,
        _over(np.column_stack((earned, np.zeros(sessions))), weights),
        (their_weights, _over(np.column_stack((their_earned, np.zeros(sessions))), their_weights)),
    )
    trading = book.contributions.sum(axis=1) - held.sum(axis=1)
    rest = np.column_stack((trading, book.cash, -book.costs))
    return _linked(book, (*names, CASH), (weights, their_weights), (found, rest, their_earned))


def _linked(
    book: BookOverTime,
    names: tuple[str, ...],
    weights: tuple[FloatArray, FloatArray],
    daily: tuple[Effects, FloatArray, FloatArray],
) -> ClassAttribution:
    found, rest, their_earned = daily
    benchmark = their_earned.sum(axis=1)
    parts = np.column_stack((found.allocation, found.selection, found.interaction, rest))
    linked = link(parts, book.returns, benchmark)
    of_classes = linked[:-3].reshape(3, len(names))
    means = [each.mean(axis=0) for each in weights]
    total, other = total_return(book.returns), total_return(benchmark)
    return ClassAttribution(
        classes=tuple(
            ClassEffect(name, *(float(each) for each in numbers))
            for name, *numbers in zip(names, *means, *of_classes, strict=True)
        ),
        trading=float(linked[-3]),
        interest=float(linked[-2]),
        costs=float(linked[-1]),
        total=total,
        benchmark=other,
        active=total - other,
    )


def _places(names: Sequence[str], classes: Sequence[str]) -> IntArray:
    return np.array([names.index(each) for each in classes], np.int64)


def _grouped(values: FloatArray, places: IntArray, count: int) -> FloatArray:
    """Columns summed by the class that each belongs to."""
    found = np.zeros((len(values), count))
    np.add.at(found.T, places, values.T)
    return found


def _over(earned: FloatArray, weights: FloatArray) -> FloatArray:
    """The return of each class, 0 for one without weight."""
    has = weights != 0.0
    return np.where(has, earned / np.where(has, weights, 1.0), 0.0)
