"""What the ledger writes, and that it is the only truth."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.config import Settings
from app.core.errors import InsufficientCash, InsufficientShares
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, LedgerEntry, OrderState, Portfolio
from app.quant.lots import ClosedLot, Lot
from app.schemas.settings import default_settings
from app.services import ledger, portfolios
from app.services.entry import Entry
from tests.services.booking import booked, ordered

NOW = datetime(2025, 7, 1, 9, tzinfo=UTC)
EARLY, LATE = date(2025, 6, 2), date(2025, 6, 30)


@pytest.fixture
async def portfolio(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> Portfolio:
    """Opened early with 10,000; the transaction is still open."""
    return await portfolios.create(
        session,
        market,
        owner_id=resources.owner_id,
        name=uuid4().hex,
        initial_capital=Decimal(10000),
        settings=default_settings(Settings(_env_file=None)),
        now=NOW,
        opened_on=EARLY,
    )


def bought(market: MarketSnapshot, ticker: str, shares: int, cost: str, day: date = LATE) -> Entry:
    return Entry(
        EntryKind.BUY,
        day,
        -Decimal(cost),
        "test",
        "test",
        fee=Decimal("1.00"),
        etf_id=market.etfs[market.row(ticker)].id,
        quantity=Decimal(shares),
        reference_price=Decimal(10),
        price=Decimal(10),
        price_date=day,
    )


def sold(market: MarketSnapshot, ticker: str, shares: int, proceeds: str) -> Entry:
    return Entry(
        EntryKind.SELL,
        LATE,
        Decimal(proceeds),
        "test",
        "test",
        etf_id=market.etfs[market.row(ticker)].id,
        quantity=Decimal(shares),
        reference_price=Decimal(10),
        price=Decimal(10),
        price_date=LATE,
    )


async def test_the_first_entry_is_the_deposit_of_the_capital(
    session: AsyncSession, portfolio: Portfolio
) -> None:
    query = select(LedgerEntry).where(LedgerEntry.portfolio_id == portfolio.id)
    (entry,) = (await session.scalars(query)).all()
    assert (entry.sequence, entry.kind, entry.session) == (1, "deposit", EARLY)
    assert (entry.amount, entry.booked_at) == (Decimal(10000), NOW)


async def test_entries_cash_sequence_and_positions_change_together(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    written = await booked(
        session,
        portfolio,
        bought(market, "AAA", 10, "101"),
        bought(market, "BBB", 5, "51"),
        sold(market, "AAA", 10, "120"),
        now=NOW,
    )
    assert [each.sequence for each in written] == [2, 3, 4]
    assert (portfolio.cash, portfolio.last_sequence) == (Decimal(9968), 4)
    held = await ledger.read_holdings(session, portfolio.id)
    assert [(h.quantity, h.cost_basis) for h in held.values()] == [(Decimal(5), Decimal(50))]
    await session.refresh(portfolio)
    assert (portfolio.cash, portfolio.last_sequence) == (Decimal("9968.00"), 4)


@pytest.mark.parametrize("fault", ["cash", "shares"])
async def test_a_batch_with_one_impossible_entry_writes_nothing(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, fault: str
) -> None:
    worst = bought(market, "BBB", 1, "10000") if fault == "cash" else sold(market, "BBB", 1, "1")
    with pytest.raises(InsufficientCash if fault == "cash" else InsufficientShares):
        await booked(session, portfolio, bought(market, "AAA", 1, "11"), worst, now=NOW)
    assert await ledger.read_holdings(session, portfolio.id) == {}
    assert (portfolio.cash, portfolio.last_sequence) == (Decimal(10000), 1)


async def test_the_book_of_a_past_session_is_rebuilt_from_the_ledger(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    await booked(session, portfolio, bought(market, "AAA", 10, "101", EARLY), now=NOW)
    await booked(session, portfolio, sold(market, "AAA", 4, "44"), now=NOW)
    now = await ledger.read_book(session, portfolio.id)
    then = await ledger.read_book(session, portfolio.id, EARLY)
    assert now.holdings == await ledger.read_holdings(session, portfolio.id)
    assert (now.cash, then.cash) == (Decimal("9943.00"), Decimal("9899.00"))
    assert [held.quantity for held in then.holdings.values()] == [10]


async def test_a_fill_of_an_order_is_booked_once(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    entry = bought(market, "AAA", 1, "11")
    order = ordered(entry, NOW)
    entry = replace(entry, order_id=order.id, fill_number=1)
    await ledger.book_all(session, portfolio, [entry], now=NOW, orders=[order])
    savepoint = await session.begin_nested()
    with pytest.raises(IntegrityError, match="order_id"):
        await ledger.book(session, portfolio, entry, now=NOW)
    await savepoint.rollback()


async def test_an_order_is_taken_once(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    order = replace(ordered(bought(market, "AAA", 1, "11"), NOW), state=OrderState.ACCEPTED)
    order = replace(order, filled_quantity=Decimal(0), changes=order.changes[:2])
    await ledger.book_all(session, portfolio, [], now=NOW, orders=[order])
    savepoint = await session.begin_nested()
    with pytest.raises(IntegrityError, match="pk_order"):
        await ledger.book_all(session, portfolio, [], now=NOW, orders=[order])
    await savepoint.rollback()


async def test_a_purchase_opens_a_lot_with_its_fee_and_a_sale_closes_the_oldest(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    await booked(
        session,
        portfolio,
        bought(market, "AAA", 10, "101", EARLY),
        bought(market, "AAA", 10, "201"),
        now=NOW,
    )
    (sale,) = await booked(session, portfolio, sold(market, "AAA", 12, "240"), now=NOW)
    assert sale.entry.closed_lots == (
        ClosedLot(2, EARLY, Decimal(10), Decimal(101)),
        ClosedLot(3, LATE, Decimal(2), Decimal("40.20")),
    )
    (left,) = (await ledger.read_lots(session, portfolio.id)).values()
    assert left == (Lot(3, LATE, Decimal(8), Decimal("160.80")),)


@pytest.mark.parametrize(("method", "closed"), [("fifo", 2), ("lifo", 4), ("hifo", 3)])
async def test_a_sale_closes_lots_by_the_method_of_its_portfolio(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, method: str, closed: int
) -> None:
    portfolio.settings = {**portfolio.settings, "lot_method": method}
    lots = [bought(market, "AAA", 10, cost) for cost in ("101", "301", "201")]
    await booked(session, portfolio, *lots, now=NOW)
    (sale,) = await booked(session, portfolio, sold(market, "AAA", 1, "20"), now=NOW)
    assert sale.entry.closed_lots is not None
    assert [lot.number for lot in sale.entry.closed_lots] == [closed]


async def test_a_split_multiplies_position_and_lots_alike(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    await booked(session, portfolio, bought(market, "AAA", 10, "101", EARLY), now=NOW)
    etf_id = market.etfs[market.row("AAA")].id
    split = Entry(
        EntryKind.SPLIT, LATE, Decimal(0), "test", "test", etf_id=etf_id, quantity=Decimal(10)
    )
    await booked(session, portfolio, split, now=NOW)
    assert (await ledger.read_holdings(session, portfolio.id))[etf_id].quantity == 20
    lots = (await ledger.read_lots(session, portfolio.id))[etf_id]
    assert lots == (Lot(2, EARLY, Decimal(20), Decimal(101)),)
