"""Whether every book is what its ledger says: cash and positions rebuilt and compared, to the cent.

Reads portfolio after portfolio in one transaction that sees one state, so it can run while people
trade.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ETFTraderError
from app.models import LedgerEntry, Portfolio
from app.services import ledger
from app.services.projection import EMPTY, Book, Holding, Movement, apply


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between a portfolio and its ledger, as a sentence."""

    portfolio_id: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Report:
    portfolios: int
    entries: int
    findings: tuple[Finding, ...]


class Numbered(Movement, Protocol):
    """A ledger entry as a check reads it."""

    @property
    def sequence(self) -> int: ...


_ENTRY = (
    LedgerEntry.sequence,
    LedgerEntry.kind,
    LedgerEntry.etf_id,
    LedgerEntry.quantity,
    LedgerEntry.price,
    LedgerEntry.fee,
    LedgerEntry.amount,
    LedgerEntry.session,
)


async def check(session: AsyncSession) -> Report:
    """Compare all portfolios of all users; `session` must have done nothing yet."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    query = select(Portfolio.id, Portfolio.cash, Portfolio.last_sequence).order_by(Portfolio.id)
    portfolios = (await session.execute(query)).all()
    entries = 0
    findings: list[Finding] = []
    for portfolio in portfolios:
        rows = await _entries(session, portfolio.id)
        holdings = await ledger.read_holdings(session, portfolio.id)
        kept = Book(portfolio.cash, holdings)
        findings += [
            Finding(portfolio.id, sentence)
            for sentence in differences(rows, kept, last_sequence=portfolio.last_sequence)
        ]
        entries += len(rows)
    return Report(len(portfolios), entries, tuple(findings))


def differences(entries: Sequence[Numbered], kept: Book, *, last_sequence: int) -> Iterator[str]:
    """What `kept` and its sequence number should be after `entries`, where they are not."""
    numbers = [entry.sequence for entry in entries]
    if numbers != list(range(1, len(numbers) + 1)):
        yield "its ledger's sequence numbers do not count from 1 without a gap"
    if last_sequence != len(numbers):
        yield f"its last sequence is kept as {last_sequence}, its ledger has {len(numbers)} entries"
    book = EMPTY
    for entry in entries:
        try:
            book = apply(book, entry)
        except ETFTraderError as error:
            yield f"its ledger is impossible at entry {entry.sequence}: {error}"
            return
    if book.cash != kept.cash:
        yield f"its cash is kept as {kept.cash}, its ledger says {book.cash}"
    for etf_id in sorted({*book.holdings, *kept.holdings}):
        should, has = book.holdings.get(etf_id), kept.holdings.get(etf_id)
        if should != has:
            yield f"ETF {etf_id} is kept as {_said(has)}, its ledger says {_said(should)}"


def _said(held: Holding | None) -> str:
    if held is None:
        return "nothing"
    return f"{held.quantity} shares for {held.cost_basis} since {held.opened_on}"


async def _entries(session: AsyncSession, portfolio_id: int) -> Sequence[Numbered]:
    query = (
        select(*_ENTRY)
        .where(LedgerEntry.portfolio_id == portfolio_id)
        .order_by(LedgerEntry.sequence)
    )
    return cast("Sequence[Numbered]", (await session.execute(query)).all())
