"""The one statement that changes a book: entries, cash, positions, tax lots and orders together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import LiteralString

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import rows
from app.quant.lots import ClosedLot, Lot
from app.services.entry import Entry
from app.services.lot_book import LotBook
from app.services.order_life import Change, OrderLife
from app.services.projection import Book, Holding

_WRITE = """
    WITH book AS MATERIALIZED (
        SELECT CAST(%(book)s AS jsonb) AS it
    ), opened AS (
        INSERT INTO orders (
            portfolio_id, id, etf_id, side, order_type, time_in_force, fill_at, quantity,
            filled_quantity, limit_price, stop_price, triggered_on, state, reason_code, origin,
            reason, lots, idempotency_key, rebalance_event_id, session, created_at, updated_at)
        SELECT %(portfolio_id)s, o.*, %(booked_at)s
        FROM jsonb_to_recordset((SELECT it -> 'opened' FROM book)) AS o (
            id uuid, etf_id int, side text, order_type text, time_in_force text, fill_at text,
            quantity numeric, filled_quantity numeric, limit_price numeric, stop_price numeric,
            triggered_on date, state text, reason_code text, origin text, reason text, lots jsonb,
            idempotency_key text, rebalance_event_id int, session date, created_at timestamptz)
    ), changed AS (
        UPDATE orders SET state = o.state, reason_code = o.reason_code, quantity = o.quantity,
            filled_quantity = o.filled_quantity, limit_price = o.limit_price,
            stop_price = o.stop_price, triggered_on = o.triggered_on, updated_at = %(booked_at)s
        FROM jsonb_to_recordset((SELECT it -> 'changed' FROM book)) AS o (
            id uuid, state text, reason_code text, quantity numeric, filled_quantity numeric,
            limit_price numeric, stop_price numeric, triggered_on date)
        WHERE orders.id = o.id AND orders.portfolio_id = %(portfolio_id)s
    ), happened AS (
        INSERT INTO order_events (
            order_id, number, state, reason_code, message, session, at, quantity, price)
        SELECT * FROM jsonb_to_recordset((SELECT it -> 'changes' FROM book)) AS change (
            order_id uuid, number int, state text, reason_code text, message text, session date,
            at timestamptz, quantity numeric, price numeric)
    ), booked AS (
        INSERT INTO ledger_entries (
            portfolio_id, booked_at, sequence, kind, session, amount, reason, source, fee, etf_id,
            quantity, reference_price, price, price_date, order_id, fill_number, idempotency_key,
            rebalance_event_id, action_id, action_value, revision, closed_lots, after_close)
        SELECT %(portfolio_id)s, %(booked_at)s, entry.*
        FROM jsonb_to_recordset((SELECT it -> 'entries' FROM book)) AS entry (
            sequence int, kind text, session date, amount numeric, reason text, source text,
            fee numeric, etf_id int, quantity numeric, reference_price numeric, price numeric,
            price_date date, order_id uuid, fill_number int, idempotency_key text,
            rebalance_event_id int, action_id int, action_value numeric, revision int,
            closed_lots jsonb, after_close boolean)
        ORDER BY sequence
        RETURNING id, sequence
    ), portfolio AS (
        UPDATE portfolios SET cash = %(cash)s, last_sequence = %(last_sequence)s
        WHERE id = %(portfolio_id)s
    ), closed AS (
        DELETE FROM positions
        WHERE portfolio_id = %(portfolio_id)s AND etf_id IN (
            SELECT jsonb_array_elements_text(it -> 'closed')::int FROM book)
    ), kept AS (
        INSERT INTO positions (portfolio_id, etf_id, quantity, cost_basis, opened_on)
        SELECT %(portfolio_id)s, held.*
        FROM jsonb_to_recordset((SELECT it -> 'kept' FROM book)) AS held (
            etf_id int, quantity numeric, cost_basis numeric, opened_on date)
        ON CONFLICT (portfolio_id, etf_id) DO UPDATE
        SET quantity = excluded.quantity, cost_basis = excluded.cost_basis,
            opened_on = excluded.opened_on
    ), lots_gone AS (
        DELETE FROM tax_lots
        WHERE portfolio_id = %(portfolio_id)s AND number IN (
            SELECT jsonb_array_elements_text(it -> 'lots_gone')::int FROM book)
    ), lots_kept AS (
        INSERT INTO tax_lots (portfolio_id, etf_id, number, acquired_on, quantity, cost)
        SELECT %(portfolio_id)s, lot.*
        FROM jsonb_to_recordset((SELECT it -> 'lots_kept' FROM book)) AS lot (
            etf_id int, number int, acquired_on date, quantity numeric, cost numeric)
        ON CONFLICT (portfolio_id, number) DO UPDATE
        SET quantity = excluded.quantity, cost = excluded.cost
    )
    SELECT id FROM booked ORDER BY sequence
    """
# psycopg remembers how it translated a statement of up to 4,096 characters.
_WRITE_SHORT: LiteralString = " ".join(_WRITE.split())


@dataclass(frozen=True, slots=True)
class BookChange:
    """What is written of one portfolio. `before` and `after` are the holdings of `etf_ids`."""

    portfolio_id: int
    first_sequence: int
    entries: Sequence[Entry]
    before: Mapping[int, Holding]
    after: Book
    lots: LotBook
    orders: Sequence[OrderLife]

    @property
    def last_sequence(self) -> int:
        return self.first_sequence + len(self.entries) - 1


async def write(session: AsyncSession, change: BookChange, *, now: datetime) -> list[int]:
    """The ids of the entries, in their order."""
    touched = {entry.etf_id for entry in change.entries if entry.etf_id is not None}
    after = change.after.holdings
    book = {
        "entries": [
            {"sequence": change.first_sequence + i, **entry_fields(each)}
            for i, each in enumerate(change.entries)
        ],
        "closed": [each for each in touched if each in change.before and each not in after],
        "kept": [row_fields(after[each]) for each in touched if each in after],
        "lots_gone": change.lots.gone(),
        "lots_kept": [{"etf_id": e, **row_fields(lot)} for e, lot in change.lots.kept()],
        **_written_orders(change.orders),
    }
    about = {
        "portfolio_id": change.portfolio_id,
        "booked_at": now,
        "cash": change.after.cash,
        "last_sequence": change.last_sequence,
        "book": json.dumps(book, default=str),
    }
    written = await rows(session, _WRITE_SHORT, about)
    return [entry_id for (entry_id,) in written]


def _written_orders(orders: Sequence[OrderLife]) -> dict[str, list[dict[str, object]]]:
    return {
        "opened": [_order(order) for order in orders if not order.written],
        "changed": [_order(order) for order in orders if order.written],
        "changes": [
            {"order_id": order.id, **row_fields(each)} for order in orders for each in order.changes
        ],
    }


def entry_fields(entry: Entry) -> dict[str, object]:
    closed = entry.closed_lots
    row = row_fields(entry)
    del row["picks"], row["fraction"]
    return {**row, "closed_lots": closed and [row_fields(lot) for lot in closed]}


def _order(order: OrderLife) -> dict[str, object]:
    row = row_fields(order)
    del row["picks"], row["written"], row["fills"], row["changes"]
    picks = order.picks and [{"lot": p.number, "quantity": p.quantity} for p in order.picks]
    return {**row, "lots": picks}


def row_fields(row: Entry | Holding | Lot | ClosedLot | OrderLife | Change) -> dict[str, object]:
    """As `asdict`, which is slow because it copies deeply what cannot change anyway."""
    return {field.name: getattr(row, field.name) for field in fields(row)}
