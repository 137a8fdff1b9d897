"""The daily path of a portfolio or a backtest as columns, for every figure of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from app.quant.panel import FloatArray
from app.schemas.performance import FiguresRead, PerformancePoint


@dataclass(frozen=True, slots=True)
class Track:
    """One entry per session, NaN where there is none; `benchmark` is its name."""

    days: tuple[date, ...]
    returns: FloatArray
    growth: FloatArray
    drawdown: FloatArray
    invested: FloatArray
    benchmark: str | None
    benchmark_growth: FloatArray
    benchmark_drawdown: FloatArray

    @property
    def returns_known(self) -> int:
        return int(np.isfinite(self.returns).sum())


def track_of(found: FiguresRead) -> Track:
    points = found.series
    return Track(
        days=tuple(point.session for point in points),
        returns=column([point.daily_return for point in points]),
        growth=column([point.growth for point in points]),
        drawdown=column([point.drawdown for point in points]),
        invested=column([_invested(point) for point in points]),
        benchmark=None if found.benchmark is None else found.benchmark.ticker,
        benchmark_growth=column([point.benchmark_growth for point in points]),
        benchmark_drawdown=column([point.benchmark_drawdown for point in points]),
    )


def column(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if each is None else each for each in values], np.float64)


def _invested(point: PerformancePoint) -> float | None:
    if not point.value or point.cash is None:
        return None
    return float(1 - point.cash / point.value)
