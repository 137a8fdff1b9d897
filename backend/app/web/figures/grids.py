"""Figures of tables of numbers: correlations of everything with everything."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.web.figures.theme import LIGHT, framed, label

ROW = 22
READABLE = 24
"""Up to so many names the numbers fit into their cells."""


def correlations(names: Sequence[str], matrix: Sequence[Sequence[float | None]]) -> go.Figure:
    """From -1 to 1; an unknown one is an empty cell."""
    shown = [label(name) for name in names]
    cells = np.array(
        [[np.nan if each is None else each for each in row] for row in matrix], np.float64
    )
    words = [["" if np.isnan(each) else f"{each:z.2f}" for each in row] for row in cells]
    figure = go.Figure(
        go.Heatmap(
            x=shown,
            y=shown,
            z=cells,
            zmin=-1.0,
            zmax=1.0,
            colorscale=[[0.0, LIGHT.low], [0.5, LIGHT.even], [1.0, LIGHT.high]],
            text=words,
            texttemplate="%{text}" if len(shown) <= READABLE else None,
            textfont={"size": 9, "color": LIGHT.ink},
            hovertemplate="%{x}, %{y}: %{z:.2f}<extra></extra>",
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    framed(figure, height=70 + ROW * len(shown), legend=False)
    figure.update_xaxes(type="category", showline=False, tickangle=-90, dtick=1)
    figure.update_yaxes(
        type="category", autorange="reversed", showgrid=False, showline=False, dtick=1
    )
    figure.update_layout(font_size=11)
    return figure
