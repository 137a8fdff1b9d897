"""A portfolio's whole life as it is measured, made once for a history that is remembered."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

import numpy as np

from app.core.money import ZERO, to_cents
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind
from app.quant import activity
from app.quant.activity import Expenses
from app.quant.book_over_time import BookOverTime
from app.quant.panel import FloatArray, IntArray
from app.quant.periods import Window
from app.quant.track import Track
from app.services import books_over_time, history
from app.services.history import History
from app.services.performance_answers import Closes, Traded
from app.services.performance_json import Parts, heads_of


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Of T sessions. `capital` was at work in each; `bought`, `sold` and `costs` have T + 1 sums of
    what came before each of the T + 1 closes. `heads` begin the JSON of each session's point."""

    history: History
    track: Track
    closes: Closes
    heads: Parts
    capital: FloatArray
    book: BookOverTime
    bought: tuple[Decimal, ...]
    sold: tuple[Decimal, ...]
    costs: tuple[Decimal, ...]

    def traded(self, market: MarketSnapshot, window: Window) -> Traded:
        first, last = window.first, window.end - 1
        sessions = slice(first, last)
        return Traded(
            bought=self.bought[last] - self.bought[first],
            sold=self.sold[last] - self.sold[first],
            costs=self.costs[last] - self.costs[first],
            expenses=expenses_of(
                market, self.book.rows, self.book.weights[sessions], self.capital[sessions]
            ),
        )


async def of(market: MarketSnapshot, lived: History) -> Lifetime:
    found = _known.get(id(lived))
    if found is None:
        book = await books_over_time.of_portfolio(market, lived)
        found = _known[id(lived)] = await asyncio.to_thread(_made, lived, book)
        while len(_known) > history.REMEMBERED:
            _known.popitem(last=False)
    return found


_known: OrderedDict[int, Lifetime] = OrderedDict()
"""By the identity of the history, which is held so that no other can have it."""


def expenses_of(
    market: MarketSnapshot, rows: IntArray, weights: FloatArray, capital: FloatArray
) -> Expenses:
    """Of ETFs of the market and their weights in the capital at work in T sessions (T x N)."""
    tickers = [market.panel.tickers[row] for row in rows]
    return activity.expenses(weights, capital, market.facts.expense_ratio[rows], tickers)


def _made(lived: History, book: BookOverTime) -> Lifetime:
    track = history.stretch(lived).track
    assert track.money is not None
    closes = Closes.of(track, [day.cash for day in lived.days], [day.carried for day in lived.days])
    return Lifetime(
        history=lived,
        track=track,
        closes=closes,
        heads=heads_of(track.days[1:], closes),
        capital=track.money.capital,
        book=book,
        bought=_traded(lived, EntryKind.BUY),
        sold=_traded(lived, EntryKind.SELL),
        costs=_summed(day.costs for day in lived.days),
    )


def _traded(lived: History, kind: EntryKind) -> tuple[Decimal, ...]:
    of_day = [ZERO] * len(lived.days)
    entries = [entry for entry in lived.entries if entry.kind == kind]
    sessions = np.array([entry.session for entry in entries], "datetime64[D]")
    places = np.searchsorted(lived.dates[1:], sessions).tolist()
    for place, entry in zip(places, entries, strict=True):
        if place < len(of_day):
            of_day[place] += to_cents(entry.quantity * entry.price)
    return _summed(of_day)


def _summed(amounts: Iterable[Decimal]) -> tuple[Decimal, ...]:
    return tuple(accumulate(amounts, initial=ZERO))
