"""A check finds what is wrong with a book, and nothing in a right one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.models import EntryKind
from app.schemas.settings import default_settings
from app.services import checking, ledger, portfolios
from app.services.ledger import Entry
from app.services.projection import EMPTY, Book, fold
from tests.services.booking import booked

NOW = datetime(2025, 7, 1, 9, tzinfo=UTC)
DAY = date(2025, 6, 30)


@dataclass(frozen=True)
class Row:
    """A ledger entry as the check reads it."""

    sequence: int
    kind: str
    amount: Decimal
    etf_id: int | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    fee: Decimal = Decimal(0)
    session: date = DAY


RIGHT = (
    Row(1, "deposit", Decimal(100)),
    Row(2, "buy", Decimal(-40), 7, Decimal(4), Decimal(10)),
    Row(3, "sell", Decimal(22), 7, Decimal(2), Decimal(11)),
)


def found(rows: Sequence[Row], kept: Book, last_sequence: int) -> list[str]:
    return list(checking.differences(rows, kept, last_sequence=last_sequence))


def test_a_right_book_has_no_difference() -> None:
    assert found(RIGHT, fold(RIGHT), 3) == []
    assert found([], EMPTY, 0) == []


@pytest.mark.parametrize(
    ("rows", "last_sequence", "said"),
    [
        (RIGHT[1:], 2, "do not count from 1"),
        ((*RIGHT, RIGHT[2]), 4, "do not count from 1"),
        (RIGHT, 4, "last sequence is kept as 4, its ledger has 3"),
        (RIGHT[:2], 2, "cash is kept as 82, its ledger says 60"),
        (RIGHT[:1], 1, "ETF 7 is kept as 2 shares for 20.00 since 2025-06-30, its ledger says no"),
        ((RIGHT[0], Row(2, "sell", Decimal(9), 7, Decimal(1))), 2, "impossible at entry 2"),
        ((Row(1, "withdrawal", Decimal(-1)),), 1, "impossible at entry 1"),
    ],
)
def test_each_kind_of_difference_is_said(
    rows: Sequence[Row], last_sequence: int, said: str
) -> None:
    assert any(said in each for each in found(rows, fold(RIGHT), last_sequence))


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
        broken = await portfolios.create(
            session,
            market,
            owner_id=resources.owner_id,
            name=uuid4().hex,
            initial_capital=Decimal(500),
            settings=default_settings(resources.settings),
            now=NOW,
        )
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
    assert said == [
        "its cash is kept as 399.01, its ledger says 399.00",
        f"ETF {etf_id} is kept as 10.010000 {shares}, its ledger says 10.000000 {shares}",
    ]


async def _spoil(session: AsyncSession, portfolio_id: int, change: str) -> None:
    for statement in (
        f"UPDATE portfolios SET cash = cash {change} WHERE id = :id",
        f"UPDATE positions SET quantity = quantity {change} WHERE portfolio_id = :id",
    ):
        await session.execute(text(statement), {"id": portfolio_id})
