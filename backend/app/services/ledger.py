"""The only writer of ledger entries and of what is projected from them: cash and positions.

The caller holds the lock on the portfolio's row. Entries, cash, sequence and positions change in
one statement, so no reader ever sees one without the others.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import cast
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.orm.attributes import set_committed_value

from app.core.database import rows
from app.core.errors import NotFound
from app.core.money import ZERO
from app.models import EntryKind, Etf, LedgerEntry, Portfolio, Position, owned_portfolio
from app.services.projection import Book, Holding, Movement, fold


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened to a portfolio, before it has its place in the ledger."""

    kind: EntryKind
    session: date
    amount: Decimal
    reason: str
    fee: Decimal = ZERO
    etf_id: int | None = None
    quantity: Decimal | None = None
    reference_price: Decimal | None = None
    price: Decimal | None = None
    price_date: date | None = None
    order_id: UUID | None = None
    idempotency_key: str | None = None
    rebalance_event_id: int | None = None
    action_id: int | None = None


@dataclass(frozen=True, slots=True)
class Booked:
    """An entry at its place in the ledger."""

    id: int
    sequence: int
    booked_at: datetime
    entry: Entry


_WRITE = """
    WITH booked AS (
        INSERT INTO ledger_entries (
            portfolio_id, booked_at, sequence, kind, session, amount, reason, fee, etf_id, quantity,
            reference_price, price, price_date, order_id, idempotency_key, rebalance_event_id,
            action_id)
        SELECT %(portfolio_id)s, %(booked_at)s, entry.*
        FROM jsonb_to_recordset(CAST(%(entries)s AS jsonb)) AS entry (
            sequence int, kind text, session date, amount numeric, reason text, fee numeric,
            etf_id int, quantity numeric, reference_price numeric, price numeric, price_date date,
            order_id uuid, idempotency_key text, rebalance_event_id int, action_id int)
        ORDER BY sequence
        RETURNING id, sequence
    ), portfolio AS (
        UPDATE portfolios SET cash = %(cash)s, last_sequence = %(last_sequence)s
        WHERE id = %(portfolio_id)s
    ), closed AS (
        DELETE FROM positions
        WHERE portfolio_id = %(portfolio_id)s AND etf_id = ANY(CAST(%(closed)s AS int[]))
    ), kept AS (
        INSERT INTO positions (portfolio_id, etf_id, quantity, cost_basis, opened_on)
        SELECT %(portfolio_id)s, held.*
        FROM jsonb_to_recordset(CAST(%(kept)s AS jsonb)) AS held (
            etf_id int, quantity numeric, cost_basis numeric, opened_on date)
        ON CONFLICT (portfolio_id, etf_id) DO UPDATE
        SET quantity = excluded.quantity, cost_basis = excluded.cost_basis,
            opened_on = excluded.opened_on
    )
    SELECT id FROM booked ORDER BY sequence
    """

_HOLDINGS = """
    SELECT etf_id, quantity, cost_basis, opened_on FROM positions
    WHERE portfolio_id = %(portfolio_id)s
    """
_HOLDINGS_OF = f"{_HOLDINGS} AND etf_id = ANY(%(etf_ids)s)"


_SEEN = aliased(Portfolio)
_LOCK = (
    owned_portfolio(cast("int", bindparam("owner_id")), cast("int", bindparam("portfolio_id")))
    .add_columns(
        select(_SEEN.last_sequence).where(_SEEN.id == Portfolio.id).scalar_subquery(),
        Position.etf_id,
        Position.quantity,
        Position.cost_basis,
        Position.opened_on,
    )
    .outerjoin(Etf, (Etf.market == Portfolio.market) & (Etf.ticker == bindparam("ticker")))
    .outerjoin(Position, (Position.portfolio_id == Portfolio.id) & (Position.etf_id == Etf.id))
    .with_for_update(of=Portfolio)
)


async def lock(
    session: AsyncSession, owner_id: int, portfolio_id: int, ticker: str
) -> tuple[Portfolio, Mapping[int, Holding] | None]:
    """This owner's portfolio, locked, and what it holds of one ETF where that is certain.

    Having waited for the lock, PostgreSQL gives the newest row of the portfolio beside a position
    as it was before. The sequence that it saw before then differs, and the position is left out.
    Raises NotFound.
    """
    about = {"owner_id": owner_id, "portfolio_id": portfolio_id, "ticker": ticker}
    found = (await session.execute(_LOCK, about)).one_or_none()
    if found is None:
        raise NotFound("portfolio")
    portfolio, seen, etf_id, *held = found
    if portfolio.last_sequence != seen:
        return portfolio, None
    return portfolio, {} if etf_id is None else {etf_id: Holding(etf_id, *held)}


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
) -> tuple[Booked, ...]:
    """Write `entries` in their order, all or none.

    `holdings` are those of the entries' ETFs, read under the lock by a caller who needed them
    anyway. Raises InsufficientCash or InsufficientShares where an entry would leave less than
    nothing.
    """
    if not entries:
        return ()
    etf_ids = {entry.etf_id for entry in entries if entry.etf_id is not None}
    if holdings is None:
        holdings = await read_holdings(session, portfolio.id, etf_ids) if etf_ids else {}
    after = fold(entries, Book(portfolio.cash, holdings))
    first = portfolio.last_sequence + 1
    written = await rows(
        session,
        _WRITE,
        {
            "portfolio_id": portfolio.id,
            "booked_at": now,
            "entries": _json(
                [{"sequence": first + i, **_fields(each)} for i, each in enumerate(entries)]
            ),
            "cash": after.cash,
            "last_sequence": portfolio.last_sequence + len(entries),
            "closed": [each for each in etf_ids if each in holdings and each not in after.holdings],
            "kept": _json([_fields(after.holdings[e]) for e in etf_ids if e in after.holdings]),
        },
    )
    set_committed_value(portfolio, "cash", after.cash)
    set_committed_value(portfolio, "last_sequence", portfolio.last_sequence + len(entries))
    return tuple(
        Booked(entry_id, first + i, now, entry)
        for i, ((entry_id,), entry) in enumerate(zip(written, entries, strict=True))
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
    return {row.etf_id: Holding(*row) for row in held}


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


def _fields(row: Entry | Holding) -> dict[str, object]:
    """As `asdict`, which is slow because it copies deeply what cannot change anyway."""
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _json(rows: Sequence[Mapping[str, object]]) -> str:
    return json.dumps(rows, default=str)
