"""The only writer of ledger entries and of what goes with them: cash, positions, lots, orders.

The caller holds the lock on the portfolio's row. Entries, cash, sequence, positions, tax lots and
orders change in one statement, so no reader ever sees one without the others.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, LiteralString, cast
from uuid import UUID

from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from app.core.database import rows
from app.core.errors import NotFound
from app.core.money import ZERO
from app.models import EntryKind, LedgerEntry, Portfolio
from app.quant.lots import ClosedLot, Lot, LotMethod, Pick
from app.services.lot_book import CLOSES, LotBook
from app.services.order_life import Change, OrderLife
from app.services.projection import Book, Holding, Movement, fold


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened to a portfolio, before it has its place in the ledger.

    `picks` are the tax lots that a sale closes, None those of the portfolio's method; `fraction`
    the shares of a split that were paid out in cash. `closed_lots` is found when it is booked.
    """

    kind: EntryKind
    session: date
    amount: Decimal
    reason: str
    source: str
    fee: Decimal = ZERO
    etf_id: int | None = None
    quantity: Decimal | None = None
    reference_price: Decimal | None = None
    price: Decimal | None = None
    price_date: date | None = None
    order_id: UUID | None = None
    fill_number: int | None = None
    idempotency_key: str | None = None
    rebalance_event_id: int | None = None
    action_id: int | None = None
    action_value: Decimal | None = None
    revision: int | None = None
    closed_lots: tuple[ClosedLot, ...] | None = None
    picks: tuple[Pick, ...] | None = None
    fraction: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Booked:
    """An entry at its place in the ledger."""

    id: int
    sequence: int
    booked_at: datetime
    entry: Entry


