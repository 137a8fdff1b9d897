"""Entries of corporate actions written into the books of many portfolios by one statement.

The same change of a book as `ledger.book_all` makes, entry by entry; only how it is sent differs.
The caller holds the locks on all the portfolios' rows. No entry is an order's.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import rows
from app.quant.lots import Lot, LotMethod
from app.services.book_statement import BookChange, entry_fields, row_fields
from app.services.entry import Booked, Entry
from app.services.lot_book import CLOSES, LotBook
from app.services.projection import Book, Holding, fold

_HELD = """
    SELECT held.portfolio_id, held.etf_id, held.quantity, held.cost_basis, held.opened_on
    FROM unnest(CAST(%(portfolio_ids)s AS int[]), CAST(%(etf_ids)s AS int[]))
        AS wanted (portfolio_id, etf_id)
    JOIN positions AS held ON held.portfolio_id = wanted.portfolio_id
        AND held.etf_id = wanted.etf_id
    """
_LOTS = """
    SELECT lot.portfolio_id, lot.etf_id, lot.number, lot.acquired_on, lot.quantity, lot.cost
    FROM unnest(CAST(%(portfolio_ids)s AS int[]), CAST(%(etf_ids)s AS int[]))
        AS wanted (portfolio_id, etf_id)
    JOIN tax_lots AS lot ON lot.portfolio_id = wanted.portfolio_id AND lot.etf_id = wanted.etf_id
    ORDER BY lot.portfolio_id, lot.number
    """
_WRITE: LiteralString = """
    WITH many AS MATERIALIZED (
        SELECT CAST(%(many)s AS jsonb) AS it
    ), booked AS (
        INSERT INTO ledger_entries (
            booked_at, portfolio_id, sequence, kind, session, amount, reason, source, fee, etf_id,
            quantity, price, action_id, action_value, revision, closed_lots)
        SELECT %(booked_at)s, entry.*
        FROM jsonb_to_recordset((SELECT it -> 'entries' FROM many)) AS entry (
            portfolio_id int, sequence int, kind text, session date, amount numeric, reason text,
            source text, fee numeric, etf_id int, quantity numeric, price numeric, action_id int,
            action_value numeric, revision int, closed_lots jsonb)
        ORDER BY portfolio_id, sequence
        RETURNING id, portfolio_id, sequence
    ), portfolio AS (
        UPDATE portfolios SET cash = after.cash, last_sequence = after.last_sequence
        FROM jsonb_to_recordset((SELECT it -> 'portfolios' FROM many)) AS after (
            id int, cash numeric, last_sequence int)
        WHERE portfolios.id = after.id
    ), closed AS (
        DELETE FROM positions
        USING jsonb_to_recordset((SELECT it -> 'closed' FROM many)) AS gone (
            portfolio_id int, etf_id int)
        WHERE positions.portfolio_id = gone.portfolio_id AND positions.etf_id = gone.etf_id
    ), kept AS (
        INSERT INTO positions (portfolio_id, etf_id, quantity, cost_basis, opened_on)
        SELECT held.* FROM jsonb_to_recordset((SELECT it -> 'kept' FROM many)) AS held (
            portfolio_id int, etf_id int, quantity numeric, cost_basis numeric, opened_on date)
        ON CONFLICT (portfolio_id, etf_id) DO UPDATE
        SET quantity = excluded.quantity, cost_basis = excluded.cost_basis,
            opened_on = excluded.opened_on
    ), lots_gone AS (
        DELETE FROM tax_lots
        USING jsonb_to_recordset((SELECT it -> 'lots_gone' FROM many)) AS gone (
            portfolio_id int, number int)
        WHERE tax_lots.portfolio_id = gone.portfolio_id AND tax_lots.number = gone.number
    ), lots_kept AS (
        INSERT INTO tax_lots (portfolio_id, etf_id, number, acquired_on, quantity, cost)
        SELECT lot.* FROM jsonb_to_recordset((SELECT it -> 'lots_kept' FROM many)) AS lot (
            portfolio_id int, etf_id int, number int, acquired_on date, quantity numeric,
            cost numeric)
        ON CONFLICT (portfolio_id, number) DO UPDATE
        SET quantity = excluded.quantity, cost = excluded.cost
    )
    SELECT id, portfolio_id, sequence FROM booked
    """
_COLUMNS = (
    "sequence", "kind", "session", "amount", "reason", "source", "fee", "etf_id", "quantity",
    "price", "action_id", "action_value", "revision", "closed_lots",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewEntries:
    """What is to be booked in one portfolio, and its book's cash, last sequence and lot method."""

    portfolio_id: int
    cash: Decimal
    last_sequence: int
    lot_method: LotMethod
    entries: Sequence[Entry]

    def etf_ids(self, kinds: Iterable[str] | None = None) -> set[tuple[int, int]]:
        """With the portfolio's id, the ETFs of its entries; of those of some kinds only."""
        return {
            (self.portfolio_id, entry.etf_id)
            for entry in self.entries
            if entry.etf_id is not None and (kinds is None or entry.kind in kinds)
        }


