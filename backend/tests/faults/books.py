"""All that the database holds of a portfolio, to be compared: as it is, or apart from its names.

Two runs of the same requests differ in the ids that were drawn, in times and in the portfolio's
name. `Book.told` leaves those out, numbers the UUIDs as they come, and keeps everything else.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from sqlalchemy import text

from app.bootstrap import Resources
from app.core.database import Base, unit_of_work

Row = dict[str, Any]

DRAWN = frozenset({"id", "portfolio_id", "owner_id", "rebalance_event_id", "name", "fingerprint"})
TIMES = frozenset(
    {"created_at", "updated_at", "booked_at", "executed_at", "closed_at", "at", "computed_at"}
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_OF_TABLE: LiteralString = "SELECT to_jsonb(t)::text FROM {} t WHERE {} ORDER BY t::text"
_OWN: LiteralString = "t.portfolio_id = :portfolio_id"
_OTHERS: dict[LiteralString, LiteralString] = {
    "portfolios": "t.id = :portfolio_id",
    "order_events": "t.order_id IN (SELECT id FROM orders WHERE portfolio_id = :portfolio_id)",
    "idempotency_keys": "t.owner_id = :owner_id",
}


@dataclass(frozen=True, slots=True)
class Book:
    """The rows of a portfolio by table, and the answers kept for its owner's keys."""

    rows: Mapping[str, list[Row]]

    def told(self, *answers: tuple[int, Any]) -> str:
        """The same text for the same book, whenever and by whatever ids it was made.

        With `answers`, statuses and documents, which speak of the same ids.
        """
        names: dict[str, str] = {}

        def named(text: str) -> str:
            return _UUID.sub(lambda found: names.setdefault(found[0], f"uuid {len(names)}"), text)

        # Where rows have an order of their own the UUIDs get their numbers; the rest then has one.
        ledger = sorted(self.rows["ledger_entries"], key=lambda row: row["sequence"])
        orders = sorted(self.rows.get("orders", []), key=lambda row: _UUID.sub("", _told(row)))
        first = [named(_told(row)) for row in [*ledger, *orders, *answers]]
        rest = [
            f"{table} {row}"
            for table, rows in sorted(self.rows.items())
            for row in sorted(named(_told(row)) for row in rows)
        ]
        return "\n".join([*first, *rest])


async def read(resources: Resources, portfolio_id: int | str) -> Book:
    """What is committed of the portfolio, and of the keys of its owner."""
    about = {"portfolio_id": portfolio_id, "owner_id": resources.owner_id}
    async with unit_of_work(resources.sessions) as session:
        rows = {}
        for table, which in _queries().items():
            found = await session.scalars(text(_OF_TABLE.format(table, which)), about)
            rows[table] = [_opened(row) for row in found]
    return Book(rows)


def _queries() -> dict[str, str]:
    tables = Base.metadata.tables
    own = {name: _OWN for name, table in tables.items() if "portfolio_id" in table.columns}
    return own | {name: which for name, which in _OTHERS.items() if name in tables}


def _opened(written: str) -> Row:
    """A row with exact numbers, and a kept answer as the document that it is, not as its bytes."""
    row: Row = json.loads(written, parse_float=str)
    body = row.get("body")
    if not isinstance(body, str):
        return row
    return {**row, "body": json.loads(bytes.fromhex(body.removeprefix("\\x")))}


def _told(value: object) -> str:
    return json.dumps(_without_drawn(value), sort_keys=True)


def _without_drawn(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _kept(name, each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_drawn(each) for each in value]
    return value


def _kept(name: str, value: Any) -> Any:
    """A UUID stays, to be numbered; of what is drawn and of times only whether there is one."""
    if name in DRAWN | TIMES and not (isinstance(value, str) and _UUID.fullmatch(value)):
        return value is not None
    return _without_drawn(value)
