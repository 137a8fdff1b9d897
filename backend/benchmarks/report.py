"""A report from a stored run to a complete HTML file, beside quantstats' tear sheet.

    python -m benchmarks.report [--repeats 5]

The default rules over 18 years of real prices where they lie beside the project, else over the
simulated market; kept in a PostgreSQL of its own. Measured is what `GET …/report` does: read the
run, judge it among all that were tried, make every figure, and write the file with Plotly inside.
The peer gets the same daily returns and benchmark, and nothing else to explain.
"""

import argparse
import asyncio
import tempfile
import warnings
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from uuid import uuid4

import numpy as np
import pandas as pd
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources, open_resources
from app.core import embedded, migrations
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.database import reading, unit_of_work
from app.core.progress import silent
from app.models import Backtest
from app.schemas.backtest import BacktestSpec
from app.schemas.report import BacktestFindings
from app.schemas.settings import default_settings
from app.services import (
    backtest_running,
    backtest_runs,
    backtesting,
    demo,
    importing,
    reporting,
    updating,
)
from app.services.arrivals import ImportReport
from app.services.backtest_answers import returns_of
from app.services.backtest_runs import Ask
from app.web import report
from tests.shared_data import SHARED

DATA = SHARED / "data"
START = date(2007, 1, 1)


async def fill(resources: Resources) -> None:
    now = utc_now()

    async def bring(session: AsyncSession) -> ImportReport:
        return await importing.import_files(
            session,
            "us",
            DATA / "etf_prices_long.parquet",
            metadata=DATA / "etf_metadata.csv",
            vix=DATA / "vix.csv",
            now=now,
            data_version=uuid4(),
            progress=silent,
        )

    if DATA.is_dir():
        await updating.update(
            resources.sessions, resources.market_data, bring, now=now, progress=silent
        )
    await demo.prepare(
        resources.sessions,
        resources.market_data,
        owner_id=resources.owner_id,
        settings=default_settings(resources.settings),
        now=now,
        progress=silent,
    )


async def kept(resources: Resources) -> Backtest:
    """The run of the default rules."""
    backtest_running.load_engine()
    async with unit_of_work(resources.sessions) as session:
        code = await resources.market_data.default_market(session)
        market = await resources.market_data.snapshot(session, code)
        wanted = BacktestSpec(start=START if code == "us" else None)
        spec = backtesting.resolved(market, resources.settings, wanted)
        ask = Ask(resources.owner_id, spec)
        columns = await backtest_runs.make(market, ask, now=utc_now())
        row, _ = await backtest_runs.keep(session, columns)
        return row


async def gathered(resources: Resources, number: int) -> BacktestFindings:
    async with reading(resources.sessions) as session:
        run = await backtest_runs.found(session, resources.owner_id, number)
        market = await resources.market_data.snapshot(session, run.market)
        return await reporting.of_backtest(session, resources.cache, market, run, now=utc_now())


def by_quantstats(found: BacktestFindings, returns: np.ndarray, file: Path) -> int:
    # It draws with matplotlib and warns about fonts and about pandas.
    warnings.simplefilter("ignore")
    import quantstats as qs  # noqa: PLC0415

    curve = found.run.curve or []
    days = pd.DatetimeIndex([point.session for point in curve])[1:]
    theirs = np.array([point.benchmark_growth or 1.0 for point in curve])
    qs.reports.html(
        pd.Series(returns, days),
        benchmark=pd.Series(theirs[1:] / theirs[:-1] - 1.0, days, name="SPY"),
        output=str(file),
        rf=0.04,
    )
    return file.stat().st_size


async def measure(resources: Resources, repeats: int, folder: Path) -> None:
    await fill(resources)
    run = await kept(resources)
    reading_took, writing_took, worked = [], [], []
    page = ""
    for _ in range(repeats + 1):
        started, begun = perf_counter(), process_time()
        found = await gathered(resources, run.id)
        read = perf_counter()
        page = report.of_backtest(found)
        reading_took.append(read - started)
        writing_took.append(perf_counter() - read)
        worked.append(process_time() - begun)
    theirs, size = [], 0
    for _ in range(max(repeats // 2, 1)):
        started = perf_counter()
        size = by_quantstats(found, returns_of(run), folder / "peer.html")
        theirs.append(perf_counter() - started)
    ours = median(np.add(reading_took[1:], writing_took[1:]).tolist())
    print(f"{len(found.run.curve or ()):,} sessions, {len(found.run.trades or ()):,} trades")
    print(f"first, with imports      {reading_took[0] + writing_took[0]:6.2f} s")
    print(f"report                   {ours:6.2f} s   {len(page.encode()) / 1e6:.2f} MB")
    print(f"  processor time         {median(worked[1:]):6.2f} s")
    print(f"  of which read          {median(reading_took[1:]):6.2f} s")
    print(f"  of which written       {median(writing_took[1:]):6.2f} s")
    print(f"quantstats tear sheet    {median(theirs):6.2f} s   {size / 1e6:.2f} MB")
    print(f"ratio                    {median(theirs) / ours:6.1f} x")


async def _measured(settings: Settings, repeats: int, folder: Path) -> None:
    async with open_resources(settings) as resources:
        await measure(resources, repeats, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(embedded.postgres(folder))
        redis = stack.enter_context(embedded.valkey(folder))
        migrations.upgrade(url)
        settings = Settings(
            database_url=SecretStr(url), redis_url=SecretStr(redis), data_dir=folder
        )
        asyncio.run(_measured(settings, options.repeats, folder))


if __name__ == "__main__":
    main()
