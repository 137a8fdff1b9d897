"""One theme for every figure: colours by what they stand for, in light and in dark.

Figures are made in the light colours. Each is another than all others, so that a page turns a
figure dark by exchanging them (`DARK_OF`), and a notebook by `dark(figure)`. Series and categories
have the hues of Okabe and Ito (2008), which people of any colour vision tell apart; gains and
losses are blue and vermilion, never green and red.
"""

import html
from dataclasses import dataclass, fields
from typing import Any

import plotly.graph_objects as go

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
HEIGHT = 320


@dataclass(frozen=True, slots=True)
class Colours:
    ink: str
    muted: str
    grid: str
    paper: str
    mine: str
    mine_soft: str
    benchmark: str
    gain: str
    loss: str
    total: str
    low: str
    even: str
    high: str
    """The ends and the middle of a scale from loss to gain, on all of which `ink` can be read."""
    categories: tuple[str, ...]

    def listed(self) -> tuple[str, ...]:
        single = (getattr(self, each.name) for each in fields(self) if each.name != "categories")
        return (*single, *self.categories)


LIGHT = Colours(
    ink="#1b1f24",
    muted="#59636e",
    grid="#dfe3e8",
    paper="#ffffff",
    mine="#0072b2",
    mine_soft="#cfe4f2",
    benchmark="#c2570a",
    gain="#2f7fc1",
    loss="#d55e00",
    total="#4a5460",
    low="#ee9a68",
    even="#f7f8f9",
    high="#77b3e1",
    categories=(
        *("#1f78b5", "#e69f00", "#009e73", "#cc79a7", "#45a9e0"),
        *("#a65628", "#b8a800", "#6a3d9a", "#7f8c8d", "#1b6e6e"),
    ),
)
DARK = Colours(
    ink="#e6edf3",
    muted="#9aa5b1",
    grid="#30363d",
    paper="#14181d",
    mine="#56b4e9",
    mine_soft="#17384d",
    benchmark="#f0a04b",
    gain="#4f9fdc",
    loss="#e8762b",
    total="#aab4c0",
    low="#a8521b",
    even="#20262d",
    high="#28689e",
    categories=(
        *("#4a9bd4", "#e8ab24", "#1db58a", "#d98cb6", "#7fc8f0"),
        *("#c07a4e", "#d3c42e", "#9b79c9", "#98a4a5", "#3d9c9c"),
    ),
)
DARK_OF = dict(zip(LIGHT.listed(), DARK.listed(), strict=True))


def dark(figure: go.Figure) -> go.Figure:
    """The same figure on a dark ground."""
    return go.Figure(_exchanged(figure.to_plotly_json()))


def _exchanged(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _exchanged(each) for name, each in part.items()}
    if isinstance(part, list | tuple):
        return [_exchanged(each) for each in part]
    return DARK_OF.get(part, part) if isinstance(part, str) else part


def category(place: int) -> str:
    """The colour of the category at this place; after the last they begin again."""
    return LIGHT.categories[place % len(LIGHT.categories)]


def label(text: str) -> str:
    """A name as it is: Plotly takes `<b>` and `<a>` in a text for markup."""
    return html.escape(text, quote=False)


def framed(figure: go.Figure, *, height: int = HEIGHT, unit: str = "", legend: bool = True) -> None:
    """Everything that all figures have in common; `unit` is how their values are written."""
    axis = {
        "gridcolor": LIGHT.grid,
        "linecolor": LIGHT.grid,
        "zerolinecolor": LIGHT.muted,
        "zerolinewidth": 1,
        "automargin": True,
        "fixedrange": True,
    }
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 8, "r": 12, "t": 34 if legend else 10, "b": 8, "pad": 4},
        paper_bgcolor=LIGHT.paper,
        plot_bgcolor=LIGHT.paper,
        font={"family": FONT, "size": 12, "color": LIGHT.ink},
        hoverlabel={"bgcolor": LIGHT.paper, "bordercolor": LIGHT.muted, "font_color": LIGHT.ink},
        showlegend=legend,
        legend={"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom", "traceorder": "normal"},
        bargap=0.25,
    )
    figure.update_xaxes(**axis, showgrid=False)
    figure.update_yaxes(**axis, tickformat=unit, hoverformat=_finer(unit))


def _finer(unit: str) -> str:
    """A value under the pointer has two digits more than the axis."""
    return {"~%": ".2%", "~s": ",.2f", "": ".3f"}.get(unit, unit)
