"""How long an answer about risk takes, and the value at risk of a series beside pandas.

    python -m benchmarks.risk [--rounds 40]

The real market where the folder of market data lies beside the project, else the simulated one, on
a PostgreSQL of its own in a scratch folder. A portfolio lives through the last 400 sessions by the
default rules with twenty names; then one server process is asked for its risk, one request at a
time, warm, factor risk included. Beside it: the forecasts of all three methods over five years,
their coverage and intervals, ours and as one writes them in pandas and scipy.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import SecretStr
from scipy import stats

from app.bootstrap import open_resources
from app.core import embedded, migrations
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.database import unit_of_work
from app.quant.panel import FloatArray
from app.quant.risk.tails import tails
from app.schemas.settings import default_settings
from app.services import backtest_running, replay
from benchmarks.http_book import Connection, Request, server
from benchmarks.http_factors import fill

SESSIONS = 400
TARGET_MS = 60.0


async def live_through_the_past(settings: Settings) -> int:
    """A portfolio of twenty names with a past of its own."""
    async with (
        open_resources(settings) as resources,
        unit_of_work(resources.sessions) as session,
    ):
        code = await resources.market_data.default_market(session)
        market = await resources.market_data.snapshot(session, code)
        opened, _ = await replay.open_replayed(
            session,
            market,
            owner_id=resources.owner_id,
            name="Measured",
            initial_capital=Decimal(1_000_000),
            settings=default_settings(settings),
            since=market.panel.sessions[-SESSIONS].item(),
            now=utc_now(),
        )
        return opened.id


async def ask(port: int, path: str, rounds: int) -> list[float]:
    connection = await Connection.open(port)
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        status, body = await connection.ask(Request("GET", path))
        taken.append((time.perf_counter() - start) * 1e3)
        assert status == 200, body
    await connection.close()
    return taken


def peer(returns: FloatArray) -> None:
    """Rolling forecasts of the three methods at two levels, Kupiec's test of each, and bootstrap
    intervals of independent days."""
    random = np.random.default_rng(1)
    series = pd.Series(returns)
    window = series.rolling(252)
    volatility = np.sqrt((series**2).ewm(alpha=0.06).mean()).shift()
    divided = (series / volatility).rolling(252)
    for tail in (0.05, 0.01):
        forecasts = (
            window.quantile(tail),
            window.mean() + stats.norm.ppf(tail) * window.std(),
            divided.quantile(tail) * volatility.shift(-1),
        )
        for forecast in forecasts:
            before = forecast.shift()
            count = int(before.notna().sum())
            exceptions = int((series < before).sum())
            share = exceptions / count
            promised = stats.binom.logpmf(exceptions, count, tail)
            stats.chi2.sf(2 * (stats.binom.logpmf(exceptions, count, share) - promised), 1)
            drawn = random.choice(returns[-252:], (500, 252))
            np.quantile(np.quantile(drawn, tail, axis=1), [0.025, 0.975])


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    backtest_running.load_engine()  # what the server would otherwise compile in its first minutes
    returns = np.random.default_rng(7).standard_t(5, 1_260) * 0.008
    ours = milliseconds(lambda: tails(returns), options.rounds)
    theirs = milliseconds(lambda: peer(returns), options.rounds)
    print(f"{'six values at risk of 5 years, with intervals and tests':<58}{ours:8.2f} ms")
    print(f"{'pandas and scipy, with simpler intervals':<58}{theirs:8.2f} ms  x{theirs / ours:.1f}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(embedded.postgres(folder))
        redis = stack.enter_context(embedded.valkey(folder))
        migrations.upgrade(url)
        settings = Settings(
            database_url=SecretStr(url), redis_url=SecretStr(redis), data_dir=folder
        )
        asyncio.run(fill(settings))
        portfolio_id = asyncio.run(live_through_the_past(settings))
        environment = {"DATABASE_URL": url, "REDIS_URL": redis, "DATA_DIR": str(folder)}
        port = stack.enter_context(server("app.main:app", environment))
        path = f"/api/risk/{portfolio_id}"
        warm = asyncio.run(ask(port, path, options.rounds + 5))
        median, best = statistics.median(warm[5:]), min(warm[5:])
        print(f"{'GET /api/risk/{id}, warm':<58}{median:8.1f} ms  target {TARGET_MS:.0f} ms")
        print(f"{'the fastest of them: what a busy machine did not slow':<58}{best:8.1f} ms")


if __name__ == "__main__":
    main()
