"""Figures of what goes from day to day: growth, falls, rolling statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
import plotly.graph_objects as go

from app.quant.panel import FloatArray
from app.web.figures.theme import LIGHT, category, framed, label

Values = Sequence[float | None] | FloatArray
Days = Sequence[date]


class Role(StrEnum):
    """What a line stands for; its colour follows."""

    MINE = "mine"
    BENCHMARK = "benchmark"
    CATEGORY = "category"
    """One of many: each has a colour of its own."""


@dataclass(frozen=True, slots=True)
class Line:
    """Values of the days of a figure, None or NaN where there is none."""

    name: str
    values: Values
    role: Role = Role.MINE


def growth(days: Days, lines: Sequence[Line], *, logarithmic: bool | None = None) -> go.Figure:
    """What one unit became. The scale is logarithmic where it grew or shrank threefold, so that
    equal steps are equal returns."""
    figure = _lines(days, lines)
    framed(figure, height=360, unit=".2f")
    if logarithmic is None:
        spread = [_numbers(line.values) for line in lines]
        logarithmic = any(np.nanmax(each) > 3.0 * np.nanmin(each) > 0.0 for each in spread)
    if logarithmic:
        figure.update_yaxes(type="log", dtick="D2", minor={"showgrid": False})
    return figure


def drawdown(days: Days, lines: Sequence[Line]) -> go.Figure:
    """Falls from the highest so far, the first line as an area."""
    figure = _lines(days, lines)
    figure.data[0].update(fill="tozeroy", fillcolor=LIGHT.mine_soft)
    framed(figure, height=240, unit="~%")
    figure.update_yaxes(rangemode="tozero")
    return figure


def rolling(days: Days, lines: Sequence[Line], *, unit: str = "") -> go.Figure:
    """A statistic of the sessions before each day."""
    figure = _lines(days, lines)
    framed(figure, height=240, unit=unit, legend=len(lines) > 1)
    return figure


def banded(days: Days, line: Line, low: Values, high: Values, *, unit: str = "") -> go.Figure:
    """A line within its interval."""
    figure = go.Figure()
    when = iso(days)
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=when, y=_numbers(low), **edge)
    figure.add_scatter(x=when, y=_numbers(high), fill="tonexty", fillcolor=LIGHT.mine_soft, **edge)
    figure.add_scatter(**_trace(when, line))
    framed(figure, height=240, unit=unit, legend=False)
    return figure


def iso(days: Days) -> list[str]:
    return [day.isoformat() for day in days]


def _lines(days: Days, lines: Sequence[Line]) -> go.Figure:
    when = iso(days)
    traces = [_trace(when, line, place) for place, line in enumerate(lines)]
    figure = go.Figure([go.Scatter(**trace) for trace in traces])
    figure.update_layout(hovermode="x unified")
    return figure


def _trace(when: list[str], line: Line, place: int = 0) -> dict[str, object]:
    colour = category(place) if line.role is Role.CATEGORY else getattr(LIGHT, line.role)
    width = 1.8 if line.role is Role.MINE else 1.3
    return {
        "x": when,
        "y": _numbers(line.values),
        "name": label(line.name),
        # A line through a single point is invisible.
        "mode": "lines" if len(when) > 1 else "markers",
        "line": {"color": colour, "width": width},
        "connectgaps": False,
    }


def _numbers(values: Values) -> FloatArray:
    return np.array([np.nan if each is None else each for each in values], np.float64)
