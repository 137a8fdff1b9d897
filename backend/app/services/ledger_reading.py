"""The ledger of a portfolio as it stands: every entry in its order, with the lots it closed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.money import ZERO
from app.models import EntryKind, Etf, LedgerEntry, Market, Portfolio
from app.quant.lots import ClosedLot, Pick
from app.schemas.ledger import LedgerEntryRead, LedgerPage


@dataclass(frozen=True, slots=True)
class Recorded:
    """One entry as it was written. A replay reads of it what booking read of the entry."""

    sequence: int
    kind: EntryKind
    etf_id: int | None
    ticker: str | None
    quantity: Decimal | None
    reference_price: Decimal | None
    price: Decimal | None
    price_date: date | None
    fee: Decimal
    amount: Decimal
    session: date
    booked_at: datetime
    reason: str
    source: str
    order_id: UUID | None
    fill_number: int | None
    closed_lots: tuple[ClosedLot, ...] | None
    idempotency_key: str | None
    rebalance_event_id: int | None
    action_id: int | None
    action_value: Decimal | None
    revision: int | None

    @property
    def picks(self) -> tuple[Pick, ...] | None:
        """The lots that were closed, as they were chosen."""
        if self.closed_lots is None:
            return None
        return tuple(Pick(lot.number, lot.quantity) for lot in self.closed_lots)

    @property
    def fraction(self) -> Decimal:
        """The shares of a split that were paid out in cash."""
        if self.kind != EntryKind.SPLIT:
            return ZERO
        return sum((lot.quantity for lot in self.closed_lots or ()), ZERO)


_COLUMNS = (
    LedgerEntry.sequence,
    LedgerEntry.kind,
    LedgerEntry.etf_id,
    Etf.ticker,
    LedgerEntry.quantity,
    LedgerEntry.reference_price,
    LedgerEntry.price,
    LedgerEntry.price_date,
    LedgerEntry.fee,
    LedgerEntry.amount,
    LedgerEntry.session,
    LedgerEntry.booked_at,
    LedgerEntry.reason,
    LedgerEntry.source,
    LedgerEntry.order_id,
    LedgerEntry.fill_number,
    LedgerEntry.closed_lots,
    LedgerEntry.idempotency_key,
    LedgerEntry.rebalance_event_id,
    LedgerEntry.action_id,
    LedgerEntry.action_value,
    LedgerEntry.revision,
)


async def read(
    session: AsyncSession, portfolio_id: int, *, after: int = 0, limit: int | None = None
) -> tuple[Recorded, ...]:
    """The entries after that place in the ledger, all of them or so many at most."""
    query = (
        select(*_COLUMNS)
        .outerjoin(Etf, Etf.id == LedgerEntry.etf_id)
        .where(LedgerEntry.portfolio_id == portfolio_id, LedgerEntry.sequence > after)
        .order_by(LedgerEntry.sequence)
        .limit(limit)
    )
    rows = (await session.execute(query)).mappings()
    return tuple(_recorded(row) for row in rows)


async def page(
    session: AsyncSession, portfolio: Portfolio, *, after: int, limit: int
) -> LedgerPage:
    """The next entries, each with the cash there was after it."""
    earlier = select(func.coalesce(func.sum(LedgerEntry.amount), ZERO)).where(
        LedgerEntry.portfolio_id == portfolio.id, LedgerEntry.sequence <= after
    )
    cash = await session.scalar(earlier) or ZERO
    market = await session.get_one(Market, portfolio.market)
    # One more than asked for says whether there are others.
    found = await read(session, portfolio.id, after=after, limit=limit + 1)
    shown = found[:limit]
    return LedgerPage(
        portfolio_id=portfolio.id,
        market=market.code,
        simulated=market.simulated,
        entries=with_cash(shown, cash),
        next_after=shown[-1].sequence if len(found) > limit else None,
    )


def with_cash(entries: Sequence[Recorded], cash: Decimal = ZERO) -> list[LedgerEntryRead]:
    """The entries as they are shown, beginning from what there was before the first."""
    shown = []
    for entry in entries:
        cash += entry.amount
        shown.append(LedgerEntryRead.model_validate({**_fields(entry), "cash": cash}))
    return shown


def closed_lots_of(written: Sequence[Mapping[str, Any]] | None) -> tuple[ClosedLot, ...] | None:
    """The lots that an entry closed, from the JSON that the ledger keeps."""
    if written is None:
        return None
    return tuple(
        ClosedLot(
            int(lot["number"]),
            date.fromisoformat(lot["acquired_on"]),
            Decimal(lot["quantity"]),
            Decimal(lot["cost"]),
        )
        for lot in written
    )


def _fields(entry: Recorded) -> dict[str, object]:
    return {field.name: getattr(entry, field.name) for field in fields(entry)}


def _recorded(row: RowMapping) -> Recorded:
    about = {str(name): value for name, value in row.items()}
    about["kind"] = EntryKind(row["kind"])
    about["closed_lots"] = closed_lots_of(row["closed_lots"])
    return Recorded(**about)
