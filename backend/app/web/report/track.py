"""The daily path of a portfolio or a backtest, in one form for every figure of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from app.quant.panel import FloatArray
from app.schemas.backtest import CurvePoint
from app.schemas.performance import PerformancePoint
from app.services.performance import drawdowns


@dataclass(frozen=True, slots=True)
class Track:
    """One entry per session, NaN where there is none; `benchmark` is its ticker."""

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


def of_portfolio(points: Sequence[PerformancePoint], benchmark: str | None) -> Track:
    return Track(
        days=tuple(point.session for point in points),
        returns=_column([point.daily_return for point in points]),
        growth=_column([point.growth for point in points]),
        drawdown=_column([point.drawdown for point in points]),
        invested=_column([_part(point) for point in points]),
        benchmark=benchmark,
        benchmark_growth=_column([point.benchmark_growth for point in points]),
        benchmark_drawdown=_column([point.benchmark_drawdown for point in points]),
    )


def of_backtest(points: Sequence[CurvePoint], benchmark: str | None) -> Track:
    """Its first session has no return: the capital was there at its opening."""
    growth = _column([point.growth for point in points])
    theirs = _column([point.benchmark_growth for point in points])
    known = benchmark is not None and bool(np.isfinite(theirs).any())
    return Track(
        days=tuple(point.session for point in points),
        returns=np.concatenate(([np.nan], growth[1:] / growth[:-1] - 1.0)),
        growth=growth,
        drawdown=_column([point.drawdown for point in points]),
        invested=_column([_part(point) for point in points]),
        benchmark=benchmark if known else None,
        benchmark_growth=theirs,
        benchmark_drawdown=drawdowns(theirs) if known else theirs,
    )


def _part(point: PerformancePoint | CurvePoint) -> float | None:
    if point.cash is None or not point.value:
        return None
    return float(1 - point.cash / point.value)


def _column(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if each is None else each for each in values], np.float64)
