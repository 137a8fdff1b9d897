"""Dividends that are spent on what paid them."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, OrderOrigin
from app.quant.costs import Side
from app.services import reinvesting, trading
from app.services.entry import Booked, Entry
from app.services.trading import OrderTicket
from tests.services import lives
from tests.services.lives import NOW


def dividend(market: MarketSnapshot, ticker: str, amount: str) -> Booked:
    on: date = market.latest_session
    entry = Entry(
        EntryKind.DIVIDEND,
        on,
        Decimal(amount),
        "test",
        "test",
        etf_id=lives.etf_id(market, ticker),
        action_id=1,
    )
    return Booked(1, 1, NOW, entry)


@pytest.mark.parametrize("stopped", [False, True])
async def test_a_late_dividend_buys_its_etf_unless_a_stop_has_just_sold_it(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, *, stopped: bool
) -> None:
    rules = lives.rules(reinvest_dividends=True)
    portfolio = await lives.opened(session, market, resources.owner_id, settings=rules)
    ticket = OrderTicket(uuid4(), "AAA", Side.BUY, quantity=Decimal(10))
    await trading.place(session, market, portfolio, ticket, now=NOW)
    if stopped:
        sale = replace(ticket, order_id=uuid4(), side=Side.SELL, origin=OrderOrigin.STOP)
        await trading.place(session, market, portfolio, sale, now=NOW)

    bought = await reinvesting.reinvest(
        session,
        market,
        portfolio,
        [dividend(market, "AAA", "500.00")],
        on=market.latest_session,
        now=NOW,
    )

    assert len(bought) == (0 if stopped else 1)
