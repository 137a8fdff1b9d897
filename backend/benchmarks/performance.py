"""How long `GET /api/performance/{id}` takes with five years of values: one server process, warm.

    python -m benchmarks.performance [--requests 50] [--rounds 7]

Starts a durable PostgreSQL and a Valkey of its own in a scratch folder, fills a market of 20 ETFs
over five years, and a portfolio that holds all of them, trades each once a month and is marked at
every close. One keep-alive connection asks again and again. Beside it, in the same run: a FastAPI
endpoint that reads the same values by one raw query and lists them, and one that makes of them what
empyrical has of the figures, as dated pandas series; neither has a benchmark, rolling figures,
tables or definitions.

The first line asks the same question again, whose answer is kept as long as nothing changes; the
others ask another one each time.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import date
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import empyrical
import pandas as pd
import psycopg
import uvloop
from fastapi import FastAPI
from sqlalchemy.engine import make_url

from app.bootstrap import open_resources
from app.core import embedded, migrations
from app.core.config import Settings
from app.core.database import unit_of_work
from app.services import marking
from benchmarks.http_book import Connection, Request, server
from benchmarks.metrics import peer as statistics_of_empyrical
from tests.services.past_books import NOW, book, deposit, opened, rules, trade
from tests.small_market import write_small_market

FIRST = date(2020, 6, 1)
TICKERS = tuple(f"ETF{number:02}" for number in range(20))
MONTH = 21
TARGET_MS = 15.0

VALUES = """
    SELECT session, cash, positions_value, external_flow, costs FROM portfolio_values
    WHERE portfolio_id = 1 ORDER BY session
    """


def peer() -> FastAPI:
    """What the framework, the driver and pandas allow."""
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql")  # noqa: TID251
    held: list[psycopg.AsyncConnection[tuple[Any, ...]]] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warnings.filterwarnings("ignore")
        address = url.render_as_string(hide_password=False)
        held.append(await psycopg.AsyncConnection.connect(address, autocommit=True))
        yield
        await held.pop().close()

    app = FastAPI(lifespan=lifespan)

    async def rows() -> list[tuple[Any, ...]]:
        return await (await held[0].execute(VALUES)).fetchall()

    @app.get("/values")
    async def values() -> list[dict[str, Any]]:
        return [
            {"session": day, "cash": str(cash), "value": str(cash + worth), "flow": str(flow)}
            for day, cash, worth, flow, _ in await rows()
        ]

    @app.get("/empyrical")
    async def figures() -> dict[str, float]:
        found = await rows()
        days = pd.DatetimeIndex([row[0] for row in found])
        total = pd.Series([float(row[1] + row[2]) for row in found], index=days)
        paid = pd.Series([float(row[3]) for row in found], index=days)
        returns = (total / (total.shift(1) + paid) - 1.0).iloc[1:]
        statistics_of_empyrical(returns, returns)
        return {"sharpe": float(empyrical.sharpe_ratio(returns))}

    return app


async def prepare(settings: Settings) -> None:
    """A market and a portfolio of five years, marked at every close."""
    async with open_resources(settings) as resources:
        async with unit_of_work(resources.sessions) as session:
            await write_small_market(session, tickers=TICKERS, first=FIRST)
        async with unit_of_work(resources.sessions) as session:
            market = await resources.market_data.snapshot(session, "us")
            days: list[date] = market.panel.sessions.tolist()
            portfolio = await opened(
                session,
                market,
                resources.owner_id,
                on=days[0],
                capital=Decimal(10_000_000),
                settings=rules(benchmark=TICKERS[0]),
            )
            for number, day in enumerate(days[::MONTH]):
                shares = 1000 if number == 0 else 10 * (-1) ** number
                trades = [trade(market, ticker, shares, day, slipped="0.01") for ticker in TICKERS]
                await book(session, portfolio, *trades, deposit("1000.00", day))
            await marking.mark_portfolios(session, market, [portfolio], now=NOW)


async def seconds(port: int, path: str, requests: int) -> tuple[list[float], int]:
    """Of each request, and the size of an answer; `{}` in the path is another number each time."""
    connection = await Connection.open(port)
    taken, size = [], 0
    for _ in range(requests):
        asked = time.perf_counter()
        status, body = await connection.ask(Request("GET", path.format(60 + next(NUMBERS) % 1000)))
        taken.append(time.perf_counter() - asked)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {body.decode()[:300]}")
        size = len(body)
    await connection.close()
    return taken, size


NUMBERS = count()


async def measure(app: int, limits: int, requests: int, rounds: int) -> None:
    lines = (
        (app, "/api/performance/1"),
        (app, "/api/performance/1?window={}"),
        (app, "/api/performance/1?benchmark=ETF01:0.6,ETF02:0.4&window={}"),
        (app, "/api/performance/1?period=1Y&window={}"),
        (limits, "/values"),
        (limits, "/empyrical"),
    )
    medians: dict[str, list[float]] = {path: [] for _, path in lines}
    sizes: dict[str, int] = {}
    for number in range(rounds + 1):
        for port, path in lines:
            taken, sizes[path] = await seconds(port, path, requests)
            if number:  # the first round warms up
                medians[path].append(statistics.median(taken) * 1000)
    print(f"milliseconds of one request after another, p50 of {rounds} rounds; target {TARGET_MS}")
    print(f"{'':<60}{'kB':>6}{'quietest':>10}{'median':>8}")
    for path, found in medians.items():
        print(
            f"{path:<60}{sizes[path] / 1024:>6.0f}{min(found):>10.1f}"
            f"{statistics.median(found):>8.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=50, help="of each kind in a round")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(embedded.postgres(folder))
        redis = stack.enter_context(embedded.valkey(folder))
        migrations.upgrade(url)
        settings = Settings(database_url=url, redis_url=redis, data_dir=folder, _env_file=None)
        asyncio.run(prepare(settings))
        environment = {"DATABASE_URL": url, "REDIS_URL": redis, "DATA_DIR": str(folder)}
        app = stack.enter_context(server("app.main:app", environment))
        limits = stack.enter_context(
            server("benchmarks.performance:peer", environment, "--factory")
        )
        uvloop.run(measure(app, limits, options.requests, options.rounds))


if __name__ == "__main__":
    main()
