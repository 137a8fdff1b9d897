"""Whether every book is what its ledger says, to the cent and to the millionth of a share.

Cash, positions and tax lots are rebuilt entry by entry and compared with what is kept; on the way
nothing may become negative, each closed lot must have cost what the entry says, and the lots of an
ETF must have the shares of its position. Orders are compared with their fills and their events.

Reads portfolio after portfolio in one transaction that sees one state, so it can run while people
trade.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ETFTraderError
from app.core.money import ZERO
from app.models import Portfolio
from app.quant.errors import QuantError
from app.quant.lots import ClosedLot, Lot, LotMethod
from app.services import ledger, ledger_reading, order_checking
from app.services.ledger_reading import Recorded
from app.services.lot_book import LotBook
from app.services.projection import EMPTY, Book, Holding, apply

Lots: TypeAlias = Mapping[int, Sequence[Lot]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between a portfolio and its ledger, as a sentence."""

    portfolio_id: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Report:
    portfolios: int
    entries: int
    orders: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a portfolio beside its ledger."""

    book: Book
    lots: Lots
    last_sequence: int


async def check(session: AsyncSession) -> Report:
    """Compare all portfolios of all users; `session` must have done nothing yet."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    query = select(Portfolio.id, Portfolio.cash, Portfolio.last_sequence).order_by(Portfolio.id)
    portfolios = (await session.execute(query)).all()
    entries = 0
    findings: list[Finding] = []
    for portfolio in portfolios:
        written = await ledger_reading.read(session, portfolio.id)
        holdings = await ledger.read_holdings(session, portfolio.id)
        lots = await ledger.read_lots(session, portfolio.id)
        kept = Kept(Book(portfolio.cash, holdings), lots, portfolio.last_sequence)
        findings += [Finding(portfolio.id, said) for said in differences(written, kept)]
        entries += len(written)
    orders, wrong = await order_checking.check(session)
    findings += [Finding(portfolio_id, sentence) for portfolio_id, sentence in wrong]
    return Report(len(portfolios), entries, orders, tuple(findings))


def differences(entries: Sequence[Recorded], kept: Kept) -> Iterator[str]:
    """What is kept and should be otherwise after `entries`, and what is wrong with these."""
    numbers = [entry.sequence for entry in entries]
    if numbers != list(range(1, len(numbers) + 1)):
        yield "its ledger's sequence numbers do not count from 1 without a gap"
    if kept.last_sequence != len(numbers):
        yield (
            f"its last sequence is kept as {kept.last_sequence}, its ledger has {len(numbers)} "
            "entries"
        )
    book, lots = EMPTY, LotBook({}, LotMethod.FIFO)
    for entry in entries:
        try:
            book = apply(book, entry)
            closed = lots.book(entry, entry.sequence)
        except (ETFTraderError, QuantError) as error:
            yield f"its ledger is impossible at entry {entry.sequence}: {error}"
            return
        yield from _wrong_lots(entry, closed, book, lots.open)
    yield from _other_books(book, kept.book)
    yield from _other_lots(lots.open, kept.lots)


def _wrong_lots(
    entry: Recorded, closed: Sequence[ClosedLot] | None, book: Book, lots: Lots
) -> Iterator[str]:
    """What an entry says of the lots it closed, where these were others or cost otherwise."""
    if (closed or ()) != (entry.closed_lots or ()):
        said, should = _all_said(entry.closed_lots or ()), _all_said(closed or ())
        yield f"entry {entry.sequence} says that it closed {said}, and it closed {should}"
    if entry.etf_id is not None:
        holding = book.holdings.get(entry.etf_id)
        held = holding.quantity if holding else ZERO
        in_lots = sum((lot.quantity for lot in lots.get(entry.etf_id, ())), ZERO)
        if held != in_lots:
            yield (
                f"after entry {entry.sequence} it has {held} shares of ETF {entry.etf_id} and "
                f"{in_lots} in their lots"
            )


def _other_books(book: Book, kept: Book) -> Iterator[str]:
    if book.cash != kept.cash:
        yield f"its cash is kept as {kept.cash}, its ledger says {book.cash}"
    for etf_id in sorted({*book.holdings, *kept.holdings}):
        should, has = book.holdings.get(etf_id), kept.holdings.get(etf_id)
        if should != has:
            yield f"ETF {etf_id} is kept as {_said(has)}, its ledger says {_said(should)}"


def _other_lots(lots: Lots, kept: Lots) -> Iterator[str]:
    should = {(etf_id, lot.number): lot for etf_id, held in lots.items() for lot in held}
    has = {(etf_id, lot.number): lot for etf_id, held in kept.items() for lot in held}
    for etf_id, number in sorted({*should, *has}):
        one, other = has.get((etf_id, number)), should.get((etf_id, number))
        if one != other:
            yield (
                f"lot {number} of ETF {etf_id} is kept as {_lot_said(one)}, "
                f"its ledger says {_lot_said(other)}"
            )


def _said(held: Holding | None) -> str:
    if held is None:
        return "nothing"
    return f"{held.quantity} shares for {held.cost_basis} since {held.opened_on}"


def _lot_said(lot: Lot | ClosedLot | None) -> str:
    if lot is None:
        return "nothing"
    return f"{lot.quantity} shares for {lot.cost} since {lot.acquired_on}"


def _all_said(closed: Sequence[ClosedLot]) -> str:
    return ", ".join(f"{_lot_said(lot)} of lot {lot.number}" for lot in closed) or "nothing"
