"""Portfolios that live in the small market, and markets that differ from it in one respect."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import Settings
from app.market_data.snapshot import Action, MarketSnapshot
from app.models import ActionKind, EntryKind, LedgerEntry, Portfolio, RebalanceEvent
from app.quant.panel import FloatArray, Panel
from app.schemas.settings import OptimizerName, PortfolioSettings, default_settings
from app.services import portfolios, rebalancing, valuation
from app.services.entry import Entry
from app.services.trading import LineOutcome
from tests.services.booking import booked

NOW = datetime(2025, 6, 30, 22, tzinfo=UTC)


def rules(**changes: object) -> PortfolioSettings:
    """Five names of twelve, at most a third each."""
    few = {
        "optimizer": OptimizerName.SIMPLE,
        "num_positions": 5,
        "max_weight": 0.34,
        "benchmark": "BBB",
    }
    return default_settings(Settings(_env_file=None)).model_copy(update={**few, **changes})


async def opened(
    session: AsyncSession,
    market: MarketSnapshot,
    owner_id: int,
    *,
    settings: PortfolioSettings | None = None,
    capital: str = "100000.00",
    on: date | None = None,
) -> Portfolio:
    return await portfolios.create(
        session,
        market,
        owner_id=owner_id,
        name=uuid4().hex,
        initial_capital=Decimal(capital),
        settings=settings or rules(),
        now=NOW,
        opened_on=on,
    )


async def invested(
    session: AsyncSession, market: MarketSnapshot, owner_id: int, **opening: object
) -> Portfolio:
    """A portfolio that has just bought what its rules want."""
    portfolio = await opened(session, market, owner_id, **opening)  # type: ignore[arg-type]
    await rebalanced(session, market, portfolio)
    return portfolio


async def rebalanced(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> tuple[LineOutcome, ...]:
    event = await rebalancing.propose(session, market, portfolio, now=NOW)
    return await rebalancing.execute(session, market, portfolio, event, now=NOW)


async def bought(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    on: date | None = None,
    /,
    **shares: int,
) -> None:
    """Shares by ticker, bought without costs at the close of `on`, the day of opening if None."""
    on = on or portfolio.opened_on
    entries = [
        Entry(
            kind=EntryKind.BUY,
            session=on,
            amount=-(quantity * close(market, ticker, on)).quantize(Decimal("0.01")),
            reason="test",
            source="test",
            etf_id=etf_id(market, ticker),
            quantity=Decimal(quantity),
            reference_price=close(market, ticker, on),
            price=close(market, ticker, on),
            price_date=on,
        )
        for ticker, quantity in shares.items()
    ]
    await booked(session, portfolio, *entries, now=NOW)


def etf_id(market: MarketSnapshot, ticker: str) -> int:
    return market.etfs[market.row(ticker)].id


def close(market: MarketSnapshot, ticker: str, on: date) -> Decimal:
    last = valuation.last_price(market, market.row(ticker), on)
    assert last is not None
    return last.price


def day(market: MarketSnapshot, back: int) -> date:
    """The session `back` sessions before the latest."""
    found: date = market.panel.sessions[-1 - back].item()
    return found


def with_closes(market: MarketSnapshot, close: FloatArray) -> MarketSnapshot:
    """The same market with other prices, traded and adjusted alike, at a version of its own."""
    panel = replace(market.panel, close=close, adjusted=close)
    return replace(market, panel=panel, data_version=uuid4())


def until(market: MarketSnapshot, last: date) -> MarketSnapshot:
    """The market as it was known at the close of `last`."""
    panel: Panel = market.panel.until(last)
    return replace(market, panel=panel, data_version=uuid4())


def scrambled(market: MarketSnapshot, after: date) -> MarketSnapshot:
    """Every close after a day replaced by another market's; the days up to it stay."""
    closes = market.panel.close.copy()
    first = market.column(after) + 1
    random = np.random.default_rng(7)
    steps = np.exp(random.normal(0.0, 0.03, closes[:, first:].shape).cumsum(axis=1))
    closes[:, first:] = closes[:, first - 1 : first] * steps
    return with_closes(market, closes)


def falling(
    market: MarketSnapshot, ticker: str, since: date, by: float = 0.3, *, days: int | None = None
) -> MarketSnapshot:
    """One ETF is worth less by a fraction from `since` on, for some sessions or for good."""
    closes = market.panel.close.copy()
    first = market.column(since)
    closes[market.row(ticker), first : None if days is None else first + days] *= 1.0 - by
    return with_closes(market, closes)


def silent(market: MarketSnapshot, ticker: str, since: date) -> MarketSnapshot:
    """One ETF has no closes from `since` on."""
    closes = market.panel.close.copy()
    closes[market.row(ticker), market.column(since) :] = np.nan
    return with_closes(market, closes)


async def with_action(
    session: AsyncSession,
    market: MarketSnapshot,
    ticker: str,
    kind: ActionKind,
    *,
    ex_date: date,
    value: str | None = None,
    pay_date: date | None = None,
    old_ticker: str | None = None,
    source: str = "prices",
) -> MarketSnapshot:
    """The market learns of an action, or of its new value, and its traded closes follow a split."""
    number_of = etf_id(market, ticker)
    amount = None if value is None else Decimal(value)
    number = await session.scalar(
        text("""
            INSERT INTO corporate_actions (etf_id, ex_date, kind, value, pay_date, ticker, source)
            VALUES (:etf_id, :ex_date, :kind, :value, :pay_date, :ticker, :source)
            ON CONFLICT (etf_id, ex_date, kind) DO UPDATE SET value = excluded.value RETURNING id
            """),
        {
            "etf_id": number_of,
            "ex_date": ex_date,
            "kind": kind.value,
            "value": amount,
            "pay_date": pay_date,
            "ticker": old_ticker,
            "source": source,
        },
    )
    assert number is not None
    action = Action(number, number_of, ex_date, kind, amount, pay_date, old_ticker, source)
    before = {each.id: each for each in market.actions}
    actions = sorted({**before, number: action}.values(), key=lambda each: each.ex_date)
    closes = market.panel.close.copy()
    if kind is ActionKind.SPLIT:
        closes[market.row(ticker), market.column(ex_date) :] /= float(action.ratio)
        if number in before:
            closes[market.row(ticker), market.column(ex_date) :] *= float(before[number].ratio)
    panel = replace(market.panel, close=closes)
    return replace(
        market, panel=panel, data_version=uuid4(), actions=tuple(actions), adjusted_only=False
    )


async def entries(session: AsyncSession, portfolio: Portfolio) -> list[tuple[object, ...]]:
    """The ledger without what differs between two portfolios that live the same life."""
    query = (
        select(
            LedgerEntry.sequence,
            LedgerEntry.kind,
            LedgerEntry.etf_id,
            LedgerEntry.quantity,
            LedgerEntry.price,
            LedgerEntry.fee,
            LedgerEntry.amount,
            LedgerEntry.session,
            LedgerEntry.booked_at,
            LedgerEntry.reason,
        )
        .where(LedgerEntry.portfolio_id == portfolio.id)
        .order_by(LedgerEntry.sequence)
    )
    return [tuple(row) for row in await session.execute(query)]


async def events(session: AsyncSession, portfolio: Portfolio) -> list[RebalanceEvent]:
    query = (
        select(RebalanceEvent)
        .where(RebalanceEvent.portfolio_id == portfolio.id)
        .order_by(RebalanceEvent.id)
    )
    return list(await session.scalars(query))
