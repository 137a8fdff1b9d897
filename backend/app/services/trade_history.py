"""The trades of a portfolio as its ledger has them."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Refused
from app.models import EntryKind, Etf, LedgerEntry, Market, Portfolio
from app.quant.costs import Side
from app.schemas.trade import TradeFilter, TradeRead

FARTHEST_EAST = timedelta(hours=14)
"""Somewhere it is tomorrow already."""

_TRADE = (
    LedgerEntry.portfolio_id,
    Market.code.label("market"),
    Market.simulated,
    LedgerEntry.sequence,
    LedgerEntry.booked_at.label("executed_at"),
    LedgerEntry.session,
    Etf.ticker,
    LedgerEntry.kind,
    LedgerEntry.quantity,
    LedgerEntry.reference_price,
    LedgerEntry.price_date,
    LedgerEntry.price.label("fill_price"),
    LedgerEntry.fee,
    LedgerEntry.amount.label("net_amount"),
    LedgerEntry.reason,
    LedgerEntry.order_id,
    LedgerEntry.idempotency_key,
    LedgerEntry.rebalance_event_id,
)


class InTheFuture(Refused):
    def __init__(self) -> None:
        super().__init__("start_date or end_date lies in the future.")


async def trades(
    session: AsyncSession, portfolio: Portfolio, wanted: TradeFilter, *, now: datetime
) -> list[TradeRead]:
    """Those that are wanted, oldest first; raises InTheFuture."""
    latest_day = (now + FARTHEST_EAST).date()
    if any(day is not None and day > latest_day for day in (wanted.start_date, wanted.end_date)):
        raise InTheFuture
    kinds = (EntryKind.BUY, EntryKind.SELL) if wanted.side is None else (wanted.side.value,)
    query = (
        select(*_TRADE)
        .join(Etf, Etf.id == LedgerEntry.etf_id)
        .join(Market, Market.code == Etf.market)
        .where(LedgerEntry.portfolio_id == portfolio.id, LedgerEntry.kind.in_(kinds))
        .order_by(LedgerEntry.sequence)
        .limit(wanted.limit)
        .offset(wanted.offset)
    )
    if wanted.ticker is not None:
        query = query.where(Etf.ticker == wanted.ticker)
    if wanted.start_date is not None:
        query = query.where(LedgerEntry.session >= wanted.start_date)
    if wanted.end_date is not None:
        query = query.where(LedgerEntry.session <= wanted.end_date)
    rows = (await session.execute(query)).mappings()
    return [TradeRead.model_construct(side=Side(row["kind"]), **row) for row in rows]