_WRITE = """
    WITH opened AS (
        INSERT INTO orders (
            portfolio_id, id, etf_id, side, order_type, time_in_force, fill_at, quantity,
            filled_quantity, limit_price, stop_price, triggered_on, state, reason_code, origin,
            reason, lots, idempotency_key, rebalance_event_id, session, created_at, updated_at)
        SELECT %(portfolio_id)s, o.*, %(booked_at)s
        FROM jsonb_to_recordset(CAST(%(opened)s AS jsonb)) AS o (
            id uuid, etf_id int, side text, order_type text, time_in_force text, fill_at text,
            quantity numeric, filled_quantity numeric, limit_price numeric, stop_price numeric,
            triggered_on date, state text, reason_code text, origin text, reason text, lots jsonb,
            idempotency_key text, rebalance_event_id int, session date, created_at timestamptz)
    ), changed AS (
        UPDATE orders SET state = o.state, reason_code = o.reason_code, quantity = o.quantity,
            filled_quantity = o.filled_quantity, limit_price = o.limit_price,
            stop_price = o.stop_price, triggered_on = o.triggered_on, updated_at = %(booked_at)s
        FROM jsonb_to_recordset(CAST(%(changed)s AS jsonb)) AS o (
            id uuid, state text, reason_code text, quantity numeric, filled_quantity numeric,
            limit_price numeric, stop_price numeric, triggered_on date)
        WHERE orders.id = o.id AND orders.portfolio_id = %(portfolio_id)s
    ), happened AS (
        INSERT INTO order_events (
            order_id, number, state, reason_code, message, session, at, quantity, price)
        SELECT * FROM jsonb_to_recordset(CAST(%(changes)s AS jsonb)) AS change (
            order_id uuid, number int, state text, reason_code text, message text, session date,
            at timestamptz, quantity numeric, price numeric)
    ), booked AS (
        INSERT INTO ledger_entries (
            portfolio_id, booked_at, sequence, kind, session, amount, reason, source, fee, etf_id,
            quantity, reference_price, price, price_date, order_id, fill_number, idempotency_key,
            rebalance_event_id, action_id, action_value, revision, closed_lots)
        SELECT %(portfolio_id)s, %(booked_at)s, entry.*
        FROM jsonb_to_recordset(CAST(%(entries)s AS jsonb)) AS entry (
            sequence int, kind text, session date, amount numeric, reason text, source text,
            fee numeric, etf_id int, quantity numeric, reference_price numeric, price numeric,
            price_date date, order_id uuid, fill_number int, idempotency_key text,
            rebalance_event_id int, action_id int, action_value numeric, revision int,
            closed_lots jsonb)
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
    ), lots_gone AS (
        DELETE FROM tax_lots
        WHERE portfolio_id = %(portfolio_id)s AND number = ANY(CAST(%(lots_gone)s AS int[]))
    ), lots_kept AS (
        INSERT INTO tax_lots (portfolio_id, etf_id, number, acquired_on, quantity, cost)
        SELECT %(portfolio_id)s, lot.*
        FROM jsonb_to_recordset(CAST(%(lots_kept)s AS jsonb)) AS lot (
            etf_id int, number int, acquired_on date, quantity numeric, cost numeric)
        ON CONFLICT (portfolio_id, number) DO UPDATE
        SET quantity = excluded.quantity, cost = excluded.cost
    )
    SELECT id FROM booked ORDER BY sequence
    """

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
    closing = {entry.etf_id for entry in entries if entry.kind in CLOSES and entry.etf_id}
    lots = LotBook(
        await read_lots(session, portfolio.id, closing) if closing else {},
        LotMethod(portfolio.settings.get("lot_method", LotMethod.FIFO)),
    )
    entries = [
        replace(entry, closed_lots=lots.book(entry, first + i)) for i, entry in enumerate(entries)
    ]
    written = await rows(
        session,
        _WRITE,
        {
            "portfolio_id": portfolio.id,
            "booked_at": now,
            "entries": _json(
                [{"sequence": first + i, **_entry(each)} for i, each in enumerate(entries)]
            ),
            "cash": after.cash,
            "last_sequence": portfolio.last_sequence + len(entries),
            "closed": [each for each in etf_ids if each in holdings and each not in after.holdings],
            "kept": _json([_fields(after.holdings[e]) for e in etf_ids if e in after.holdings]),
            "lots_gone": lots.gone(),
            "lots_kept": _json([{"etf_id": e, **_fields(lot)} for e, lot in lots.kept()]),
            **_written_orders(orders),
        },
    )
    set_committed_value(portfolio, "cash", after.cash)
    set_committed_value(portfolio, "last_sequence", portfolio.last_sequence + len(entries))
    return tuple(
        Booked(entry_id, first + i, now, entry)
        for i, ((entry_id,), entry) in enumerate(zip(written, entries, strict=True))
    )


def _written_orders(orders: Sequence[OrderLife]) -> dict[str, str]:
    return {
        "opened": _json([_order(order) for order in orders if not order.written]),
        "changed": _json([_order(order) for order in orders if order.written]),
        "changes": _json(
            [{"order_id": order.id, **_fields(each)} for order in orders for each in order.changes]
        ),
    }


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
    found: dict[int, tuple[Lot, ...]] = {}
    for row in await rows(
        session,
        _LOTS if wanted is None else _LOTS_OF,
        {"portfolio_id": portfolio_id, "etf_ids": wanted},
    ):
        etf_id, *lot = row
        found[etf_id] = (*found.get(etf_id, ()), Lot(*lot))
    return found


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


def _entry(entry: Entry) -> dict[str, object]:
    closed = entry.closed_lots
    row = _fields(entry)
    del row["picks"], row["fraction"]
    return {**row, "closed_lots": closed and [_fields(lot) for lot in closed]}


def _order(order: OrderLife) -> dict[str, object]:
    row = _fields(order)
    del row["picks"], row["written"], row["fills"], row["changes"]
    picks = order.picks and [{"lot": p.number, "quantity": p.quantity} for p in order.picks]
    return {**row, "lots": picks}


def _fields(row: Entry | Holding | Lot | ClosedLot | OrderLife | Change) -> dict[str, object]:
    """As `asdict`, which is slow because it copies deeply what cannot change anyway."""
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _json(rows: Sequence[Mapping[str, object]]) -> str:
    return json.dumps(rows, default=str)
