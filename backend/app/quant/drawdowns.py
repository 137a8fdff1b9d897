"""Every fall of a series below its highest so far: how deep, when, and for how long."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from app.quant.panel import DateArray, FloatArray, IntArray
from app.quant.statistics import AT_PEAK, falls


@dataclass(frozen=True, slots=True)
class Fall:
    """From the last session at the peak over the trough to the first session back at the peak.

    `sessions` counts from the peak to the recovery, or to the end while there is none.
    """

    depth: float
    peak: date
    trough: date
    recovery: date | None
    sessions_to_trough: int
    sessions_to_recovery: int | None
    sessions: int


@dataclass(frozen=True, slots=True)
class Falls:
    """The deepest, deepest first, and how many there were in all."""

    deepest: tuple[Fall, ...]
    count: int


def table(returns: FloatArray, dates: DateArray, *, most: int) -> Falls:
    """Of T returns between T + 1 dates; sessions whose return is NaN are left out."""
    known = np.isfinite(returns)
    days: list[date] = dates[np.concatenate(([True], known))].tolist()
    fallen = np.concatenate(([0.0], falls((1.0 + returns[known]).cumprod())))
    under = np.concatenate(([False], fallen[1:] <= -AT_PEAK, [False]))
    peaks = np.flatnonzero(under[1:] & ~under[:-1])
    ends = np.flatnonzero(under[:-1] & ~under[1:])
    if not len(peaks):
        return Falls((), 0)
    depths = np.minimum.reduceat(
        np.append(fallen, 0.0), np.column_stack((peaks, ends + 1)).ravel()
    )[::2]
    order: IntArray = np.argsort(depths, kind="stable")[:most]
    deepest = tuple(_fall(fallen, days, int(peaks[place]), int(ends[place])) for place in order)
    return Falls(deepest, len(peaks))


def _fall(fallen: FloatArray, days: list[date], peak: int, last: int) -> Fall:
    """Of the sessions after `peak` up to `last`, the last one below it."""
    trough = peak + 1 + int(fallen[peak + 1 : last + 1].argmin())
    recovered = last + 1 < len(days)
    end = last + 1 if recovered else last
    return Fall(
        depth=float(fallen[trough]),
        peak=days[peak],
        trough=days[trough],
        recovery=days[end] if recovered else None,
        sessions_to_trough=trough - peak,
        sessions_to_recovery=end - trough if recovered else None,
        sessions=end - peak,
    )
