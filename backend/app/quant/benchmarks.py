"""What a track is held against: one ETF, a blend of several, or its own cash flows invested there.

The same cash flows in the benchmark answer what an investor would have instead: every deposit and
withdrawal is made on its day, but the money buys the benchmark (Long and Nickels, 1996, who call it
the index comparison method).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.quant.measured import Missing
from app.quant.panel import BoolArray, DateArray, FloatArray
from app.quant.returns import MoneyWeighted, at_work, money_weighted_of
from app.quant.track import Track


class Rebalanced(StrEnum):
    """How often the weights of a blend are put back to what they were meant to be."""

    DAILY = "daily"
    MONTHLY = "monthly"


def blend(
    returns: FloatArray, weights: Sequence[float], dates: DateArray, rebalanced: Rebalanced
) -> FloatArray:
    """Daily returns of a blend of N ETFs (T x N) between T + 1 dates.

    Monthly: bought at the first date and put back to the weights at the last close of each month.
    NaN where an ETF has no return; it then counts as standing still.
    """
    known, shares = np.isfinite(returns), np.asarray(weights)
    if rebalanced is Rebalanced.DAILY:
        found = np.where(known, returns, 0.0) @ shares
    else:
        found = _drifting(np.where(known, returns, 0.0), shares, _begins_month(dates))
    return np.where(known.all(axis=1), found, np.nan)


def _begins_month(dates: DateArray) -> BoolArray:
    """Of the T sessions after the first date, those that begin with the meant weights."""
    months = dates.astype("datetime64[M]")
    first: BoolArray = months[1:] != months[:-1]
    first[:1] = True
    return first


def _drifting(returns: FloatArray, shares: FloatArray, begins: BoolArray) -> FloatArray:
    grown = np.vstack((np.ones(len(shares)), (1.0 + returns).cumprod(axis=0)))
    # The close that each session's weights go back to: the one before its month.
    base = np.maximum.accumulate(np.where(begins, np.arange(len(returns)), 0))
    after = (grown[1:] / grown[base]) @ shares
    before = (grown[:-1] / grown[base]) @ shares
    found: FloatArray = after / before - 1.0
    return found


def same_sessions(benchmark: FloatArray, returns: FloatArray) -> FloatArray:
    """The benchmark's returns on the sessions on which there are `returns`, NaN on the others.

    What had no money in a session is not held against what money elsewhere earned in it.
    """
    return np.where(np.isfinite(returns), benchmark, np.nan)


@dataclass(frozen=True, slots=True)
class SameFlows:
    """What T + 1 closes would have been worth with all flows invested in the benchmark."""

    values: FloatArray
    money_weighted: MoneyWeighted


def same_flows(track: Track, benchmark: FloatArray) -> SameFlows | Missing:
    """The flows of `track` in a benchmark of T returns, at no cost.

    What comes at the start of a session earns its return, what comes after the close does not.
    """
    if track.money is None:
        return Missing("only returns are known, no values and flows")
    unknown = ~np.isfinite(benchmark)
    if track.from_nothing:
        unknown[:1] = False
    if unknown.any():
        first: np.datetime64 = track.dates[1:][unknown][0]
        return Missing(f"the benchmark has no return on {first}")
    opening, closing = _flows(track)
    grown = np.concatenate(
        ([1.0], np.where(np.isfinite(benchmark), 1.0 + benchmark, 1.0).cumprod())
    )
    added = opening / grown[:-1] + closing / grown[1:]
    units = np.concatenate(([float(track.money.values[0])], added)).cumsum()
    values = grown * units
    # A withdrawal comes out of what is there when it is made.
    short = (units[:-1] + opening / grown[:-1]) * grown[:-1] < -HALF_A_CENT
    if short.any() or (values < -HALF_A_CENT).any():
        day = track.dates[1:][short | (values[1:] < -HALF_A_CENT)][0]
        return Missing(f"the withdrawal of {day} is more than the benchmark would have left")
    amounts = [-float(track.money.values[0]), *(-(opening + closing)).tolist(), float(values[-1])]
    rates = money_weighted_of([*track.days, track.end], amounts)
    return SameFlows(values, rates)


HALF_A_CENT = 0.005


def _flows(track: Track) -> tuple[FloatArray, FloatArray]:
    """Money that comes at the start of each session, and after its close."""
    assert track.money is not None
    opening, closing = np.zeros(len(track.returns)), np.zeros(len(track.returns))
    values, flows = track.money.values, track.money.flows
    for place, (before, flow, after) in enumerate(zip(values, flows, values[1:], strict=False)):
        if flow.total or flow.after_close:
            start, _ = at_work(before, flow, after)
            opening[place] = float(start - before)
            closing[place] = float(flow.total) - opening[place]
    return opening, closing
