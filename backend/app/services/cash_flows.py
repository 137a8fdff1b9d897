"""Money that comes into a portfolio or leaves it without a trade, today or with an earlier date."""

from bisect import bisect_left
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Refused
from app.core.money import to_cents
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.schemas.cash import CashCreate
from app.services import cash_history, ledger, marking, settling
from app.services.entry import Booked, Entry

USER = "user"
"""The source of what a person says without naming another."""


class InTheFuture(Refused):
    def __init__(self) -> None:
        super().__init__("The date has not come yet: name a day up to today.")


class NoSessionYet(Refused):
    def __init__(self, latest: date) -> None:
        super().__init__(
            f"There are no prices of that day or a later one yet: import them first, or leave the "
            f"date out to count the money from the latest session, {latest}."
        )


class BeforeTheOpening(Refused):
    def __init__(self, opened_on: date) -> None:
        super().__init__(f"The portfolio was opened on {opened_on}: name that day or a later one.")


async def move_cash(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    wanted: CashCreate,
    *,
    now: datetime,
) -> Booked:
    """Book the money for the session of its date; the values of that day and later are made again.

    Money without a date comes after the latest close: it takes no part in that session's return.

    Raises PortfolioClosed, InTheFuture, NoSessionYet, BeforeTheOpening, UnknownTicker,
    InsufficientCash where the cash of now does not suffice and NotThereThen where that of an
    earlier day did not.
    """
    portfolio.require_active()
    await settling.settle(session, market, portfolio, now=now)
    day = _session(market, portfolio, wanted.date, now)
    kind = wanted.entry_kind
    entry = Entry(
        kind,
        day,
        to_cents(wanted.amount),
        wanted.note or kind.capitalize(),
        wanted.source or USER,
        etf_id=market.etfs[market.row(wanted.ticker)].id if wanted.ticker else None,
        # What is paid today finds the latest session closed: its return was made without it.
        after_close=wanted.date is None and kind in marking.FLOWS,
    )
    late = day < market.latest_session
    if late and -portfolio.cash <= entry.amount < 0:
        cash_history.require_enough(await cash_history.read(session, portfolio.id), [entry])
    booked = await ledger.book(session, portfolio, entry, now=now)
    if late:
        await marking.mark_portfolios(session, market, [portfolio], now=now)
    return booked


def _session(
    market: MarketSnapshot, portfolio: Portfolio, wanted: date | None, now: datetime
) -> date:
    """The first session on or after the day, or the latest where none is named."""
    if wanted is None:
        return market.latest_session
    if wanted > now.date():
        raise InTheFuture
    if wanted < portfolio.opened_on:
        raise BeforeTheOpening(portfolio.opened_on)
    if wanted > market.latest_session:
        raise NoSessionYet(market.latest_session)
    sessions: list[date] = market.panel.sessions.tolist()
    return sessions[bisect_left(sessions, wanted)]