async def book(
    session: AsyncSession, wanted: Sequence[NewEntries], *, now: datetime
) -> dict[int, tuple[Booked, ...]]:
    """Write all entries, or none; by portfolio what was booked.

    Raises what `ledger.book_all` raises for the first that cannot be booked.
    """
    held = await _read_held(session, set().union(*(each.etf_ids() for each in wanted)))
    closing = set().union(*(each.etf_ids(CLOSES) for each in wanted))
    lots = await _read_lots(session, closing) if closing else {}
    changes = [
        _change(each, held.get(each.portfolio_id, {}), lots.get(each.portfolio_id, {}))
        for each in wanted
    ]
    about = {"booked_at": now, "many": json.dumps(_many(changes), default=str)}
    ids = {(row[1], row[2]): row[0] for row in await rows(session, _WRITE, about)}
    return {
        change.portfolio_id: tuple(
            Booked(ids[change.portfolio_id, sequence], sequence, now, entry)
            for sequence, entry in enumerate(change.entries, change.first_sequence)
        )
        for change in changes
    }


def _change(
    wanted: NewEntries, held: Mapping[int, Holding], lots: Mapping[int, tuple[Lot, ...]]
) -> BookChange:
    after = fold(wanted.entries, Book(wanted.cash, held))
    book = LotBook(lots, wanted.lot_method)
    first = wanted.last_sequence + 1
    entries = []
    for sequence, entry in enumerate(wanted.entries, first):
        closed = book.book(entry, sequence)
        entries.append(entry if closed is None else replace(entry, closed_lots=closed))
    return BookChange(wanted.portfolio_id, first, entries, held, after, book, ())


def _many(changes: Sequence[BookChange]) -> dict[str, list[dict[str, object]]]:
    many: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
    for change in changes:
        own: dict[str, object] = {"portfolio_id": change.portfolio_id}
        after = change.after.holdings
        for sequence, entry in enumerate(change.entries, change.first_sequence):
            row = {"sequence": sequence, **entry_fields(entry)}
            many["entries"].append(own | {name: row[name] for name in _COLUMNS})
        many["portfolios"].append(
            {
                "id": change.portfolio_id,
                "cash": change.after.cash,
                "last_sequence": change.last_sequence,
            }
        )
        for etf_id, before in change.before.items():
            if etf_id not in after:
                many["closed"].append(own | {"etf_id": etf_id})
            elif after[etf_id] != before:
                many["kept"].append(own | row_fields(after[etf_id]))
        many["lots_gone"] += [own | {"number": number} for number in change.lots.gone()]
        many["lots_kept"] += [
            own | {"etf_id": etf_id} | row_fields(lot) for etf_id, lot in change.lots.kept()
        ]
    empty: dict[str, list[dict[str, object]]] = {"closed": [], "kept": []}
    return empty | many


async def _read_held(
    session: AsyncSession, pairs: set[tuple[int, int]]
) -> dict[int, dict[int, Holding]]:
    found: defaultdict[int, dict[int, Holding]] = defaultdict(dict)
    for portfolio_id, *held in await rows(session, _HELD, _columns(pairs)):
        holding = Holding(*held)
        found[portfolio_id][holding.etf_id] = holding
    return found


async def _read_lots(
    session: AsyncSession, pairs: set[tuple[int, int]]
) -> dict[int, dict[int, tuple[Lot, ...]]]:
    found: defaultdict[int, defaultdict[int, list[Lot]]] = defaultdict(lambda: defaultdict(list))
    for portfolio_id, etf_id, *lot in await rows(session, _LOTS, _columns(pairs)):
        found[portfolio_id][etf_id].append(Lot(*lot))
    return {
        portfolio_id: {etf_id: tuple(lots) for etf_id, lots in of_one.items()}
        for portfolio_id, of_one in found.items()
    }


def _columns(pairs: set[tuple[int, int]]) -> dict[str, Any]:
    ordered = sorted(pairs)
    return {
        "portfolio_ids": [portfolio_id for portfolio_id, _ in ordered],
        "etf_ids": [etf_id for _, etf_id in ordered],
    }
