"""A market of a few ETFs over some 300 sessions, written with plain INSERTs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar

FIRST, LATEST = date(2024, 4, 22), date(2025, 6, 30)
TICKERS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH", "III", "JJJ", "KKK", "LLL")
"""Eligible for a score: liquid, of moderate volatility, with a full history, not twins."""
CLOSED, SILENT, GAPPY = "GONE", "MUTE", "GAPS"
"""Closed long ago; open but without a bar for 20 sessions; without one for the last 2."""
LAST_BARS = {CLOSED: 100, SILENT: 20, GAPPY: 2}
"""How many sessions before the latest one each stops."""
ASSET_CLASSES = ("Equity", "Fixed Income", "Commodity")


@dataclass(frozen=True, slots=True)
class SmallMarket:
    """`ids` and `closes` by ticker; the closes end where the ETF's bars do, oldest first."""

    code: str
    data_version: UUID
    sessions: tuple[date, ...]
    ids: dict[str, int]
    closes: dict[str, tuple[float, ...]]


async def write_small_market(
    session: AsyncSession,
    code: str = "us",
    tickers: Sequence[str] = TICKERS,
    *,
    first: date = FIRST,
) -> SmallMarket:
    """Fill the empty market `code`; the caller commits. The same prices every time."""
    random = np.random.default_rng(20250630)
    days = tuple(day.item() for day in calendar.sessions(first, LATEST))
    ids: dict[str, int] = {}
    closes: dict[str, tuple[float, ...]] = {}
    for number, ticker in enumerate((*tickers, *LAST_BARS)):
        length = len(days) - LAST_BARS.get(ticker, 0)
        ids[ticker] = await _write_etf(session, code, ticker, number, days[length - 1])
        steps = random.normal(0.0002 + 0.0001 * (number % 5), 0.008, length)
        prices = np.round((40.0 + 10.0 * number) * np.exp(np.cumsum(steps)), 2)
        closes[ticker] = tuple(prices.tolist())
        await _write_bars(session, ids[ticker], days[:length], closes[ticker])
    await _write_vix(session, code, days, random)
    version = uuid4()
    await session.execute(
        text("""
            UPDATE markets SET data_version = :version, first_session = :first,
                latest_session = :latest, updated_at = :now WHERE code = :code
            """),
        {
            "version": version,
            "first": days[0],
            "latest": days[-1],
            "now": datetime(2025, 6, 30, 21, tzinfo=UTC),
            "code": code,
        },
    )
    return SmallMarket(code, version, days, ids, closes)


async def _write_etf(
    session: AsyncSession, code: str, ticker: str, number: int, last_bar: date
) -> int:
    inserted = await session.execute(
        text("""
            INSERT INTO etfs (market, ticker, name, issuer, category, asset_class, region,
                              expense_ratio, is_leveraged, is_inverse, closed_on)
            VALUES (:code, :ticker, :name, 'Small Funds', 'Broad', :asset_class, 'US',
                    :expense_ratio, false, false, :closed_on) RETURNING id
            """),
        {
            "code": code,
            "ticker": ticker,
            "name": f"Small {ticker} ETF",
            "asset_class": ASSET_CLASSES[number % len(ASSET_CLASSES)],
            "expense_ratio": 0.0005 + 0.0003 * number,
            "closed_on": last_bar if ticker == CLOSED else None,
        },
    )
    return int(inserted.scalar_one())


async def _write_bars(
    session: AsyncSession, etf_id: int, days: tuple[date, ...], closes: tuple[float, ...]
) -> None:
    await session.execute(
        text("""
            INSERT INTO etf_prices (etf_id, session, open, high, low, close, volume)
            SELECT :etf_id, session, close, close, close, close, 500000
            FROM unnest(CAST(:days AS date[]), CAST(:closes AS float8[])) AS bar (session, close)
            """),
        {"etf_id": etf_id, "days": list(days), "closes": list(closes)},
    )


async def _write_vix(
    session: AsyncSession, code: str, days: tuple[date, ...], random: np.random.Generator
) -> None:
    closes = np.round(17.0 + random.normal(0.0, 2.0, len(days)), 2).tolist()
    await session.execute(
        text("""
            INSERT INTO index_prices (market, symbol, session, close)
            SELECT :code, 'VIX', session, close
            FROM unnest(CAST(:days AS date[]), CAST(:closes AS float8[])) AS bar (session, close)
            """),
        {"code": code, "days": list(days), "closes": closes},
    )
