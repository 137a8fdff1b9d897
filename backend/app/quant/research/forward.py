"""What an ETF returned after its score was known.

A score is known at the close of session t. Nothing can be bought at that close any more: the return
of horizon h begins at the price of session t + 1 and ends at that of session t + 1 + h. A session
whose horizon ends after the last session of the data has no return and is counted. An ETF without a
price at session t + 1 cannot be bought and is counted. One whose prices end on the way is held at
its last price, as money that lies idle: leaving it out would keep only those that lived.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.quant.factors.history import kernels as factor_kernels
from app.quant.panel import BoolArray, FloatArray, IntArray, Panel
from app.quant.research.signals import Signals, kernels


class Entry(StrEnum):
    """At which price of the session after the score a return begins, and later ends."""

    NEXT_CLOSE = "next_close"
    NEXT_OPEN = "next_open"


@dataclass(frozen=True, slots=True)
class Forward:
    """Returns [H, entries] after each score, NaN where there is none.

    `enterable` are the entries with a price to enter at; `unfilled` are those without one, though
    the session after theirs is known. `incomplete` [H] counts sessions whose horizon is not over,
    `ended` [H] the entries whose ETF has no more prices before it is.
    """

    horizons: tuple[int, ...]
    returns: FloatArray
    enterable: BoolArray
    unfilled: int
    incomplete: IntArray
    ended: IntArray


def forward(
    found: Signals, panel: Panel, opens: FloatArray, horizons: tuple[int, ...], entry: Entry
) -> Forward:
    """`opens` are as traded, [ETF, session] like the closes of the panel."""
    enter, leave = _prices(panel, opens, entry)
    returns = kernels().forward_returns(
        enter,
        leave,
        (found.columns, found.starts, found.rows),
        np.array(horizons, np.int64),
    )
    next_column = found.columns[found.session_of] + 1
    inside = next_column < len(panel)
    enterable = np.zeros(len(found.rows), np.bool_)
    enterable[inside] = enter[next_column[inside], found.rows[inside]] > 0
    known = panel.adjusted > 0
    last = known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    ends = next_column + np.array(horizons)[:, None]
    gone = (ends < len(panel)) & enterable & (last[found.rows] < ends)
    ending = found.columns[:, None] + 1 + np.array(horizons)
    return Forward(
        horizons=horizons,
        returns=returns,
        enterable=enterable,
        unfilled=int((inside & ~enterable).sum()),
        incomplete=(ending >= len(panel)).sum(axis=0),
        ended=gone.sum(axis=1),
    )


def _prices(panel: Panel, opens: FloatArray, entry: Entry) -> tuple[FloatArray, FloatArray]:
    """[session, ETF]: what is paid, NaN without a price, and what is got, the last price known."""
    rows, end = np.arange(len(panel.tickers)), len(panel)
    carried = factor_kernels().carried_closes(panel.adjusted, rows, 0, end, end)[0]
    last, closes = _by_session(carried), _by_session(panel.adjusted)
    if entry is Entry.NEXT_CLOSE:
        return np.where(closes > 0, closes, np.nan), last
    same = panel.adjusted is panel.close
    paid = _by_session(opens if same else opens * panel.adjusted / panel.close)
    paid = np.where((paid > 0) & (closes > 0), paid, np.nan)
    before = np.vstack([np.full(len(rows), np.nan), last[:-1]])
    return paid, np.where(np.isnan(paid), before, paid)


def _by_session(prices: FloatArray) -> FloatArray:
    return np.ascontiguousarray(prices.T, dtype=np.float64)
