"""What the figures about a sweep's choices look like in an answer."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from app.quant import metrics
from app.quant.backtest.simulation import Simulation
from app.quant.evidence.reselection import Choice, CrossValidation
from app.quant.evidence.splits import Window
from app.quant.evidence.surface import Axis, Point, Surface, survey
from app.quant.measured import Measured, Missing, number
from app.quant.panel import DateArray, FloatArray
from app.schemas.backtest import Headline
from app.schemas.sweep import (
    AxisRead,
    ChoiceRead,
    CrossValidationRead,
    PathRead,
    PointRead,
    SurfaceRead,
    SweepSpec,
    WindowRead,
)
from app.services import backtest_answers
from app.services.sweep_members import Member


def headline(returns: FloatArray, sessions: DateArray, rf: float) -> Headline:
    return backtest_answers.headline(metrics.compute(returns, sessions, rf=rf))


def surface(sweep: SweepSpec, sharpes: FloatArray) -> SurfaceRead | None:
    """Of a grid's members in order; None where there is no grid."""
    if sweep.grid is None:
        return None
    axes, places = [], []
    for name, values in sweep.axes:
        numbers = [value for value in values if type(value) in (int, float)]
        ordered = len(numbers) == len(values)
        order = np.argsort(np.array(numbers)) if ordered else np.arange(len(values))
        places.append(order)
        axes.append(Axis(name, tuple(values[place] for place in order), ordered))
    grid = sharpes.reshape([len(axis.values) for axis in axes])[np.ix_(*places)]
    return _surface(axes, survey(axes, grid))


def notes(sweep: SweepSpec, returns: FloatArray) -> Iterator[str]:
    """Which settings of a grid changed nothing; `returns` are those of its members in order."""
    if sweep.grid is None:
        return
    grid = returns.reshape(*(len(values) for _, values in sweep.axes), -1)
    for axis, (name, values) in enumerate(sweep.axes):
        first = np.take(grid, [0], axis=axis)
        if len(values) > 1 and ((grid == first) | (np.isnan(grid) & np.isnan(first))).all():
            said = f"{name} made no difference: members that differ in it alone are the same run."
            yield said + _because(sweep, name)


def _because(sweep: SweepSpec, name: str) -> str:
    if name == "stop_loss_pct" and sweep.use_vix_adjustment:
        return " While use_vix_adjustment is true it counts only where the VIX is unknown."
    return ""


def _surface(axes: Sequence[Axis], found: Surface) -> SurfaceRead:
    parts: dict[str, Any] = {name: getattr(found, name) for name in ("peak", "plateau")}
    heights: dict[str, Measured] = {
        "prominence": found.prominence,
        "in_spreads": found.in_spreads,
    }
    return SurfaceRead(
        axes=[AxisRead(name=a.name, values=list(a.values), ordered=a.ordered) for a in axes],
        means=known(found.mean.ravel()),
        **{name: _point(point) for name, point in parts.items()},
        **{name: number(height) for name, height in heights.items()},
        reasons=reasons(**parts, **heights),
    )


def _point(found: Point | Missing) -> PointRead | None:
    return None if isinstance(found, Missing) else PointRead.model_validate(found)


def window(
    cut: Window, choice: Choice, members: Sequence[Member], sessions: DateArray
) -> WindowRead:
    """`sessions` are those that the returns end with."""
    days: list[date] = sessions.tolist()
    return WindowRead(
        **chosen(choice, members).model_dump(),
        train_start=days[cut.train.start],
        train_end=days[cut.train.stop - 1],
        test_start=days[cut.test.start],
        test_end=days[cut.test.stop - 1],
    )


def chosen(choice: Choice, members: Sequence[Member]) -> ChoiceRead:
    row = None if isinstance(choice.row, Missing) else choice.row
    return ChoiceRead(
        number=row,
        changes=None if row is None else dict(members[row].changes),
        inside=number(choice.inside),
        outside=number(choice.outside),
        reasons=reasons(number=choice.row, inside=choice.inside, outside=choice.outside),
    )


def path(lived: Simulation, rf: float) -> PathRead:
    days = lived.sessions.tolist()
    return PathRead(
        start=days[0],
        end=days[-1],
        headline=headline(lived.returns, lived.sessions, rf),
        returns=known(lived.returns),
        costs=Decimal(int(lived.days["costs"].sum())).scaleb(-2),
        trades=len(lived.trades),
    )


def cross_validation(found: CrossValidation, members: Sequence[Member]) -> CrossValidationRead:
    spread: dict[str, Measured] = {
        "mean": found.mean,
        "deviation": found.deviation,
        "loss": found.loss,
    }
    return CrossValidationRead(
        folds=[chosen(choice, members) for choice in found.choices],
        sharpes=known(found.sharpes),
        **{name: number(value) for name, value in spread.items()},
        reasons=reasons(**spread),
    )


def known(values: FloatArray) -> list[float | None]:
    """JSON has no NaN."""
    return [value if np.isfinite(value) else None for value in values.tolist()]


def reasons(**parts: object) -> dict[str, str]:
    return {name: part.reason for name, part in parts.items() if isinstance(part, Missing)}
