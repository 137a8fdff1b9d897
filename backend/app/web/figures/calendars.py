"""Figures of calendar periods: a heat map of months, bars of years."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.web.figures.theme import LIGHT, framed, label

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ROW = 24
FEW = 4
"""Years of which the bars would be too wide."""
STRONGEST = 0.98
"""Quantile of the absolute returns that has the full colour: one crash does not pale the rest."""


def months(returns: Mapping[str, float | None]) -> go.Figure:
    """Returns by "2024-05", the newest year first; a month without one stays empty."""
    years = sorted({name[:4] for name in returns})
    cells = np.full((len(years), len(MONTHS)), np.nan)
    for name, value in returns.items():
        if value is not None:
            cells[years.index(name[:4]), int(name[5:7]) - 1] = value
    known = np.abs(cells[np.isfinite(cells)])
    most = float(np.quantile(known, STRONGEST)) if len(known) else 0.0
    figure = go.Figure(
        go.Heatmap(
            x=MONTHS,
            y=years,
            z=cells,
            zmin=-most or -1.0,
            zmax=most or 1.0,
            colorscale=[[0.0, LIGHT.low], [0.5, LIGHT.even], [1.0, LIGHT.high]],
            text=[
                ["" if np.isnan(each) else f"{100 * each:z.1f}" for each in row] for row in cells
            ],
            texttemplate="%{text}",
            textfont={"size": 11, "color": LIGHT.ink},
            hovertemplate="%{x} %{y}: %{z:.2%}<extra></extra>",
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    framed(figure, height=56 + ROW * len(years), legend=False)
    figure.update_xaxes(side="top", showline=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False, showline=False)
    return figure


def years(
    names: Sequence[str],
    mine: Sequence[float | None],
    benchmark: Sequence[float | None] | None,
    *,
    called: tuple[str, str] = ("portfolio", "benchmark"),
) -> go.Figure:
    """Returns side by side."""
    figure = go.Figure(
        go.Bar(x=list(names), y=list(mine), name=label(called[0]), marker_color=LIGHT.mine)
    )
    if benchmark is not None:
        figure.add_bar(
            x=list(names), y=list(benchmark), name=label(called[1]), marker_color=LIGHT.benchmark
        )
    framed(figure, height=260, unit="~%")
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(type="category")
    if len(names) <= FEW:
        figure.update_layout(bargap=0.7)
    return figure
