"""A market as a simulation meets it: prices to trade at beside those to decide from, and events."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.quant.factors.factor_history import RowArray
from app.quant.factors.score_history import ScoreHistory
from app.quant.panel import FloatArray, IntArray, Panel

NEVER = np.iinfo(np.int64).max


class EventKind(StrEnum):
    """In the order in which the events of one session happen."""

    SPLIT = "split"
    DIVIDEND = "dividend"
    CLOSURE = "closure"


@dataclass(frozen=True, slots=True)
class Event:
    """What an ETF did to its holders in a session: `column` and `row` of the panel.

    `ratio` is new shares per old one of a split; `amount` the dividend per share of that day, or
    what a closure pays per share, None for the last price. A dividend is paid in column `paid`.
    """

    kind: EventKind
    row: int
    column: int
    ratio: Fraction = Fraction(1)
    amount: Decimal | None = None
    paid: int = 0


@dataclass(frozen=True, slots=True)
class Tape:
    """`opens` are aligned with the panel, NaN where there is no bar.

    `vix` has the last known close per session of the panel, NaN before the first, and `vix_age`
    how many sessions old it was then. `classes` numbers each ETF's asset class in `class_names`.
    `closed` is the first column in which an ETF is not there any more, NEVER for one that is.
    `splits` are the columns and rows of all splits, also where prices are adjusted for them;
    `events` only what changes a book, in the order in which it happens.
    """

    panel: Panel
    opens: FloatArray
    vix: FloatArray
    vix_age: IntArray
    classes: IntArray
    class_names: tuple[str, ...]
    closed: IntArray
    splits: frozenset[tuple[int, int]] = frozenset()
    events: tuple[Event, ...] = ()

    @property
    def arrays(self) -> "MarketArrays":
        """What compiled code reads; read-only, so that it is compiled once."""
        return MarketArrays(
            *(
                _read_only(array)
                for array in (
                    self.panel.close,
                    self.opens,
                    self.panel.adjusted,
                    self.panel.volume,
                    self.closed,
                    self.classes,
                )
            )
        )


class MarketArrays(NamedTuple):
    close: FloatArray
    opens: FloatArray
    adjusted: FloatArray
    volume: FloatArray
    closed: IntArray
    classes: IntArray


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """The scores a simulation decides by: one line per scored session.

    `composite` is (line, ETF), NaN without a score; `order` the rows of the panel best first, -1
    after the last; `line_of` gives each column of the panel its line, -1 where it is not scored.
    """

    composite: FloatArray
    order: RowArray
    line_of: IntArray

    @classmethod
    def of(cls, history: ScoreHistory, panel: Panel) -> "ScoreTable":
        line_of = np.full(len(panel), -1)
        line_of[np.searchsorted(panel.sessions, history.sessions)] = np.arange(
            len(history.sessions)
        )
        return cls(history.composite, history.order, line_of)

    @property
    def arrays(self) -> "ScoreArrays":
        return ScoreArrays(
            _read_only(self.composite), _read_only(self.order), _read_only(self.line_of)
        )


class ScoreArrays(NamedTuple):
    composite: FloatArray
    order: RowArray
    line_of: IntArray


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
