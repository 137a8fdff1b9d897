"""Figures of parts of a whole: what made a return, where the capital was."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from app.web.figures.curves import Days, Values, iso
from app.web.figures.theme import LIGHT, category, framed, label

ROW = 26


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    value: float


def waterfall(parts: Sequence[Part], total: float, *, called: str = "total") -> go.Figure:
    """From nothing to the total, part by part, downwards."""
    names = [*(label(part.name) for part in parts), label(called)]
    values = [*(part.value for part in parts), total]
    figure = go.Figure(
        go.Waterfall(
            orientation="h",
            y=names,
            x=values,
            measure=[*("relative" for _ in parts), "total"],
            text=[f"{value:+z.2%}" for value in values],
            textposition="outside",
            cliponaxis=False,
            increasing_marker_color=LIGHT.gain,
            decreasing_marker_color=LIGHT.loss,
            totals_marker_color=LIGHT.total,
            connector={"line": {"color": LIGHT.grid, "width": 1}},
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )
    framed(figure, height=60 + ROW * len(names), legend=False)
    figure.update_xaxes(tickformat="~%", showgrid=True, range=_room(values[:-1], total))
    figure.update_yaxes(type="category", autorange="reversed", tickformat=None, showgrid=False)
    return figure


def bars(parts: Sequence[Part], *, unit: str = "~%", digits: str = "z.1%") -> go.Figure:
    """One bar for each, in the order given."""
    values = [part.value for part in parts]
    figure = go.Figure(
        go.Bar(
            orientation="h",
            y=[label(part.name) for part in parts],
            x=values,
            text=[format(value, digits) for value in values],
            textposition="outside",
            cliponaxis=False,
            marker_color=[LIGHT.gain if value >= 0 else LIGHT.loss for value in values],
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )
    framed(figure, height=60 + ROW * len(parts), legend=False)
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    space = 0.14 * ((high - low) or 1.0)
    figure.update_xaxes(
        tickformat=unit, showgrid=True, range=[low - space * (low < 0), high + space]
    )
    figure.update_yaxes(type="category", autorange="reversed", tickformat=None, showgrid=False)
    return figure


def exposures(days: Days, shares: Sequence[tuple[str, Values]]) -> go.Figure:
    """Shares of the whole over time, one upon the other."""
    when = iso(days)
    figure = go.Figure()
    for place, (name, values) in enumerate(shares):
        figure.add_scatter(
            x=when,
            y=np.array([0.0 if each is None else each for each in values], np.float64),
            name=label(name),
            mode="lines",
            stackgroup="whole",
            line={"width": 0.5, "color": category(place)},
            fillcolor=category(place),
        )
    framed(figure, height=340, unit="~%")
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(rangemode="tozero")
    return figure


def _room(steps: Sequence[float], total: float) -> list[float]:
    """The reach of the steps, with space for the words beside them."""
    reached = np.cumsum([0.0, *steps])
    low, high = min(float(reached.min()), total, 0.0), max(float(reached.max()), total, 0.0)
    space = 0.2 * ((high - low) or 1.0)
    return [low - space, high + space]
