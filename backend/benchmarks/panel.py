"""Closes and volumes of a market of 1.85 million bars as aligned arrays: cold and warm.

Run from backend/: `python -m benchmarks.panel [--rounds 5] [--database-url URL]`. Cold reads the
tables and writes the mapped files, warm maps them; both are whole snapshots: connecting, facts and
the volatility index included. A database given by URL is emptied and filled. Beside it in the same
run: pandas' read_sql and pivot of closes and volumes, and polars' read_database and pivot of
closes alone. Medians.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
from sqlalchemy import create_engine

from app.core import calendar
from app.market_data.live import load
from app.market_data.panels import PanelFiles
from benchmarks.import_prices import empty, import_once, prices_file, scratch_database

QUERY = "SELECT etf_id, session, close, volume FROM etf_prices"


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def with_pandas(url: str) -> None:
    engine = create_engine(url)
    bars = pd.read_sql(QUERY, engine)
    bars.pivot(index="etf_id", columns="session", values=["close", "volume"]).to_numpy()
    engine.dispose()


def with_polars(url: str) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        bars = pl.read_database(QUERY, connection)
    bars.pivot("session", index="etf_id", values="close").to_numpy()
    engine.dispose()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--database-url")
    options = arguments.parse_args()

    calendar.is_session(date(2025, 6, 30))  # loads once per process, over a second
    times: dict[str, list[float]] = {"cold": [], "warm": [], "pandas": [], "polars": []}
    with (
        prices_file() as prices,
        scratch_database(options.database_url) as url,
        tempfile.TemporaryDirectory() as folder,
    ):
        empty(url)
        asyncio.run(import_once(url, prices))
        files = PanelFiles(Path(folder) / "panels")
        for number in range(options.rounds):
            shutil.rmtree(files.folder, ignore_errors=True)
            times["cold"].append(seconds(lambda: load(url, "us", files)))
            times["warm"].append(seconds(lambda: load(url, "us", files)))
            if number < 2:
                times["pandas"].append(seconds(lambda: with_pandas(url)))
                times["polars"].append(seconds(lambda: with_polars(url)))
        shape = load(url, "us", files).panel.close.shape
    medians = {name: statistics.median(found) for name, found in times.items()}
    print(f"panel of {shape[0]:,} ETFs x {shape[1]:,} sessions, as a whole snapshot")
    print(f"  cold, from PostgreSQL   {medians['cold']:8.3f} s   (reach: 1.5 s)")
    print(f"  warm, mapped files      {medians['warm']:8.3f} s   (reach: 0.050 s)")
    for name in ("pandas", "polars"):
        ratio = medians[name] / medians["cold"]
        print(f"  {name:22}  {medians[name]:8.3f} s   {ratio:.0f} x ours, cold")


if __name__ == "__main__":
    main()
