"""Dividends that were not paid and splits that did not happen leave the book as it was."""

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind, EntryKind
from tests.services.test_action_entries import (
    booked,
    days,
    flat,
    held,
    holding,
    learned,
    settled,
)


async def test_a_withdrawn_dividend_is_booked_back_with_its_tax_and_once(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, flat(market), resources, dividend_withholding=0.15)
    cash, before = portfolio.cash, await days(session, flat(market), portfolio)
    paying = await learned(session, flat(market), ActionKind.DIVIDEND, back=8, value="0.52")
    await settled(session, paying, portfolio)
    assert portfolio.cash == cash + Decimal("44.20")
    withdrawn = await learned(session, paying, ActionKind.DIVIDEND, back=8, value="0")
    for version in (withdrawn, replace(withdrawn, data_version=uuid4())):
        await settled(session, version, portfolio)
    assert portfolio.cash == cash
    assert await days(session, withdrawn, portfolio) == before
    entries = await booked(session, portfolio, EntryKind.DIVIDEND, EntryKind.TAX)
    assert sorted(entry.amount for entry in entries) == [
        Decimal(-52),
        Decimal("-7.80"),
        Decimal("7.80"),
        Decimal(52),
    ]


async def test_a_withdrawn_split_takes_its_shares_and_its_cash_back_and_once(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, flat(market), resources, shares=101)
    cash, bought = portfolio.cash, await holding(session, flat(market), portfolio)
    split = await learned(session, flat(market), ActionKind.SPLIT, back=8, value="1.5")
    await settled(session, split, portfolio)
    # 151.5 new shares, of which the half is paid out at the close of the day: 60 / 1.5.
    assert portfolio.cash == cash + Decimal("20.00")
    assert (await holding(session, split, portfolio)).quantity == 151
    withdrawn = flat(await learned(session, split, ActionKind.SPLIT, back=8, value="1"))
    for version in (withdrawn, replace(withdrawn, data_version=uuid4())):
        await settled(session, version, portfolio)
    assert portfolio.cash == cash
    assert (await holding(session, withdrawn, portfolio)).quantity == bought.quantity
    assert len(await booked(session, portfolio, EntryKind.SPLIT)) == 2


@pytest.mark.parametrize(("kind", "value"), [(ActionKind.DIVIDEND, "0"), (ActionKind.SPLIT, "1")])
async def test_a_withdrawal_of_what_was_never_booked_books_nothing(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    kind: ActionKind,
    value: str,
) -> None:
    portfolio = await held(session, flat(market), resources)
    withdrawn = flat(await learned(session, flat(market), kind, back=8, value=value))
    await settled(session, withdrawn, portfolio)
    assert not await booked(session, portfolio, EntryKind.DIVIDEND, EntryKind.SPLIT)
