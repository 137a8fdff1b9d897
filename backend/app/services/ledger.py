"""The only writer of ledger entries and of what goes with them: cash, positions, lots, orders.

The caller holds the lock on the portfolio's row. Entries, cash, sequence, positions, tax lots and
orders change in one statement, so no reader ever sees one without the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, LiteralString, cast

from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from app.core.database import rows
from app.core.errors import NotFound
from app.models import LedgerEntry, Portfolio
from app.quant.lots import Lot, LotMethod
from app.services.book_statement import BookChange, write
from app.services.entry import Booked, Entry
from app.services.lot_book import CLOSES, LotBook
from app.services.order_life import OrderLife
from app.services.projection import Book, Holding, Movement, fold

_HOLDINGS = """
    SELECT etf_id, quantity, cost_basis, opened_on FROM positions
    WHERE portfolio_id = %(portfolio_id)s
    """
_HOLDINGS_OF = f"{_HOLDINGS} AND etf_id = ANY(%(etf_ids)s)"


_LOTS = """
    SELECT etf_id, number, acquired_on, quantity, cost FROM tax_lots
    WHERE portfolio_id = %(portfolio_id)s ORDER BY number
    """
_LOTS_OF = """
    SELECT etf_id, number, acquired_on, quantity, cost FROM tax_lots
    WHERE portfolio_id = %(portfolio_id)s AND etf_id = ANY(%(etf_ids)s) ORDER BY number
    """


_COLUMNS = tuple(inspect(Portfolio).columns.keys())
_LOCK: LiteralString = """
    SELECT portfolio.*, seen.last_sequence AS seen, etf.id AS etf_id, held.quantity,
        held.cost_basis, held.opened_on AS held_since
    FROM portfolios AS portfolio
    JOIN portfolios AS seen ON seen.id = portfolio.id
    LEFT JOIN etfs AS etf ON etf.market = portfolio.market AND etf.ticker = %(ticker)s
    LEFT JOIN positions AS held ON held.portfolio_id = portfolio.id AND held.etf_id = etf.id
    WHERE portfolio.id = %(portfolio_id)s AND portfolio.owner_id = %(owner_id)s
    FOR UPDATE OF portfolio
    """


async def lock(
    session: AsyncSession, owner_id: int, portfolio_id: int, ticker: str
) -> tuple[Portfolio, Mapping[int, Holding] | None]:
    """This owner's portfolio, locked, and what it holds of one ETF where that is certain.

    Having waited for the lock, PostgreSQL gives the newest row of the portfolio beside a position
    as it was before. The sequence that it saw before then differs, and the position is left out.
    Raises NotFound.
    """
    about = {"owner_id": owner_id, "portfolio_id": portfolio_id, "ticker": ticker}
    for row in await rows(session, _LOCK, about):
        portfolio = _known_to(session, row)
        if row.last_sequence != row.seen:
            return portfolio, None
        if row.quantity is None:
            return portfolio, {}
        held = Holding(row.etf_id, row.quantity, row.cost_basis, row.held_since)
        return portfolio, {held.etf_id: held}
    raise NotFound("portfolio")


def _known_to(session: AsyncSession, row: Any) -> Portfolio:
    """The row as an object of the session, as if the session itself had read it."""
    portfolio = Portfolio(**{name: getattr(row, name) for name in _COLUMNS})
    make_transient_to_detached(portfolio)
    session.add(portfolio)
    return portfolio


async def book(
    session: AsyncSession,
    portfolio: Portfolio,
    entry: Entry,
    *,
    now: datetime,
    holdings: Mapping[int, Holding] | None = None,
) -> Booked:
    """Write one entry and what follows from it; see `book_all`."""
    booked = await book_all(session, portfolio, [entry], now=now, holdings=holdings)
    return booked[0]


async def book_all(
    session: AsyncSession,
    portfolio: Portfolio,
    entries: Sequence[Entry],
    *,
    now: datetime,
    holdings: Mapping[int, Holding] | None = None,
    orders: Sequence[OrderLife] = (),
) -> tuple[Booked, ...]:
    """Write `entries` in their order and what became of `orders`, all or none.

    `holdings` are those of the entries' ETFs, read under the lock by a caller who needed them
    anyway. Raises InsufficientCash or InsufficientShares where an entry would leave less than
    nothing, and what `LotBook.book` raises where lots were chosen that are not there.
    """
    if not entries and not orders:
        return ()
    etf_ids = {entry.etf_id for entry in entries if entry.etf_id is not None}
    if holdings is None:
        holdings = await read_holdings(session, portfolio.id, etf_ids) if etf_ids else {}
    after = fold(entries, Book(portfolio.cash, holdings))
    first = portfolio.last_sequence + 1
    lots = await _lots_before(session, portfolio, entries)
    entries = [
        replace(entry, closed_lots=lots.book(entry, first + i)) for i, entry in enumerate(entries)
    ]
    change = BookChange(portfolio.id, first, entries, holdings, after, lots, orders)
    written = await write(session, change, now=now)
    set_committed_value(portfolio, "cash", after.cash)
    set_committed_value(portfolio, "last_sequence", change.last_sequence)
    return tuple(
        Booked(entry_id, first + i, now, entry)
        for i, (entry_id, entry) in enumerate(zip(written, entries, strict=True))
    )


async def _lots_before(
    session: AsyncSession, portfolio: Portfolio, entries: Sequence[Entry]
) -> LotBook:
    """The open lots of those ETFs of which something is closed or split."""
    closing = {entry.etf_id for entry in entries if entry.kind in CLOSES and entry.etf_id}
    return LotBook(
        await read_lots(session, portfolio.id, closing) if closing else {},
        LotMethod(portfolio.settings.get("lot_method", LotMethod.FIFO)),
    )


async def read_holdings(
    session: AsyncSession, portfolio_id: int, etf_ids: set[int] | None = None
) -> dict[int, Holding]:
    """What the portfolio holds now, by ETF; of the given ETFs only, where they are given."""
    wanted = None if etf_ids is None else list(etf_ids)
    held = await rows(
        session,
        _HOLDINGS if wanted is None else _HOLDINGS_OF,
        {"portfolio_id": portfolio_id, "etf_ids": wanted},
    )
    return {row.etf_id: Holding(*row) for row in sorted(held)}


async def read_lots(
    session: AsyncSession, portfolio_id: int, etf_ids: set[int] | None = None
) -> dict[int, tuple[Lot, ...]]:
    """The open tax lots by ETF, oldest entry first; of the given ETFs only, where given."""
    wanted = None if etf_ids is None else list(etf_ids)
    found: dict[int, list[Lot]] = {}
    for row in await rows(
        session,
        _LOTS if wanted is None else _LOTS_OF,
        {"portfolio_id": portfolio_id, "etf_ids": wanted},
    ):
        etf_id, *lot = row
        found.setdefault(etf_id, []).append(Lot(*lot))
    return {etf_id: tuple(lots) for etf_id, lots in found.items()}


async def current_book(session: AsyncSession, portfolio: Portfolio) -> Book:
    return Book(portfolio.cash, await read_holdings(session, portfolio.id))


async def read_book(session: AsyncSession, portfolio_id: int, until: date | None = None) -> Book:
    """The book as it was after the session `until`, or is now, rebuilt from the ledger."""
    return fold(await read_movements(session, portfolio_id, until))


async def read_movements(
    session: AsyncSession, portfolio_id: int, until: date | None = None
) -> Sequence[Movement]:
    """What a fold reads of each entry, in the order of their sequence."""
    query = (
        select(
            LedgerEntry.kind,
            LedgerEntry.etf_id,
            LedgerEntry.quantity,
            LedgerEntry.price,
            LedgerEntry.fee,
            LedgerEntry.amount,
            LedgerEntry.session,
        )
        .where(LedgerEntry.portfolio_id == portfolio_id)
        .order_by(LedgerEntry.sequence)
    )
    if until is not None:
        query = query.where(LedgerEntry.session <= until)
    return cast("Sequence[Movement]", (await session.execute(query)).all())
