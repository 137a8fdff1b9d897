"""What a portfolio was worth at every close of its life, and the returns that follow from it.

Values of past sessions are the stored ones. From the first that is missing, and always for the
latest session, they are made from the ledger: trades of today count today, and a portfolio that was
opened after the last import has a first value.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.money import ZERO
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio, PortfolioStatus, PortfolioValue
from app.quant import periods
from app.quant.panel import DateArray, FloatArray
from app.quant.periods import Period
from app.quant.returns import time_weighted
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

    period: Period
    complete: bool
    first: int
    start_value: Decimal
    days: tuple[DayValue, ...]
    dates: DateArray
    returns: FloatArray
    replayed_until: date | None

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


async def read(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> History:
    """The history up to the market's latest session; of a closed portfolio, up to its last mark."""
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


def stretch(history: History, period: Period) -> Stretch:
    window = periods.window(period, history.dates)
    first = window.first
    return Stretch(
        period=period,
        complete=window.complete,
        first=first,
        start_value=history.days[first - 1].total if first else ZERO,
        days=history.days[first:],
        dates=history.dates[first:],
        returns=history.returns[first:],
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
