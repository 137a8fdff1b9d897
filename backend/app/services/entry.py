"""A ledger entry before and after it has its place in the ledger."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from app.core.money import ZERO
from app.models import EntryKind
from app.quant.lots import ClosedLot, Pick


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
    after_close: bool = False
    picks: tuple[Pick, ...] | None = None
    fraction: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Booked:
    """An entry at its place in the ledger."""

    id: int
    sequence: int
    booked_at: datetime
    entry: Entry
