"""The scores whose worth is asked about, session by session, as they were known at its close."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np
import numpy.typing as npt

from app.quant.errors import InsufficientHistory
from app.quant.factors.factor_history import FactorHistory, RowArray
from app.quant.panel import BoolArray, FloatArray, IntArray


@cache
def kernels() -> ModuleType:
    """The compiled functions. Importing numba takes half a second, so only research pays for it."""
    from app.quant.research import kernels as compiled  # noqa: PLC0415

    return compiled


@dataclass(frozen=True, slots=True)
class Signals:
    """The scores of one factor on T sessions, and those of others beside them.

    Entry e of session t, starts[t] <= e < starts[t + 1], is the score of the ETF rows[e] of the
    panel; `columns` are the sessions' places in the panel. `beside` has one line for each of
    `others`, NaN where it is unknown. Every score is known. `classes` numbers the asset class of
    each entry in `class_names`.
    """

    name: str
    others: tuple[str, ...]
    columns: IntArray
    starts: IntArray
    rows: RowArray
    scores: FloatArray
    beside: FloatArray
    classes: IntArray
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def session_of(self) -> IntArray:
        """Of each entry, from 0."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a score history: the factor, whom it is seen beside, and from which of its
    sessions on. `composite` are the composites of its entries, for the factor of that name."""

    name: str
    others: tuple[str, ...]
    first: int
    composite: FloatArray | None = None


def signals(
    history: FactorHistory, columns: IntArray, asset_class: npt.NDArray[np.str_], asked: Question
) -> Signals:
    """`columns` are the places of the history's sessions in the panel, `asset_class` is by ETF.

    Others that are unknown for every ETF are left out. Raises InsufficientHistory where the factor
    itself is, and where no session is left.
    """
    begin = int(history.starts[asked.first]) if asked.first < len(history.starts) else 0
    scores = asked.composite
    if scores is None:
        scores = history.z[int(history.at([asked.name])[0])]
    kept = ~np.isnan(scores[begin:])
    if asked.first >= len(history.sessions) or not kept.any():
        raise InsufficientHistory(
            f"There is no score of {asked.name} in the period. {' '.join(history.notes)}".strip()
        )
    lines = _known_lines(history, asked.others, begin)
    session = np.repeat(np.arange(len(history.sessions)), np.diff(history.starts))[begin:][kept]
    counts = np.bincount(session - asked.first, minlength=len(history.sessions) - asked.first)
    rows = history.rows[begin:][kept]
    names, number = np.unique(asset_class.astype(np.str_), return_inverse=True)
    return Signals(
        name=asked.name,
        others=tuple(history.names[line] for line in lines),
        columns=columns[asked.first :],
        starts=np.append(0, np.cumsum(counts)),
        rows=rows,
        scores=np.ascontiguousarray(scores[begin:][kept]),
        beside=np.ascontiguousarray(history.z[lines, begin:][:, kept]),
        classes=number.astype(np.int64)[rows],
        class_names=tuple(names.tolist()),
    )


def _known_lines(history: FactorHistory, names: Sequence[str], begin: int) -> list[int]:
    lines = history.at(names).tolist()
    return [line for line in lines if not np.isnan(history.z[line, begin:]).all()]


@dataclass(frozen=True, slots=True)
class Arranged:
    """Entries in order: by session, then by group, then by score; see `kernels.ranked`."""

    groups: IntArray
    ordered: IntArray
    counts: IntArray
    ranks: FloatArray
    codes: npt.NDArray[np.int8]
    many: int

    def at(self, quantile: int) -> BoolArray:
        held: BoolArray = self.codes == quantile
        return held


def arrange(found: Signals, groups: IntArray, many: int, *, quantiles: int) -> Arranged:
    """Sort into quantiles within each of `many` groups."""
    asked = (many, quantiles, fewest(quantiles))
    ordered, counts, ranks, codes = kernels().ranked(found.scores, found.starts, groups, asked)
    return Arranged(groups, ordered, counts, ranks, codes, many)


def fewest(quantiles: int) -> int:
    """The fewest ETFs of a session from which a figure is made: two in each quantile."""
    return 2 * quantiles
