"""A check finds what is wrong with a book, and nothing in a right one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, Portfolio
from app.schemas.settings import default_settings
from app.services import checking, ledger, order_checking, portfolios
from app.services.checking import Kept
from app.services.entry import Entry
from app.services.ledger_reading import Recorded
from app.services.projection import EMPTY, Book
from tests.services.booking import booked
from tests.services.written_ledgers import Written, ledgers

NOW = datetime(2025, 7, 1, 9, tzinfo=UTC)
DAY = date(2025, 6, 30)


def right() -> Written:
    """Bought twice and sold into the second lot."""
    written = Written(day=DAY)
    written.add(EntryKind.DEPOSIT, "100")
    written.add(EntryKind.BUY, "-40.00", 1, "4", price="10")
    written.add(EntryKind.BUY, "-30.00", 1, "2", price="15")
    written.add(EntryKind.SELL, "55.00", 1, "5", price="11")
    return written


def kept(written: Written) -> Kept:
    return Kept(written.book, written.lots.open, len(written.entries))


def found(entries: Sequence[Recorded], has: Kept) -> list[str]:
    return list(checking.differences(entries, has))


@given(ledgers())
def test_a_right_book_has_no_difference(written: Written) -> None:
    assert found(written.entries, kept(written)) == []
    assert found([], Kept(EMPTY, {}, 0)) == []


Spoil = Callable[[list[Recorded]], Sequence[Recorded]]


def closing(number: int, quantity: str, cost: str) -> Spoil:
    """The sale says that it took this out of that lot, and nothing else."""

    def spoil(entries: list[Recorded]) -> Sequence[Recorded]:
        lots = entries[3].closed_lots or ()
        other = replace(lots[0], number=number, quantity=Decimal(quantity), cost=Decimal(cost))
        return [*entries[:3], replace(entries[3], closed_lots=(other, *lots[1:]))]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda entries: entries[1:], "do not count from 1"),
        (lambda entries: [*entries, entries[3]], "do not count from 1"),
        (lambda entries: entries[:3], "last sequence is kept as 4, its ledger has 3"),
        (lambda entries: entries[:3], "cash is kept as 85.00, its ledger says 30.00"),
        (lambda entries: entries[:3], "its ledger says 6 shares for 70.00 since 2025-06-30"),
        (lambda entries: entries[:3], "lot 2 of ETF 1 is kept as nothing, its ledger says 4 sh"),
        (lambda entries: entries[3:], "impossible at entry 4"),
        (lambda entries: [replace(entries[0], amount=Decimal(69)), *entries[1:]], "at entry 3"),
        (closing(2, "4", "40.01"), "closed 4 shares for 40.01 since 2025-06-30 of lot 2"),
        (closing(2, "3", "30.00"), "after entry 4 it has 1 shares of ETF 1 and 2 in their lots"),
        (closing(9, "4", "40.00"), "impossible at entry 4: Lot 9 is not among the open lots"),
    ],
)
def test_each_kind_of_difference_is_said(spoil: Spoil, said: str) -> None:
    written = right()
    sentences = found(spoil(written.entries), kept(written))
    assert any(said in each for each in sentences), sentences


def test_a_lot_that_is_kept_otherwise_is_named() -> None:
    written = right()
    lots = {1: tuple(replace(lot, cost=lot.cost + 1) for lot in written.lots.open[1])}
    (said,) = found(written.entries, replace(kept(written), lots=lots))
    assert said == (
        "lot 3 of ETF 1 is kept as 1 shares for 16.00 since 2025-06-30, "
        "its ledger says 1 shares for 15.00 since 2025-06-30"
    )


def test_positions_and_cash_that_are_kept_otherwise_are_named() -> None:
    written = right()
    has = replace(kept(written), book=Book(written.book.cash + 1, {}))
    assert len(found(written.entries, has)) == 2


def bought(etf_id: int) -> Entry:
    return Entry(
        EntryKind.BUY,
        DAY,
        Decimal(-101),
        "test",
        "test",
        fee=Decimal("1.00"),
        etf_id=etf_id,
        quantity=Decimal(10),
        reference_price=Decimal(10),
        price=Decimal(10),
        price_date=DAY,
    )


async def test_a_check_names_every_difference(resources: Resources) -> None:
    async with unit_of_work(resources.sessions) as session:
        market = await resources.market_data.snapshot(session, "us")
        broken = await _opened(session, market, resources)
        etf_id = market.etfs[market.row("AAA")].id
        await booked(session, broken, bought(etf_id), now=NOW)
        await _spoil(session, broken.id, "+ 0.01")
    async with unit_of_work(resources.sessions) as session:
        report = await checking.check(session)
    said = [each.sentence for each in report.findings if each.portfolio_id == broken.id]
    async with unit_of_work(resources.sessions) as session:
        await _spoil(session, broken.id, "- 0.01")
        assert (await ledger.read_holdings(session, broken.id))[etf_id].quantity == 10
    shares = "shares for 100.00 since 2025-06-30"
    etf, paid = f"ETF {etf_id}", shares.replace("100", "101")
    assert said == [
        "its cash is kept as 399.01, its ledger says 399.00",
        f"ETF {etf_id} is kept as 10.010000 {shares}, its ledger says 10.000000 {shares}",
        f"lot 2 of {etf} is kept as 10.010000 {paid}, its ledger says 10.000000 {paid}",
    ]


async def _spoil(session: AsyncSession, portfolio_id: int, change: str) -> None:
    for statement in (
        f"UPDATE portfolios SET cash = cash {change} WHERE id = :id",
        f"UPDATE positions SET quantity = quantity {change} WHERE portfolio_id = :id",
        f"UPDATE tax_lots SET quantity = quantity {change} WHERE portfolio_id = :id",
    ):
        await session.execute(text(statement), {"id": portfolio_id})


ORDER = "FROM ledger_entries WHERE orders.id = order_id AND ledger_entries.portfolio_id = :id"
EVENT = """
    INSERT INTO order_events (order_id, number, state, reason_code, session, at, quantity, price)
    SELECT order_id, {number}, '{state}', '{code}', session, booked_at, {quantity}, price
    FROM ledger_entries WHERE portfolio_id = :id AND order_id IS NOT NULL
    """


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"UPDATE orders SET side = 'sell' {ORDER}", "entry 2 is the fill of no order of its ETF"),
        (
            f"UPDATE orders SET quantity = 11, filled_quantity = 11 {ORDER}",
            "has 11.000000 shares filled, its fills in the ledger 10.000000",
        ),
        (
            f"UPDATE orders SET quantity = 11, state = 'cancelled' {ORDER}",
            "is cancelled (filled), its last event says filled (filled)",
        ),
        (
            f"UPDATE orders SET quantity = 11, state = 'accepted' {ORDER}",
            "is accepted with 10.000000 of 11.000000 shares filled",
        ),
        (
            f"UPDATE orders SET reason_code = 'expired' {ORDER}",
            "is filled (expired), its last event says filled (filled)",
        ),
        (
            EVENT.format(number=4, state="filled", code="filled", quantity=10),
            "its events tell of 2 of 20.000000",
        ),
        (
            EVENT.format(number=5, state="filled", code="filled", quantity="NULL"),
            "has events whose numbers do not count from 1",
        ),
    ],
)
async def test_orders_that_do_not_agree_with_their_fills_or_events_are_named(
    resources: Resources, market: MarketSnapshot, statement: str, said: str
) -> None:
    """In a transaction that is given up: what happened to an order cannot be unsaid."""
    async with resources.sessions() as session:
        portfolio = await _opened(session, market, resources)
        await booked(session, portfolio, bought(market.etfs[market.row("AAA")].id), now=NOW)
        assert await _wrong_orders(session, portfolio) == []
        await session.execute(text(statement), {"id": portfolio.id})
        sentences = await _wrong_orders(session, portfolio)
        await session.rollback()
    assert any(said in each for each in sentences), sentences


async def _opened(session: AsyncSession, market: MarketSnapshot, resources: Resources) -> Portfolio:
    return await portfolios.create(
        session,
        market,
        owner_id=resources.owner_id,
        name=uuid4().hex,
        initial_capital=Decimal(500),
        settings=default_settings(resources.settings),
        now=NOW,
    )


async def _wrong_orders(session: AsyncSession, portfolio: Portfolio) -> list[str]:
    _, wrong = await order_checking.check(session)
    return [sentence for portfolio_id, sentence in wrong if portfolio_id == portfolio.id]
