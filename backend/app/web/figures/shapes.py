"""Figures of how returns are spread, of crises, and of trading."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.quant.panel import FloatArray
from app.web.figures.theme import LIGHT, framed, label

ROW = 40
FEWEST_BINS, MOST_BINS = 5, 60


def distribution(returns: FloatArray, marks: Mapping[str, float]) -> go.Figure:
    """How often returns were about so large; `marks` are lines with a name, such as the VaR."""
    known = returns[np.isfinite(returns)]
    counts, edges = np.histogram(known, bins=_bins(known))
    middles = (edges[1:] + edges[:-1]) / 2.0
    figure = go.Figure(
        go.Bar(
            x=middles,
            y=counts,
            width=np.diff(edges),
            marker={"color": LIGHT.mine, "line": {"color": LIGHT.paper, "width": 0.5}},
            customdata=np.column_stack((edges[:-1], edges[1:])),
            hovertemplate="%{customdata[0]:.2%} to %{customdata[1]:.2%}: %{y}<extra></extra>",
        )
    )
    framed(figure, height=280, unit="~s", legend=False)
    figure.update_layout(bargap=0, margin_t=58)
    figure.update_xaxes(tickformat="~%")
    for place, (name, value) in enumerate(sorted(marks.items(), key=lambda mark: mark[1])):
        figure.add_vline(value, line={"color": LIGHT.loss, "width": 1.4, "dash": "dot"})
        figure.add_annotation(
            x=value,
            y=1.0,
            yref="paper",
            yshift=10 + 15 * (place % 3),
            text=f"{label(name)} {value:.2%}",
            showarrow=False,
            font={"size": 11, "color": LIGHT.muted},
        )
    return figure


def pairs(
    names: Sequence[str],
    mine: Sequence[float | None],
    benchmark: Sequence[float | None] | None,
    *,
    called: tuple[str, str] = ("portfolio", "benchmark"),
) -> go.Figure:
    """Returns of episodes, one pair of bars for each, downwards."""
    shown = [label(name) for name in names]
    figure = go.Figure(_bar(shown, mine, called[0], LIGHT.mine))
    if benchmark is not None:
        figure.add_trace(_bar(shown, benchmark, called[1], LIGHT.benchmark))
    framed(figure, height=70 + ROW * len(shown))
    known = [each for each in (*mine, *(benchmark or ())) if each is not None]
    low, high = min(0.0, *known, 0.0), max(0.0, *known, 0.0)
    space = 0.12 * ((high - low) or 1.0)
    left, right = low - space * (low < 0.0), high + space * (high > 0.0)
    figure.update_xaxes(tickformat="~%", showgrid=True, range=[left, right])
    figure.update_yaxes(type="category", autorange="reversed", tickformat=None, showgrid=False)
    return figure


def traded(months: Sequence[str], bought: Sequence[float], sold: Sequence[float]) -> go.Figure:
    """What was bought, upwards, and sold, downwards, in USD."""
    figure = go.Figure(
        [
            go.Bar(x=list(months), y=list(bought), name="bought", marker_color=LIGHT.mine),
            go.Bar(
                x=list(months),
                y=[-each for each in sold],
                name="sold",
                marker_color=LIGHT.benchmark,
            ),
        ]
    )
    framed(figure, height=260, unit="~s")
    figure.update_layout(barmode="relative", hovermode="x unified")
    figure.update_xaxes(type="date", hoverformat="%B %Y")
    return figure


def amounts(months: Sequence[str], values: Sequence[float]) -> go.Figure:
    """USD by month."""
    figure = go.Figure(go.Bar(x=list(months), y=list(values), marker_color=LIGHT.loss))
    framed(figure, height=220, unit="~s", legend=False)
    figure.update_xaxes(type="date", hoverformat="%B %Y")
    return figure


def _bar(names: list[str], values: Sequence[float | None], called: str, colour: str) -> go.Bar:
    return go.Bar(
        orientation="h",
        y=names,
        x=list(values),
        name=label(called),
        marker_color=colour,
        text=["" if each is None else f"{each:+z.1%}" for each in values],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.2%}",
    )


def _bins(known: FloatArray) -> int:
    """By the rule of Freedman and Diaconis (1981), within what can be seen."""
    spread = float(np.subtract(*np.quantile(known, [0.75, 0.25])))
    width = 2.0 * spread / len(known) ** (1.0 / 3.0)
    reach = float(np.ptp(known))
    count = int(np.ceil(reach / width)) if width > 0.0 else FEWEST_BINS
    return int(np.clip(count, FEWEST_BINS, MOST_BINS))
