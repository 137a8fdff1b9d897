"""Marking to market: what every active portfolio was worth at each close, written down once.

A portfolio's values are a projection of its ledger and of the prices, so marking a day again is
safe, and a corrected price is followed by marking again from its session on. The last marked
session is always marked again, because trades may have followed its first marking.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, localcontext
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, TypeAlias

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.money import ZERO, to_cents
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, LedgerEntry, Portfolio, PortfolioStatus, PortfolioValue
from app.quant.costs import EXACT
from app.services import corporate_actions, valuation
from app.services.projection import EMPTY, Book, apply

AT_ONCE = 50
"""Portfolios whose ledgers are in memory together."""

FLOWS = frozenset({EntryKind.DEPOSIT, EntryKind.WITHDRAWAL})
TRADES = frozenset({EntryKind.BUY, EntryKind.SELL})

Entry: TypeAlias = Any
"""A ledger row with the columns of `_ENTRIES`."""

_ENTRIES = select(
    LedgerEntry.portfolio_id,
    LedgerEntry.kind,
    LedgerEntry.etf_id,
    LedgerEntry.quantity,
    LedgerEntry.reference_price,
    LedgerEntry.price,
    LedgerEntry.fee,
    LedgerEntry.amount,
    LedgerEntry.session,
)


@dataclass(frozen=True, slots=True)
class Marked:
    """How many portfolios were marked, at how many closes in all, and actions booked on the way."""

    portfolios: int
    values: int
    actions: int


@dataclass(frozen=True, slots=True)
class DayValue:
    """One row of `portfolio_values` before it is stored."""

    session: date
    cash: Decimal
    positions_value: Decimal
    external_flow: Decimal
    costs: Decimal
    carried: bool

    @property
    def total(self) -> Decimal:
        return self.cash + self.positions_value


async def mark(
    session: AsyncSession, market: MarketSnapshot, *, since: date | None, now: datetime
) -> Marked:
    """Book due corporate actions and value every active portfolio of the market.

    From `since` on, where it is given and earlier than the last marked session, else from that; a
    portfolio's first value is of the session it was opened on.
    """
    query = (
        select(Portfolio)
        .where(Portfolio.market == market.code, Portfolio.status == PortfolioStatus.ACTIVE)
        .order_by(Portfolio.id)
        .with_for_update()
    )
    portfolios = iter((await session.scalars(query)).all())
    total = Marked(0, 0, 0)
    while some := list(islice(portfolios, AT_ONCE)):
        done = await mark_portfolios(session, market, some, since=since, now=now)
        total = Marked(
            total.portfolios + done.portfolios,
            total.values + done.values,
            total.actions + done.actions,
        )
    return total


async def mark_portfolios(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolios: Sequence[Portfolio],
    *,
    since: date | None = None,
    now: datetime,
) -> Marked:
    """The same for some portfolios, which the caller has locked."""
    actions = 0
    learned: dict[int, date] = {}
    for portfolio in portfolios:
        booked = await corporate_actions.settle(session, market, portfolio, now=now)
        actions += len(booked)
        known = [entry.entry.session for entry in booked] + ([since] if since else [])
        if known:
            learned[portfolio.id] = min(known)
    ids = [portfolio.id for portfolio in portfolios]
    marked, entries = await _last_marked(session, ids), await read_entries(session, ids)
    rows = [
        {"portfolio_id": portfolio.id, "data_version": market.data_version, **_columns(day)}
        for portfolio in portfolios
        for day in values(
            market,
            entries.get(portfolio.id, ()),
            first=_first(portfolio, marked.get(portfolio.id), learned.get(portfolio.id)),
        )
    ]
    if rows:
        statement = insert(PortfolioValue)
        changed = {
            name: statement.excluded[name]
            for name in rows[0]
            if name not in {"portfolio_id", "session"}
        }
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["portfolio_id", "session"], set_=changed
            ),
            rows,
        )
    return Marked(len(portfolios), len(rows), actions)


def values(market: MarketSnapshot, entries: Sequence[Entry], *, first: date) -> Iterator[DayValue]:
    """The value at every close from `first` on; entries of later sessions are not seen."""
    days: list[date] = market.panel.sessions.tolist()
    by_session = sorted(entries, key=attrgetter("session"))
    of_day = {day: list(group) for day, group in groupby(by_session, attrgetter("session"))}
    book = EMPTY
    for day, group in of_day.items():
        if day < first:
            book = _after(book, group)
    for day in days[max(market.column(first), 0) :]:
        if day < first:
            continue
        todays = of_day.get(day, [])
        book = _after(book, todays)
        yield day_value(market, book, todays, day)


def day_value(market: MarketSnapshot, book: Book, todays: Sequence[Entry], day: date) -> DayValue:
    worth = valuation.value(market, book.cash, book.holdings.values(), day)
    return DayValue(
        session=day,
        cash=book.cash,
        positions_value=worth.positions_value,
        external_flow=sum((e.amount for e in todays if e.kind in FLOWS), ZERO),
        costs=sum((cost_of(e) for e in todays if e.kind in TRADES), ZERO),
        carried=worth.carried,
    )


def cost_of(trade: Entry) -> Decimal:
    """What one trade cost against its reference price, fees included."""
    with localcontext(EXACT):
        slipped = abs(trade.price - trade.reference_price) * trade.quantity
        return to_cents(slipped) + trade.fee


def _after(book: Book, entries: Sequence[Entry]) -> Book:
    for entry in entries:
        book = apply(book, entry)
    return book


def _first(portfolio: Portfolio, marked: date | None, since: date | None) -> date:
    """The first session to mark; nothing was worth anything before the opening."""
    again = portfolio.opened_on if marked is None else marked
    return max(min(again, since or again), portfolio.opened_on)


def _columns(day: DayValue) -> dict[str, object]:
    return {
        "session": day.session,
        "cash": day.cash,
        "positions_value": day.positions_value,
        "external_flow": day.external_flow,
        "costs": day.costs,
        "carried": day.carried,
    }


async def _last_marked(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, date]:
    query = (
        select(PortfolioValue.portfolio_id, func.max(PortfolioValue.session))
        .where(PortfolioValue.portfolio_id.in_(ids))
        .group_by(PortfolioValue.portfolio_id)
    )
    return dict((await session.execute(query)).all())


async def read_entries(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, Sequence[Entry]]:
    """The ledger of each portfolio in the order of its sequence."""
    query = _ENTRIES.where(LedgerEntry.portfolio_id.in_(ids)).order_by(
        LedgerEntry.portfolio_id, LedgerEntry.sequence
    )
    rows = (await session.execute(query)).all()
    return {key: list(group) for key, group in groupby(rows, attrgetter("portfolio_id"))}
