"""Every figure, made in one place: plain typed data in, Plotly figures out.

For the report, for pages and for notebooks. Importing this imports Plotly: whoever only sometimes
needs a figure imports it when it does.
"""

from app.web.figures.calendars import months, years
from app.web.figures.curves import Line, Role, banded, drawdown, growth, rolling
from app.web.figures.grids import correlations
from app.web.figures.parts import Part, bars, exposures, waterfall
from app.web.figures.shapes import amounts, distribution, pairs, traded
from app.web.figures.theme import DARK, DARK_OF, LIGHT, dark

__all__ = [
    "DARK",
    "DARK_OF",
    "LIGHT",
    "Line",
    "Part",
    "Role",
    "amounts",
    "banded",
    "bars",
    "correlations",
    "dark",
    "distribution",
    "drawdown",
    "exposures",
    "growth",
    "months",
    "pairs",
    "rolling",
    "traded",
    "waterfall",
    "years",
]
