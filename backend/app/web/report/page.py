"""A document as one HTML file that needs nothing else: script, style and figures are inside.

Figures are drawn from their JSON in the light or the dark colours of the theme, as the reader's
device asks for, and always light and as wide as a sheet on paper. A policy inside the file forbids
it to load anything.
"""

import base64
import json
import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import plotly
import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.web.figures.theme import DARK, DARK_OF, FONT, LIGHT
from app.web.report.blocks import Chart, Document

FOLDER = Path(__file__).resolve().parent / "templates"
SHARED_FROM = 20
"""Days as many as this are written once, however many curves have them."""
PAPER_WIDTH = 680
"""Pixels between the margins of a sheet of A4."""


def render(document: Document) -> str:
    charts = [
        block for section in document.sections for block in section.blocks if block.kind == "chart"
    ]
    figures = _Figures()
    drawn = {chart.name: figures.add(chart) for chart in charts if isinstance(chart, Chart)}
    plot, drawing = _plotly(), _drawing()
    return (
        _environment()
        .get_template("report.html")
        .render(
            document=document,
            figures=drawn,
            days=_json(figures.days),
            dark_of=_json(DARK_OF),
            light=LIGHT,
            dark=DARK,
            font=Markup(FONT),  # noqa: S704 - a constant of ours
            paper_width=PAPER_WIDTH,
            style=Markup(_style()),  # noqa: S704 - our own file
            plotly=plot,
            drawing=drawing,
            policy=_policy(plot, drawing),
        )
    )


class _Figures:
    """The JSON of charts, in which days that several have are named instead of repeated."""

    def __init__(self) -> None:
        self.days: list[list[str]] = []
        self._places: dict[tuple[str, ...], int] = {}

    def add(self, chart: Chart) -> Markup:
        figure = json.loads(_exact_json(chart.figure))
        for trace in figure["data"]:
            days = trace.get("x")
            if isinstance(days, list) and len(days) >= SHARED_FROM:
                trace["x"] = f"days:{self._place(days)}"
        return _json(figure)

    def _place(self, days: list[str]) -> int:
        key = tuple(days)
        if key not in self._places:
            self._places[key] = len(self.days)
            self.days.append(days)
        return self._places[key]


def _exact_json(figure: go.Figure) -> str:
    return str(figure.to_json())


def _json(value: Any) -> Markup:
    """JSON inside a script: nothing in it can end the script or begin another."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - made safe above


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        auto_reload=False,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _plotly() -> Markup:
    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    return _script(script.read_text(encoding="utf-8"))


@cache
def _drawing() -> Markup:
    return _script((FOLDER / "report.js").read_text(encoding="utf-8"))


@cache
def _style() -> str:
    return (FOLDER / "report.css").read_text(encoding="utf-8")


def _script(text: str) -> Markup:
    assert not re.search(r"</script|<!--", text, re.IGNORECASE)
    return Markup(text)  # noqa: S704 - an installed file of ours or of Plotly's wheel


def _policy(*scripts: Markup) -> str:
    """Nothing is loaded from anywhere, and only these scripts run."""
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


@cache
def _digest(script: str) -> str:
    return base64.b64encode(sha256(script.encode()).digest()).decode()
