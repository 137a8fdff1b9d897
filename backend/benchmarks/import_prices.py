"""Import of 1.85 million bars, facts and a volatility index, first time and again.

Run from backend/: `python -m benchmarks.import_prices [--rounds 3] [--database-url URL]`. Starts a
durable PostgreSQL of its own in a scratch folder unless given one, whose market `us` is then
emptied. Beside it in the same run, into the same table: SQLAlchemy Core's executemany and psycopg's
COPY row by row, each on a part of the bars and extrapolated linearly, without reading the file,
checking or comparing anything. Medians.
"""

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import polars as pl
import psycopg
from sqlalchemy import create_engine, insert
from sqlalchemy.engine import make_url

from app.core import calendar, embedded, migrations
from app.core.database import open_engine, open_sessions, unit_of_work
from app.market_data.files import read_bars
from app.models import EtfPrice
from app.services.arrivals import ImportReport
from app.services.importing import import_files

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NOW = datetime(2026, 8, 1, tzinfo=UTC)
CORE_ROWS, COPY_ROWS = 50_000, 200_000


@contextmanager
def scratch_database(url: str | None) -> Iterator[str]:
    """The given database, or one on a server that lives as long as the block."""
    if url is not None:
        migrations.upgrade(url)
        yield url
        return
    with tempfile.TemporaryDirectory() as folder, embedded.postgres(Path(folder)) as own:
        migrations.upgrade(own)
        yield own


@contextmanager
def prices_file() -> Iterator[Path]:
    """The real file where it lies beside the project, else as many invented bars."""
    if (DATA / "etf_prices.parquet").is_file():
        yield DATA / "etf_prices.parquet"
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "invented.parquet"
        days = calendar.sessions(date(2022, 5, 26), date(2025, 6, 30))
        closes = np.round(np.random.default_rng(1).uniform(5, 500, 2383 * len(days)), 2)
        pl.DataFrame(
            {
                "ticker": np.repeat([f"T{i:04}" for i in range(2383)], len(days)),
                "date": np.tile(days, 2383),
                **dict.fromkeys(("open", "high", "low", "close"), closes),
                "volume": closes * 1e4,
            }
        ).write_parquet(path)
        yield path


def libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def empty(url: str) -> None:
    with psycopg.connect(libpq(url), autocommit=True) as connection:
        for statement in (
            "TRUNCATE etf_prices, index_prices, quarantined_bars",
            "DELETE FROM data_imports",
            "DELETE FROM etfs",
            "UPDATE markets SET data_version = NULL, first_session = NULL, latest_session = NULL",
        ):
            connection.execute(statement)


async def import_once(url: str, prices: Path) -> ImportReport:
    engine = open_engine(url)
    real = prices.parent == DATA
    async with unit_of_work(open_sessions(engine)) as session:
        report = await import_files(
            session,
            "us",
            prices,
            metadata=DATA / "etf_metadata.csv" if real else None,
            vix=DATA / "vix.csv" if real else None,
            now=NOW,
            data_version=uuid4(),
            progress=lambda *_: None,
        )
    await engine.dispose()
    return report


def timed_import(url: str, prices: Path) -> tuple[float, ImportReport]:
    start = time.perf_counter()
    report = asyncio.run(import_once(url, prices))
    return time.perf_counter() - start, report


def plain_rows(prices: Path, count: int) -> list[tuple[object, ...]]:
    bars = read_bars(prices).head(count).drop_nulls()
    return bars.with_columns(pl.col("ticker").rank("dense").cast(pl.Int32)).rows()


def core_seconds_per_row(url: str, prices: Path) -> float:
    names = ("etf_id", "session", "open", "high", "low", "close", "volume")
    rows = [dict(zip(names, row, strict=True)) for row in plain_rows(prices, CORE_ROWS)]
    engine = create_engine(url)
    start = time.perf_counter()
    with engine.begin() as connection:
        connection.execute(insert(EtfPrice), rows)
    taken = time.perf_counter() - start
    engine.dispose()
    return taken / len(rows)


def copy_seconds_per_row(url: str, prices: Path) -> float:
    rows = plain_rows(prices, COPY_ROWS)
    start = time.perf_counter()
    with (
        psycopg.connect(libpq(url)) as connection,
        connection.cursor() as cursor,
        cursor.copy("COPY etf_prices FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)
    return (time.perf_counter() - start) / len(rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--database-url")
    options = arguments.parse_args()

    calendar.is_session(date(2025, 6, 30))  # loads once per process, over a second
    first, again, core, copy = [], [], [], []
    with prices_file() as prices, scratch_database(options.database_url) as url:
        for number in range(options.rounds):
            empty(url)
            seconds, report = timed_import(url, prices)
            first.append(seconds)
            if number == 0:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            seconds, repeated = timed_import(url, prices)
            again.append(seconds)
            assert report.changed
            assert not repeated.changed
            empty(url)
            core.append(core_seconds_per_row(url, prices))
            empty(url)
            copy.append(copy_seconds_per_row(url, prices))
    bars = next(each for each in report.series if each.series == "bars")
    ours = statistics.median(first)
    print(f"{bars.added:,} bars stored, {bars.quarantined:,} refused, indexes included")
    print(f"  first import            {ours:7.2f} s   (reach: 10 s)")
    print(f"  the same again          {statistics.median(again):7.2f} s")
    for name, per_row in (("SQLAlchemy executemany", core), ("psycopg COPY, rows", copy)):
        theirs = statistics.median(per_row) * bars.added
        print(f"  {name:22}  {theirs:7.2f} s   extrapolated; {theirs / ours:.1f} x ours")
    print(f"  peak memory of the importing process: {peak:,.0f} MB   (reach: 1,536 MB)")


if __name__ == "__main__":
    main()
