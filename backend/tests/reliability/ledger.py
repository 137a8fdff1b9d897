"""What the database says, read by SQL of our own, in exact numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import psycopg
from psycopg.rows import class_row

TRADES = frozenset({"buy", "sell"})


@dataclass(frozen=True, slots=True)
class Row:
    """A ledger entry as the database holds it; `key` is whatever asked for it."""

    portfolio_id: int
    sequence: int
    kind: str
    ticker: str | None
    quantity: Fraction | None
    price: Fraction | None
    fee: Fraction
    amount: Fraction
    order_id: str | None
    key: str | None
    event_id: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A remembered first answer."""

    key: str
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the database holds it; `states` are those of its events, oldest first."""

    id: str
    key: str | None
    event_id: int | None
    state: str
    filled: str
    states: list[str]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the database says about the portfolios of one run."""

    rows: tuple[Row, ...]
    kept: dict[str, Kept]
    events: frozenset[int]
    orders: tuple[Order, ...]

    def of(self, portfolio_id: int) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.portfolio_id == portfolio_id)


def read_ledger(address: str, portfolio_ids: Sequence[int]) -> Ledger:
    about = {"portfolio_ids": list(portfolio_ids)}
    with psycopg.connect(address) as connection:
        rows = connection.cursor(row_factory=class_row(_RawRow)).execute(_ROWS, about).fetchall()
        kept = connection.cursor(row_factory=class_row(Kept)).execute(_KEPT).fetchall()
        orders = connection.cursor(row_factory=class_row(Order)).execute(_ORDERS, about).fetchall()
        events = connection.execute(_EVENTS, about).fetchall()
    return Ledger(
        tuple(row.exact() for row in rows),
        {answer.key: answer for answer in kept},
        frozenset(number for (number,) in events),
        tuple(orders),
    )


@dataclass(frozen=True, slots=True)
class _RawRow:
    portfolio_id: int
    sequence: int
    kind: str
    ticker: str | None
    quantity: str | None
    price: str | None
    fee: str
    amount: str
    order_id: str | None
    key: str | None
    event_id: int | None
    reason: str

    def exact(self) -> Row:
        return Row(
            self.portfolio_id,
            self.sequence,
            self.kind,
            self.ticker,
            None if self.quantity is None else Fraction(self.quantity),
            None if self.price is None else Fraction(self.price),
            Fraction(self.fee),
            Fraction(self.amount),
            self.order_id,
            self.key if self.kind in TRADES else self.reason,
            self.event_id,
        )


_ROWS = """
    SELECT entry.portfolio_id, sequence, kind, ticker, quantity::text, price::text, fee::text,
        amount::text, order_id::text, idempotency_key AS key, rebalance_event_id AS event_id, reason
    FROM ledger_entries AS entry LEFT JOIN etfs ON etfs.id = entry.etf_id
    WHERE portfolio_id = ANY(%(portfolio_ids)s) ORDER BY portfolio_id, sequence
    """
_KEPT = "SELECT key, status, body FROM idempotency_keys"
_EVENTS = "SELECT id FROM rebalance_events WHERE portfolio_id = ANY(%(portfolio_ids)s)"
_ORDERS = """
    SELECT id::text, idempotency_key AS key, rebalance_event_id AS event_id, orders.state,
        filled_quantity::text AS filled, array_agg(event.state ORDER BY number) AS states
    FROM orders LEFT JOIN order_events AS event ON event.order_id = orders.id
    WHERE portfolio_id = ANY(%(portfolio_ids)s) GROUP BY orders.id ORDER BY orders.id
    """
