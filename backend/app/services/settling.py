"""A portfolio catches up with new data: session by session, what the market did to it.

In each session corporate actions come first, because its prices are per share of that day; then
the resting orders meet its bars. Dividends are reinvested last, at the latest close.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.services import corporate_actions, open_orders, reinvesting, resting
from app.services.entry import Booked
from app.services.order_life import OrderLife


async def settle(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    now: datetime,
    waiting: Sequence[OrderLife] | None = None,
) -> tuple[Booked, ...]:
    """Book what has become due up to the latest session, before anything is done at its prices.

    The caller holds the lock on the portfolio; once done for a data version it costs nothing.
    `waiting` are its open orders, from a caller who read them for many portfolios under their
    locks. Raises PricesChanged.
    """
    if portfolio.settled_version == market.data_version:
        return ()
    if waiting is None:
        waiting = (await open_orders.read(session, [portfolio.id])).get(portfolio.id, ())
    booked = await _rested(session, market, portfolio, waiting, now=now) if waiting else ()
    due = await corporate_actions.apply_due(
        session, market, portfolio, until=market.latest_session, now=now
    )
    booked = (*booked, *due)
    bought = await reinvesting.reinvest(
        session, market, portfolio, booked, on=market.latest_session, now=now
    )
    portfolio.settled_version = market.data_version
    return (*booked, *bought)


async def _rested(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    waiting: Sequence[OrderLife],
    *,
    now: datetime,
) -> tuple[Booked, ...]:
    """Walk through the sessions in which something happens to an order.

    One whose ETF has lost all its bars waits for them to come back.
    """
    booked: list[Booked] = []
    waiting = tuple(order for order in waiting if order.etf_id in market.row_of_id)
    bars = await resting.read_bars(session, portfolio, waiting, until=market.latest_session)
    while (day := resting.next_day(market, waiting, bars)) is not None:
        booked += await corporate_actions.apply_due(session, market, portfolio, until=day, now=now)
        filled, waiting = await resting.fill(
            session, market, portfolio, waiting, day=day, bars=bars.get(day, {}), now=now
        )
        booked += filled
    return tuple(booked)
