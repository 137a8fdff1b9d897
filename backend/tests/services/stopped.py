"""Portfolios whose positions stand at or below their stops."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.money import to_cents
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, LedgerEntry, Order, OrderOrigin, Portfolio
from app.schemas.settings import PortfolioSettings
from app.services.entry import Entry
from tests.services import lives
from tests.services.booking import booked
from tests.services.lives import NOW

FREE = {"slippage_pct": 0.0, "impact": 0.0, "commission": Decimal(0)}


def rules(**changes: object) -> PortfolioSettings:
    """Without costs, and with a stop of 12 % whatever the VIX says."""
    return lives.rules(**{**FREE, "use_vix_adjustment": False, **changes})


async def holding(
    session: AsyncSession,
    market: MarketSnapshot,
    owner_id: int,
    *,
    settings: PortfolioSettings | None = None,
    on: date | None = None,
    **paid: str,
) -> Portfolio:
    """A portfolio with 100 shares of each ETF, bought ten sessions ago at the price given."""
    bought_on = on or lives.day(market, 10)
    portfolio = await lives.opened(
        session, market, owner_id, settings=settings or rules(), on=bought_on
    )
    await buy(session, market, portfolio, on=bought_on, **paid)
    return portfolio


async def buy(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, on: date, **paid: str
) -> None:
    """100 shares of each ETF at the price given."""
    entries = [_purchase(market, ticker, Decimal(price), on) for ticker, price in paid.items()]
    await booked(session, portfolio, *entries, now=NOW)


def _purchase(market: MarketSnapshot, ticker: str, price: Decimal, on: date) -> Entry:
    return Entry(
        kind=EntryKind.BUY,
        session=on,
        amount=-to_cents(price * 100),
        reason="test",
        source="test",
        etf_id=lives.etf_id(market, ticker),
        quantity=Decimal(100),
        reference_price=price,
        price=price,
        price_date=on,
    )


def closing(market: MarketSnapshot, ticker: str, *closes: float | None) -> MarketSnapshot:
    """The market with these as the last closes of one ETF; None for a session without one."""
    panel = market.panel.close.copy()
    known = [np.nan if each is None else each for each in closes]
    panel[market.row(ticker), -len(closes) :] = known
    return lives.with_closes(market, panel)


def closed(market: MarketSnapshot, ticker: str, on: date) -> MarketSnapshot:
    etfs = tuple(replace(etf, closed_on=on) if etf.ticker == ticker else etf for etf in market.etfs)
    return replace(market, etfs=etfs)


async def stop_orders(session: AsyncSession, portfolio: Portfolio) -> list[Order]:
    query = (
        select(Order)
        .where(Order.portfolio_id == portfolio.id, Order.origin == OrderOrigin.STOP)
        .order_by(Order.session, Order.id)
        .execution_options(populate_existing=True)
    )
    return list(await session.scalars(query))


async def sales(session: AsyncSession, portfolio: Portfolio) -> list[LedgerEntry]:
    query = select(LedgerEntry).where(
        LedgerEntry.portfolio_id == portfolio.id, LedgerEntry.kind == EntryKind.SELL
    )
    return list(await session.scalars(query))
