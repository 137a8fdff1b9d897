"""Portfolios opened some sessions ago, written into the ledger as they would have been."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import Settings
from app.core.money import ZERO, to_cents
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, Portfolio
from app.schemas.settings import PortfolioSettings, default_settings
from app.services import portfolios, valuation
from app.services.entry import Entry
from tests.services.booking import booked

NOW = datetime(2025, 6, 30, 22, tzinfo=UTC)


def rules(**changes: object) -> PortfolioSettings:
    settings = default_settings(Settings(_env_file=None))
    return settings.model_copy(update={"benchmark": "BBB", **changes})


def session_of(market: MarketSnapshot, back: int) -> date:
    """The session `back` sessions before the latest."""
    day: date = market.panel.sessions[-1 - back].item()
    return day


def price(market: MarketSnapshot, ticker: str, on: date) -> Decimal:
    last = valuation.last_price(market, market.row(ticker), on)
    assert last is not None
    return last.price


async def opened(
    session: AsyncSession,
    market: MarketSnapshot,
    owner_id: int,
    *,
    on: date,
    capital: Decimal,
    settings: PortfolioSettings | None = None,
) -> Portfolio:
    return await portfolios.create(
        session,
        market,
        owner_id=owner_id,
        name=uuid4().hex,
        initial_capital=capital,
        settings=settings or rules(),
        now=NOW,
        opened_on=on,
    )


def trade(
    market: MarketSnapshot, ticker: str, quantity: int, on: date, *, slipped: str = "0"
) -> Entry:
    """A fill at the close, worse by `slipped` per share; a negative quantity is a sale."""
    reference = price(market, ticker, on)
    fill = reference + Decimal(slipped) * (1 if quantity > 0 else -1)
    return Entry(
        kind=EntryKind.BUY if quantity > 0 else EntryKind.SELL,
        session=on,
        amount=-to_cents(fill * quantity),
        reason="test",
        source="test",
        etf_id=market.etfs[market.row(ticker)].id,
        quantity=Decimal(abs(quantity)),
        reference_price=reference,
        price=fill,
        price_date=on,
    )


def deposit(amount: str, on: date) -> Entry:
    paid = Decimal(amount)
    kind = EntryKind.DEPOSIT if paid > ZERO else EntryKind.WITHDRAWAL
    return Entry(kind, on, paid, "test", "test")


def dividend(market: MarketSnapshot, ticker: str, amount: str, on: date) -> Entry:
    etf_id = market.etfs[market.row(ticker)].id
    return Entry(EntryKind.DIVIDEND, on, Decimal(amount), "test", "test", etf_id=etf_id)


async def book(session: AsyncSession, portfolio: Portfolio, *entries: Entry) -> None:
    await booked(session, portfolio, *entries, now=NOW)


async def all_in(
    session: AsyncSession,
    market: MarketSnapshot,
    owner_id: int,
    *,
    ticker: str = "AAA",
    shares: int = 100,
    back: int = 40,
) -> Portfolio:
    """Every cent in one ETF since `back` sessions ago, bought without costs."""
    on = session_of(market, back)
    cost = price(market, ticker, on) * shares
    portfolio = await opened(session, market, owner_id, on=on, capital=cost)
    await book(session, portfolio, trade(market, ticker, shares, on))
    return portfolio
