"""Requests per second of the latest scores: one server process, 16 keep-alive connections.

    python -m benchmarks.http_factors [--seconds 3] [--rounds 5]

The real market where the folder of market data lies beside the project, else the simulated one,
on a durable PostgreSQL and a Valkey of its own. Beside it in the same run: a FastAPI endpoint that
answers a constant.
"""

import argparse
import asyncio
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import uvloop
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import open_resources
from app.core import embedded, migrations
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.progress import silent
from app.schemas.settings import default_settings
from app.services import demo, importing, updating
from app.services.arrivals import ImportReport
from benchmarks.http_book import CONNECTIONS, Request, load, server
from tests.shared_data import SHARED

DATA = SHARED / "data"


async def fill(settings: Settings) -> None:
    """The real prices with their scores, or the demo market."""
    now = utc_now()

    async def bring(session: AsyncSession) -> ImportReport:
        return await importing.import_files(
            session,
            "us",
            DATA / "etf_prices.parquet",
            metadata=DATA / "etf_metadata.csv",
            vix=DATA / "vix.csv",
            now=now,
            data_version=uuid4(),
            progress=silent,
        )

    async with open_resources(settings) as resources:
        sessions, market_data = resources.sessions, resources.market_data
        if DATA.is_dir():
            await updating.update(sessions, market_data, bring, now=now, progress=silent)
            return
        await demo.prepare(
            sessions,
            market_data,
            owner_id=resources.owner_id,
            settings=default_settings(settings),
            now=now,
            progress=silent,
        )


async def measure(app: int, limits: int, options: argparse.Namespace) -> None:
    gzip = "Accept-Encoding: gzip\r\n"
    measured = {
        "limit: FastAPI, a constant": (limits, Request("GET", "/constant")),
        "GET /api/factors/latest, gzip": (
            app,
            Request("GET", "/api/factors/latest", headers=gzip),
        ),
        "GET /api/factors/latest, plain": (app, Request("GET", "/api/factors/latest")),
        "GET /api/factors/recommendations": (app, Request("GET", "/api/factors/recommendations")),
    }
    rates: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(options.rounds):
        for name, (port, request) in measured.items():
            found = await load(port, lambda *_, r=request: r, options.seconds, CONNECTIONS)
            rates[name].append(found.rate)
    constant = statistics.median(rates["limit: FastAPI, a constant"])
    print(f"{'requests per second, median of ' + str(options.rounds):<44}{'':>8}  of the limit")
    for name, each in rates.items():
        print(f"{name:<44}{statistics.median(each):>8,.0f}  {statistics.median(each)/constant:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(embedded.postgres(folder))
        redis = stack.enter_context(embedded.valkey(folder))
        migrations.upgrade(url)
        settings = Settings(
            database_url=SecretStr(url), redis_url=SecretStr(redis), data_dir=folder
        )
        asyncio.run(fill(settings))
        environment = {"DATABASE_URL": url, "REDIS_URL": redis, "DATA_DIR": str(folder)}
        app = stack.enter_context(server("app.main:app", environment))
        limits = stack.enter_context(server("benchmarks.http_book:peer", environment, "--factory"))
        uvloop.run(measure(app, limits, options))


if __name__ == "__main__":
    main()
