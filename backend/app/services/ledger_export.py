"""Ledgers as files: for Beancount, or as a table with one row for each entry."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from enum import StrEnum

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.csv_text import csv_text
from app.core.errors import NotFound
from app.models import Etf, LedgerEntry, Portfolio
from app.schemas.ledger import LedgerEntryRead
from app.services import beancount, ledger, ledger_reading
from app.services.beancount import Account

COLUMNS = ("portfolio_id", *LedgerEntryRead.model_fields)


class Format(StrEnum):
    BEANCOUNT = "beancount"
    CSV = "csv"


async def export(
    session: AsyncSession, owner_id: int, portfolio_id: int | None, wanted: Format
) -> AsyncIterator[str]:
    """The file part by part: one portfolio of this owner, or all of them where None is given.

    All parts are of one moment; `session` must have done nothing yet. Raises NotFound.
    """
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    query = select(Portfolio).where(Portfolio.owner_id == owner_id).order_by(Portfolio.id)
    if portfolio_id is not None:
        query = query.where(Portfolio.id == portfolio_id)
    portfolios = (await session.scalars(query)).all()
    if portfolio_id is not None and not portfolios:
        raise NotFound("portfolio")
    parts = _beancount if wanted is Format.BEANCOUNT else _table
    async for part in parts(session, portfolios):
        yield part


async def _beancount(session: AsyncSession, portfolios: Sequence[Portfolio]) -> AsyncIterator[str]:
    mine = LedgerEntry.portfolio_id.in_([portfolio.id for portfolio in portfolios])
    traded = select(LedgerEntry.etf_id).where(mine)
    etfs = await session.execute(select(Etf.id, Etf.ticker).where(Etf.id.in_(traded)))
    tickers = {row.id: row.ticker for row in etfs}
    names = beancount.commodities(tickers)
    since = await session.scalar(select(func.min(LedgerEntry.booked_at)).where(mine))
    yield beancount.HEAD if since is None else beancount.head(tickers, since.astimezone(UTC).date())
    for portfolio in portfolios:
        holdings = await ledger.read_holdings(session, portfolio.id)
        account = Account(
            portfolio.id,
            portfolio.name,
            await ledger_reading.read(session, portfolio.id),
            portfolio.cash,
            {etf_id: held.quantity for etf_id, held in holdings.items()},
        )
        yield beancount.account(account, names)


async def _table(session: AsyncSession, portfolios: Sequence[Portfolio]) -> AsyncIterator[str]:
    yield csv_text(COLUMNS, ())
    for portfolio in portfolios:
        entries = ledger_reading.with_cash(await ledger_reading.read(session, portfolio.id))
        rows = [(portfolio.id, *_cells(entry)) for entry in entries]
        yield csv_text(COLUMNS, rows).partition("\r\n")[2]


def _cells(entry: LedgerEntryRead) -> list[object]:
    """Each field of an entry; the lots it closed as `lot: shares for cost` in one cell."""
    lots = entry.closed_lots
    closed = lots and "; ".join(f"{lot.lot}: {lot.quantity:f} for {lot.cost:f}" for lot in lots)
    return [closed if name == "closed_lots" else value for name, value in entry]
