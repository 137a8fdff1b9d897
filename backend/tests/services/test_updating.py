"""Imports at once: whatever the order, what is derived belongs to the prices that are stored."""

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.database import open_engine, open_sessions, reading
from app.core.errors import Refused
from app.core.progress import silent
from app.market_data.live import MarketData
from app.services import importing, updating
from app.services.arrivals import ImportReport

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
DAYS = [str(day) for day in calendar.sessions(date(2024, 1, 2), date(2025, 6, 30))]


def _file(folder: Path, factor: float) -> Path:
    """Three funds over a year and a half whose last sixty closes differ by `factor`."""
    lines = ["ticker,date,open,high,low,close,volume"]
    for number, ticker in enumerate(("AAA", "BBB", "CCC")):
        for at, day in enumerate(DAYS):
            price = (
                (50 + number)
                * (1 + 0.01 * ((at * (number + 3)) % 7))
                * (factor if at >= len(DAYS) - 60 else 1)
            )
            lines.append(f"{ticker},{day},{price},{price},{price},{price},1000000")
    file = folder / f"{factor}.csv"
    file.write_text("\n".join(lines))
    return file


async def test_imports_at_once_leave_scores_of_the_prices_that_stay(
    fresh_database_url: str, tmp_path: Path
) -> None:
    engine = open_engine(fresh_database_url)
    sessions = open_sessions(engine)

    async def bring_in(number: int, factor: float) -> None:
        await asyncio.sleep(0.05 * number)
        file = _file(tmp_path, factor)

        async def bring(session: AsyncSession) -> ImportReport:
            return await importing.import_files(
                session, "us", file, now=NOW, data_version=uuid4(), progress=silent
            )

        data = MarketData(tmp_path / str(number))
        await updating.update(sessions, data, bring, now=NOW, progress=silent)

    await bring_in(0, 1.0)
    await asyncio.gather(*(bring_in(number, 1 + 0.01 * number) for number in range(1, 5)))

    async with reading(sessions) as session:
        rows = await session.execute(
            text("""
                SELECT DISTINCT s.data_version = m.data_version FROM factor_scores s
                JOIN markets m ON m.code = s.market
                WHERE s.session >= :first
                """),
            {"first": date.fromisoformat(DAYS[-60])},
        )
        assert rows.scalars().all() == [True]
    await engine.dispose()


async def test_real_prices_never_enter_the_simulated_market(
    fresh_database_url: str, tmp_path: Path
) -> None:
    engine = open_engine(fresh_database_url)
    async with open_sessions(engine)() as session:
        with pytest.raises(Refused, match="simulated"):
            await importing.import_files(
                session,
                "demo",
                _file(tmp_path, 1.0),
                now=NOW,
                data_version=uuid4(),
                progress=silent,
            )
    await engine.dispose()
