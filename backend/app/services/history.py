"""What a portfolio was worth at every close of its life, and the returns that follow from it.

Values of past sessions are the stored ones. From the first that is missing, and always for the
latest session, they are made from the ledger: trades of today count today, and a portfolio that was
opened after the last import has a first value.
"""

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar, database
from app.core.money import ZERO
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio, PortfolioStatus, PortfolioValue
from app.quant import periods
from app.quant.errors import EmptyPeriod
from app.quant.panel import DateArray, FloatArray
from app.quant.periods import Period
from app.quant.returns import time_weighted
from app.quant.track import Money, Track
from app.services import corporate_actions, marking
from app.services.marking import Entry
from app.services.stored_values import DayValue


@dataclass(frozen=True, slots=True)
class History:
    """The T `days` of a portfolio, oldest first, and its T time-weighted `returns`.

    `dates` has T + 1 sessions: the one before the first day, when nothing was there yet, comes
    first. A session without capital at work has the return NaN.
    """

    days: tuple[DayValue, ...]
    dates: DateArray
    returns: FloatArray
    entries: Sequence[Entry]
    replayed_until: date | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part of a history that a period asks for; not `complete` if the history began within it.

    `first` is how many days of the history come before it, `start_value` the value they end with.
    """

    period: Period | None
    complete: bool
    first: int
    start_value: Decimal
    days: tuple[DayValue, ...]
    dates: DateArray
    returns: FloatArray
    replayed_until: date | None

    @property
    def track(self) -> Track:
        """The stretch as whatever is measured."""
        values = (self.start_value, *(day.total for day in self.days))
        money = Money(values, tuple(day.flow for day in self.days))
        return Track(self.dates, self.returns, money, from_nothing=self.first == 0)

    @property
    def start(self) -> date:
        """The session at whose close the period begins."""
        day: date = self.dates[0].item()
        return day

    @property
    def end(self) -> date:
        return self.days[-1].session

    @property
    def replay_note(self) -> str | None:
        """Which part of the stretch the rules were replayed over, if any."""
        until = self.replayed_until
        if until is None or until < self.days[0].session:
            return None
        return (
            f"Up to {min(until, self.end)} this is a replay of the portfolio's rules over past "
            "prices, session by session, not a record of trades made at the time."
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """A history, what it was made from, and the market in whose prices it is."""

    made_from: tuple[object, ...]
    market: weakref.ref[MarketSnapshot]
    history: History


REMEMBERED = 64
"""Histories kept in memory: five years take about a megabyte."""

_known: OrderedDict[int, _Known] = OrderedDict()

_STANDING = """
    SELECT (SELECT id FROM ledger_entries
            WHERE portfolio_id = %(id)s AND sequence = %(sequence)s) AS entry,
        count(*) AS values, max(xmin::text::bigint) AS written
    FROM portfolio_values WHERE portfolio_id = %(id)s
    """
"""The last entry, whose number no other ever has, and the last transaction that stored a value."""


async def read(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> History:
    """The history up to the market's latest session; of a closed portfolio, up to its last mark.

    It is made again only when the ledger, the stored values or the market have changed.
    """
    about = {"id": portfolio.id, "sequence": portfolio.last_sequence}
    (standing,) = await database.rows(session, _STANDING, about)
    made_from = (*standing, portfolio.status, portfolio.opened_on, portfolio.replayed_until)
    found = _known.get(portfolio.id)
    if found is not None and found.made_from == made_from and found.market() is market:
        _known.move_to_end(portfolio.id)
        return found.history
    history = await _made(session, market, portfolio)
    if standing.entry is None:  # it is not written yet, so nothing tells it from another one
        return history
    _known[portfolio.id] = _Known(made_from, weakref.ref(market), history)
    while len(_known) > REMEMBERED:
        _known.popitem(last=False)
    return history


async def _made(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> History:
    entries = (await marking.read_entries(session, [portfolio.id]))[portfolio.id]
    stored = await _stored(session, market, portfolio)
    if due := await corporate_actions.unbooked(session, market, portfolio):
        entries = [*entries, *due]
        learned = min(entry.session for entry in due)
        stored = [day for day in stored if day.session < learned]
    end = market.latest_session
    if portfolio.status == PortfolioStatus.CLOSED:
        known = [*(day.session for day in stored), *(entry.session for entry in entries)]
        end = max(day for day in known if day <= end)
    days = await asyncio.to_thread(_completed, market, stored, entries, (portfolio.opened_on, end))
    first = np.datetime64(calendar.previous_session(days[0].session), "D")
    return History(
        days=days,
        dates=np.array([first, *(day.session for day in days)], "datetime64[D]"),
        returns=time_weighted([ZERO, *(day.total for day in days)], [day.flow for day in days]),
        entries=entries,
        replayed_until=portfolio.replayed_until,
    )


def stretch(
    history: History,
    period: Period = Period.ALL,
    *,
    start: date | None = None,
    end: date | None = None,
) -> Stretch:
    """The days of a period, or those from one day to another. Raises EmptyPeriod."""
    window = periods.between(history.dates, start=start, end=end, period=period)
    first, last = window.first, window.end - 1
    if last == 0:
        raise EmptyPeriod(f"The portfolio has no value on or before {end}.")
    return Stretch(
        period=None if start is not None else period,
        complete=window.complete,
        first=first,
        start_value=history.days[first - 1].total if first else ZERO,
        days=history.days[first:last],
        dates=history.dates[first : window.end],
        returns=history.returns[first:last],
        replayed_until=history.replayed_until,
    )


def _completed(
    market: MarketSnapshot,
    stored: Sequence[DayValue],
    entries: Sequence[Entry],
    span: tuple[date, date],
) -> tuple[DayValue, ...]:
    """The stored days without a gap from the opening on, then those made from the ledger."""
    opened, end = span
    first = max(market.column(opened), 0)
    sessions: list[date] = market.panel.sessions[first : market.column(end) + 1].tolist()
    known = 0
    while known < min(len(stored), len(sessions) - 1) and stored[known].session == sessions[known]:
        known += 1
    made = marking.values(market, entries, first=sessions[known])
    return (*stored[:known], *(day for day in made if day.session <= end))


async def _stored(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> Sequence[DayValue]:
    query = (
        select(
            PortfolioValue.session,
            PortfolioValue.cash,
            PortfolioValue.positions_value,
            PortfolioValue.external_flow,
            PortfolioValue.closing_flow,
            PortfolioValue.costs,
            PortfolioValue.carried,
        )
        .where(
            PortfolioValue.portfolio_id == portfolio.id,
            PortfolioValue.session.between(portfolio.opened_on, market.latest_session),
        )
        .order_by(PortfolioValue.session)
    )
    return [DayValue(*row) for row in await session.execute(query)]
