"""The returns of calendar years and months."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.quant.measured import Measured, Missing
from app.quant.metrics import NO_BENCHMARK
from app.quant.panel import DateArray, FloatArray, IntArray

NO_RETURN = "no return is known"


@dataclass(frozen=True, slots=True)
class PeriodReturn:
    """The return of a calendar year ("2024") or month ("2024-05"), which may be a part of it."""

    period: str
    value: Measured
    benchmark: Measured


def by_calendar(
    dates: DateArray, returns: FloatArray, benchmark: FloatArray | None, unit: Literal["Y", "M"]
) -> tuple[PeriodReturn, ...]:
    """Of T returns between T + 1 dates, and the benchmark's over the same sessions.

    A return belongs to the period that its session is in.
    """
    if not len(returns):
        return ()
    labels = dates[1:].astype(f"datetime64[{unit}]")
    first = np.concatenate(([0], np.flatnonzero(labels[1:] != labels[:-1]) + 1))
    names = np.datetime_as_string(labels[first]).tolist()
    mine = _compounded(returns, first)
    theirs: list[Measured] = [NO_BENCHMARK] * len(mine)
    if benchmark is not None:
        theirs = _compounded(benchmark, first)
    return tuple(map(PeriodReturn, names, mine, theirs))


def _compounded(returns: FloatArray, first: IntArray) -> list[Measured]:
    known = np.isfinite(returns)
    grown = np.multiply.reduceat(np.where(known, 1.0 + returns, 1.0), first) - 1.0
    some = np.logical_or.reduceat(known, first)
    return [
        value if found else Missing(NO_RETURN)
        for value, found in zip(grown.tolist(), some.tolist(), strict=True)
    ]
