"""What ETFs, and a benchmark that is blended of some, returned in the sessions of a book."""

from collections.abc import Sequence

import numpy as np

from app.market_data.snapshot import MarketSnapshot
from app.quant.attribution.by_class import Blend
from app.quant.book_over_time import BookOverTime
from app.quant.covariance import carried
from app.quant.measured import Missing
from app.quant.panel import CARRY_SESSIONS, DateArray, FloatArray, IntArray
from app.schemas.blend import BlendPart

UNCLASSIFIED = "unclassified"


def classes_of(market: MarketSnapshot, rows: Sequence[int] | IntArray) -> list[str]:
    return [market.etfs[row].asset_class or UNCLASSIFIED for row in rows]


def over(
    market: MarketSnapshot, parts: Sequence[BlendPart], book: BookOverTime, *, from_nothing: bool
) -> Blend | Missing:
    """The blend in the sessions of a book, from closes carried at most 5 sessions.

    `from_nothing`: the book bought at the close of its first session, so that the benchmark begins
    there too. Raises UnknownTicker.
    """
    rows = np.array([market.row(part.ticker) for part in parts], np.int64)
    returns = returns_of(market, rows, book.sessions)
    if from_nothing and len(returns):
        returns[0] = 0.0
    unknown = np.argwhere(np.isnan(returns))
    if len(unknown):
        session, place = unknown[0]
        return Missing(
            f"the benchmark's {parts[place].ticker} has no return on {book.sessions[session]}"
        )
    weights = np.array([part.weight for part in parts])
    return Blend(weights, returns, classes_of(market, rows))


def returns_of(market: MarketSnapshot, rows: IntArray, sessions: DateArray) -> FloatArray:
    """[T, N]: from the close of the market's session before to that of each session; NaN where a
    close is missing beyond the carry."""
    columns = np.searchsorted(market.panel.sessions, sessions)
    if not len(columns):
        return np.empty((0, len(rows)))
    begin = max(int(columns[0]) - 1 - CARRY_SESSIONS, 0)
    closes = carried(market.panel.adjusted[rows, begin : int(columns[-1]) + 1]).T
    earned = np.full(closes.shape, np.nan)
    earned[1:] = closes[1:] / closes[:-1] - 1.0
    found: FloatArray = earned[columns - begin]
    return found
