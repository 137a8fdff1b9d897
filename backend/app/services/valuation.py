"""What a book is worth at a close: each position at its last good price, and cash.

A missing close is replaced by the last one. Within 5 sessions it is carried; beyond that the ETF
has stopped trading (closed, halted, delisted): it stays on the books at its last good price, is
flagged, and can be neither bought nor sold. A price from before a split is divided by it, because
the shares already were multiplied.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from typing import Protocol

import numpy as np

from app.core.money import ZERO, market_value, price_of, to_micros
from app.market_data.snapshot import Action, MarketSnapshot
from app.models import ActionKind
from app.quant.panel import CARRY_SESSIONS
from app.services.projection import entry_price

_EX_DATE = attrgetter("ex_date")

SMALLEST_DENOMINATORS = 100
"""A ratio of whole numbers, the second up to this one, is meant exactly: 0.333333 is a third."""


class Held(Protocol):
    """The shares of one ETF in a book, whether stored or replayed from its ledger."""

    @property
    def etf_id(self) -> int: ...

    @property
    def quantity(self) -> Decimal: ...

    @property
    def cost_basis(self) -> Decimal: ...

    @property
    def opened_on(self) -> date: ...


@dataclass(frozen=True, slots=True)
class LastPrice:
    """The last good price. `carried`: not of the session itself; `halted`: too old to trade at."""

    price: Decimal
    session: date
    carried: bool
    halted: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One position at its price; `row` is the ETF's in the panel."""

    row: int
    etf_id: int
    ticker: str
    quantity: Decimal
    cost_basis: Decimal
    opened_on: date
    last: LastPrice
    value: Decimal

    @property
    def entry_price(self) -> Decimal:
        return entry_price(self.cost_basis, self.quantity)


@dataclass(frozen=True, slots=True)
class Valuation:
    """A book at one close; total = cash + the sum of its lines, to the cent."""

    session: date
    cash: Decimal
    lines: tuple[Line, ...]

    @property
    def positions_value(self) -> Decimal:
        return sum((line.value for line in self.lines), ZERO)

    @property
    def total(self) -> Decimal:
        return self.cash + self.positions_value

    @property
    def carried(self) -> bool:
        return any(line.last.carried for line in self.lines)

    @property
    def weights(self) -> dict[str, float]:
        """Each position's part of the total, by ticker."""
        total = self.total
        return {line.ticker: float(line.value / total) for line in self.lines} if total else {}


@dataclass(frozen=True, slots=True)
class Closes:
    """The last prices of a market at one close, each looked up once for however many books."""

    market: MarketSnapshot
    session: date
    _known: dict[int, LastPrice | None] = field(default_factory=dict, repr=False)

    @property
    def session_before(self) -> date | None:
        """The session before this one; None where the market has none."""
        column = self.market.column(self.session)
        return self.market.panel.sessions[column - 1].item() if column > 0 else None

    def last(self, held: Held) -> LastPrice:
        """What a share of `held` is worth at this close."""
        try:
            known = self._known[held.etf_id]
        except KeyError:
            known = last_price(self.market, self.market.row_of_id[held.etf_id], self.session)
            self._known[held.etf_id] = known
        return known or _paid(held)

    def line(self, held: Held) -> Line:
        row, last = self.market.row_of_id[held.etf_id], self.last(held)
        return Line(
            row,
            held.etf_id,
            self.market.panel.tickers[row],
            held.quantity,
            held.cost_basis,
            held.opened_on,
            last,
            market_value(held.quantity, last.price),
        )


def value(
    market: MarketSnapshot, cash: Decimal, holdings: Iterable[Held], session: date
) -> Valuation:
    """Value what is held at the close of `session`, lines in order of ticker."""
    return value_at(Closes(market, session), cash, holdings)


def value_at(closes: Closes, cash: Decimal, holdings: Iterable[Held]) -> Valuation:
    """The same at a close whose prices are shared with the valuation of other books."""
    lines = (closes.line(held) for held in holdings)
    return Valuation(closes.session, cash, tuple(sorted(lines, key=lambda line: line.ticker)))


def _paid(held: Held) -> LastPrice:
    """Every close up to the session was withdrawn from the data: what was paid is what is left."""
    paid = entry_price(held.cost_basis, held.quantity)
    return LastPrice(paid, held.opened_on, carried=True, halted=True)


def last_price(market: MarketSnapshot, row: int, session: date) -> LastPrice | None:
    """The last close up to `session`, in shares of that session; None where there is none."""
    end = market.column(session)
    close = market.panel.close[row]
    if end >= 0 and np.isfinite(close[end]):
        day: date = market.panel.sessions[end].item()
        return LastPrice(price_of(close[end]), day, carried=False, halted=False)
    known = np.flatnonzero(np.isfinite(close[: end + 1]))
    if not len(known):
        return None
    column = int(known[-1])
    day = market.panel.sessions[column].item()
    price = in_shares_of(market, row, price_of(close[column]), (day, session))
    return LastPrice(price, day, carried=True, halted=end - column > CARRY_SESSIONS)


def trades_on(market: MarketSnapshot, ticker: str, session: date) -> bool:
    """Whether the ETF is open and has a good close of that very session."""
    row = market.row(ticker)
    closed_on = market.etfs[row].closed_on
    if closed_on is not None and closed_on <= session:
        return False
    return bool(np.isfinite(market.panel.close[row, market.column(session)]))


def in_shares_of(
    market: MarketSnapshot, row: int, price: Decimal, span: tuple[date, date]
) -> Decimal:
    """A price of the first day of `span` per share of its last day: splits in between divide it."""
    ratio = shares_per_share(market, row, span)
    return price if ratio == 1 else to_micros(price * ratio.denominator / ratio.numerator)


def shares_per_share(market: MarketSnapshot, row: int, span: tuple[date, date]) -> Fraction:
    """How many shares at the end of `span` one share of its beginning has become."""
    ratio = Fraction(1)
    for action in splits_between(market, market.etfs[row].id, span):
        ratio *= exact_ratio(action.ratio)
    return ratio


def splits_between(
    market: MarketSnapshot, etf_id: int, span: tuple[date, date]
) -> Iterator[Action]:
    """The splits after the first day of `span` up to its last; none where prices are adjusted."""
    if not market.adjusted_only:
        for action in actions_between(market, span):
            if action.etf_id == etf_id and action.kind == ActionKind.SPLIT:
                yield action


def actions_between(market: MarketSnapshot, span: tuple[date, date]) -> tuple[Action, ...]:
    """What has its ex-date after the first day of `span` and up to its last, in that order."""
    first, end = (bisect_right(market.actions, day, key=_EX_DATE) for day in span)
    return market.actions[first:end]


def exact_ratio(value: Decimal) -> Fraction:
    """The ratio of a split that was meant: six decimals cannot hold a third."""
    simple = Fraction(value).limit_denominator(SMALLEST_DENOMINATORS)
    rounded = to_micros(Decimal(simple.numerator) / Decimal(simple.denominator))
    return simple if rounded == value else Fraction(value)
