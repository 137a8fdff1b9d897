"""What a book was invested in over time, by asset class."""

import numpy as np

from app.market_data.snapshot import MarketSnapshot
from app.quant.book_over_time import BookOverTime
from app.schemas.report import ClassWeights, WeightsRead

UNCLASSIFIED = "unclassified"
CASH = "cash"


def weights_of(market: MarketSnapshot, book: BookOverTime) -> WeightsRead:
    """What each session with capital at work began with."""
    known = book.observed()
    names = np.array([market.etfs[row].asset_class or UNCLASSIFIED for row in known.rows])
    classes = [
        ClassWeights(name=name, weights=known.weights[:, names == name].sum(axis=1).tolist())
        for name in np.unique(names).tolist()
    ]
    classes.sort(key=lambda each: -sum(each.weights))
    cash = ClassWeights(name=CASH, weights=known.cash_weights.tolist())
    return WeightsRead(sessions=known.sessions.tolist(), classes=[*classes, cash])
