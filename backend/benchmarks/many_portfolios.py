"""One session's close over 10,000 portfolios of 20 positions: settle, mark, check stops, drift.

    python -m benchmarks.many_portfolios [--portfolios 10000] [--sessions 3] [--falling 0.002]
                                         [--paying 0.1] [--check] [--database-url URL]

Starts a durable PostgreSQL of its own in a scratch folder, or fills the empty database it is given.
Portfolios, ledgers, orders and lots are written by plain SQL, opened some sessions ago; the first
close marks all of that past from the ledgers. Then sessions are added one by one, and the close of
each is timed; with --paying the last of them is the ex-date of a dividend of that part of the ETFs.
Beside it, in the same run: one SQL statement that does nothing but multiply, round and add up what
the positions are worth. Its sums are compared with the stored values to the cent.
"""

import argparse
import asyncio
import json
import resource
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import psycopg

from app.core import calendar
from app.core.config import Settings
from app.core.database import Sessions, open_engine, open_sessions, unit_of_work
from app.core.progress import silent
from app.market_data.live import MarketData
from app.schemas.settings import PortfolioSettings, default_settings
from app.services import checking, session_close
from app.services.session_close import Closed
from benchmarks.import_prices import libpq, scratch_database
from tests.small_market import write_small_market

ETFS = 600
POSITIONS = 20
TICKERS = tuple(f"E{number:03}" for number in range(ETFS))
HISTORY = 21
"""Sessions since the portfolios were opened."""

FILL = (
    """
    CREATE TABLE opening AS
    SELECT e.id AS etf_id, row_number() OVER (ORDER BY e.ticker) - 1 AS number, e.ticker,
           CAST(p.close AS numeric(18, 6)) AS price
    FROM etfs e JOIN etf_prices p ON p.etf_id = e.id AND p.session = %(day)s
    WHERE e.ticker LIKE 'E___'
    """,
    """
    INSERT INTO portfolios (owner_id, market, name, status, initial_capital, cash, last_sequence,
        settings, opened_on, settled_version, marked_sequence, created_at)
    SELECT (SELECT min(id) FROM users), 'us', 'Portfolio ' || number, 'active', 1000000, 0,
        %(positions)s + 1, CAST(%(rules)s AS jsonb) -> (number %% jsonb_array_length(%(rules)s)),
        %(day)s, NULL, 0, %(now)s
    FROM generate_series(0, %(portfolios)s - 1) AS number
    """,
    """
    CREATE TABLE holding AS
    SELECT p.id AS portfolio_id, CAST(2 + k AS int) AS sequence, o.etf_id, o.ticker, o.price,
           floor(48000 / o.price) AS quantity, gen_random_uuid() AS order_id
    FROM portfolios p CROSS JOIN generate_series(0, %(positions)s - 1) AS k
    JOIN opening o ON o.number = (p.id * 7 + k * 29) %% %(etfs)s
    """,
    """
    INSERT INTO orders (id, portfolio_id, etf_id, side, order_type, time_in_force, fill_at,
        quantity, filled_quantity, state, reason_code, origin, reason, session, created_at,
        updated_at)
    SELECT order_id, portfolio_id, etf_id, 'buy', 'market', 'day', 'close', quantity, quantity,
        'filled', 'filled', 'rebalance', 'benchmark', %(day)s, %(now)s, %(now)s FROM holding
    """,
    """
    INSERT INTO order_events (order_id, number, state, reason_code, session, at, quantity, price)
    SELECT order_id, number, state, code, %(day)s, %(now)s,
        CASE WHEN number = 3 THEN quantity END, CASE WHEN number = 3 THEN price END
    FROM holding CROSS JOIN (VALUES (1, 'new', 'received'), (2, 'accepted', 'accepted'),
        (3, 'filled', 'filled')) AS change (number, state, code)
    """,
    """
    INSERT INTO ledger_entries (portfolio_id, sequence, kind, fee, amount, session, booked_at,
        reason, source)
    SELECT id, 1, 'deposit', 0, 1000000, %(day)s, %(now)s, 'Initial capital', 'user'
    FROM portfolios
    """,
    """
    INSERT INTO ledger_entries (portfolio_id, sequence, kind, etf_id, quantity, reference_price,
        price, price_date, fee, amount, session, booked_at, reason, source, order_id, fill_number)
    SELECT portfolio_id, sequence, 'buy', etf_id, quantity, price, price, %(day)s, 1,
        -round(quantity * price, 2) - 1, %(day)s, %(now)s, 'benchmark', 'paper', order_id, 1
    FROM holding ORDER BY portfolio_id, sequence
    """,
    """
    INSERT INTO positions (portfolio_id, etf_id, quantity, cost_basis, opened_on)
    SELECT portfolio_id, etf_id, quantity, round(quantity * price, 2), %(day)s
    FROM holding ORDER BY portfolio_id
    """,
    """
    INSERT INTO tax_lots (portfolio_id, number, etf_id, acquired_on, quantity, cost)
    SELECT portfolio_id, sequence, etf_id, %(day)s, quantity, round(quantity * price, 2) + 1
    FROM holding ORDER BY portfolio_id
    """,
    """
    UPDATE portfolios SET cash = booked.cash
    FROM (SELECT portfolio_id, sum(amount) AS cash FROM ledger_entries GROUP BY 1) AS booked
    WHERE booked.portfolio_id = id
    """,
    """
    INSERT INTO rebalance_events (portfolio_id, as_of, status, decided_at_sequence, proposal,
        targets, data_version, created_at, executed_at)
    SELECT portfolio_id, %(day)s, 'executed', 1, '{}', jsonb_object_agg(ticker, 0.048),
        gen_random_uuid(), %(now)s, %(now)s
    FROM holding GROUP BY portfolio_id
    """,
    "UPDATE markets SET adjusted_only = false WHERE code = 'us'",
    "DROP TABLE opening, holding",
    "ANALYZE",
)

VALUE = """
    CREATE TEMP TABLE summed ON COMMIT DROP AS
    SELECT held.portfolio_id, sum(round(held.quantity * CAST(bar.close AS numeric), 2)) AS value
    FROM positions AS held
    JOIN etf_prices AS bar ON bar.etf_id = held.etf_id AND bar.session = %(day)s
    GROUP BY held.portfolio_id
    """


@dataclass(frozen=True, slots=True)
class Bench:
    url: str
    sessions: Sessions
    market_data: MarketData
    portfolios: int
    falling: float

    def execute(self, *statements: str, **about: object) -> None:
        with psycopg.connect(libpq(self.url)) as connection:
            for statement in statements:
                connection.execute(statement.encode(), about)

    async def close(self) -> tuple[float, Closed]:
        """Seconds of one close; the prices are loaded already, as after scoring."""
        async with unit_of_work(self.sessions) as session:
            market = await self.market_data.snapshot(session, "us", recheck=True)
        start = time.perf_counter()
        done = await session_close.close(
            self.sessions,
            self.market_data,
            "us",
            now=after(market.latest_session),
            progress=silent,
        )
        return time.perf_counter() - start, done

    def add_session(self, day: date, random: np.random.Generator, *, paying: float = 0.0) -> None:
        """Every ETF moves by 0.8 % a day, a part of them falls by 15 %, and a part pays."""
        with psycopg.connect(libpq(self.url)) as connection:
            closes = connection.execute(
                "SELECT etf_id, close FROM etf_prices WHERE session = (SELECT max(session)"
                " FROM etf_prices) ORDER BY etf_id"
            ).fetchall()
            moves = np.exp(random.normal(0.0, 0.008, len(closes)))
            moves[: round(len(closes) * self.falling)] = 0.85
            random.shuffle(moves)
            with connection.cursor() as cursor, cursor.copy("COPY etf_prices FROM STDIN") as copy:
                for (etf_id, close), move in zip(closes, moves, strict=True):
                    price = round(close * move, 2)
                    copy.write_row((etf_id, day, price, price, price, price, 500_000))
            paid = [(etf_id, day, round(close * 0.005, 4)) for etf_id, close in closes][
                : round(len(closes) * paying)
            ]
            connection.cursor().executemany(
                "INSERT INTO corporate_actions (etf_id, ex_date, kind, value, source)"
                " VALUES (%s, %s, 'dividend', %s, 'benchmark')",
                paid,
            )
            connection.execute(
                "UPDATE markets SET data_version = %s, latest_session = %s WHERE code = 'us'",
                (uuid4(), day),
            )

    def summed(self, day: date) -> float:
        """Seconds of the plain SQL sum; its results are those that were stored."""
        with psycopg.connect(libpq(self.url)) as connection:
            start = time.perf_counter()
            connection.execute(VALUE, {"day": day})
            taken = time.perf_counter() - start
            (different,) = connection.execute(
                "SELECT count(*) FROM summed JOIN portfolio_values v USING (portfolio_id)"
                " WHERE v.session = %s AND v.positions_value <> summed.value",
                (day,),
            ).fetchone() or (None,)
            (stored,) = connection.execute(
                "SELECT count(*) FROM portfolio_values v JOIN portfolio_checks c"
                " USING (portfolio_id, session) WHERE v.session = %s",
                (day,),
            ).fetchone() or (None,)
        assert (different, stored) == (0, self.portfolios)
        return taken


def after(day: date) -> datetime:
    return calendar.session_close(day) + timedelta(hours=1)


def rules() -> list[PortfolioSettings]:
    usual = default_settings(Settings(_env_file=None))
    return [
        usual,
        usual.model_copy(update={"trailing_stop": True}),
        usual.model_copy(update={"use_vix_adjustment": False, "stop_loss_pct": 0.2}),
        usual.model_copy(update={"drawdown_limit": 0.15}),
    ]


async def fill(bench: Bench) -> date:
    """The market and the portfolios; answers with the latest session."""
    async with unit_of_work(bench.sessions) as session:
        small = await write_small_market(session, tickers=TICKERS)
    day = small.sessions[-1 - HISTORY]
    bench.execute(
        *FILL,
        day=day,
        now=after(day),
        portfolios=bench.portfolios,
        positions=POSITIONS,
        etfs=ETFS,
        rules=json.dumps([each.model_dump(mode="json") for each in rules()]),
    )
    return small.sessions[-1]


async def measure(bench: Bench, options: argparse.Namespace) -> None:
    start = time.perf_counter()
    latest = await fill(bench)
    print(f"{bench.portfolios:,} portfolios x {POSITIONS} positions of {ETFS} ETFs", end="")
    print(f" (written in {time.perf_counter() - start:.0f} s)")
    seconds, done = await bench.close()
    print(f"  first close, {done.values:,} values from whole ledgers {seconds:8.2f} s")
    random = np.random.default_rng(20250630)
    ours, sums, again = [], [], []
    for number in range(options.sessions):
        latest = calendar.next_session(latest)
        is_last = number == options.sessions - 1
        bench.add_session(latest, random, paying=options.paying if is_last else 0.0)
        seconds, done = await bench.close()
        ours.append(seconds)
        print(f"  session {latest}: {seconds:6.2f} s  {describe(done)}")
        sums.append(bench.summed(latest))
        again.append((await bench.close())[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    usual, sql = statistics.median(ours), statistics.median(sums)
    print(f"  one session's close, median  {usual:8.2f} s   (reach: 10 s)")
    print(f"  the same again               {statistics.median(again):8.2f} s")
    print(f"  a plain SQL sum of values    {sql:8.2f} s   ours takes {usual / sql:.1f} x as long")
    print(f"  peak memory of this process  {peak:8,.0f} MB  (reach: 1,024 MB)")
    if options.check:
        async with unit_of_work(bench.sessions) as session:
            report = await checking.check(session)
        print(f"  check: {report.entries:,} entries, {len(report.findings)} differences")
        assert not report.findings, report.findings[:3]


def describe(done: Closed) -> str:
    return (
        f"{done.values:,} values, {done.booked:,} entries booked, {done.stops:,} stops, "
        f"{done.alerts:,} alerts, {len(done.failures)} failures"
    )


async def run(url: str, options: argparse.Namespace) -> None:
    engine = open_engine(url)
    with tempfile.TemporaryDirectory() as folder:
        data = MarketData(Path(folder))
        bench = Bench(url, open_sessions(engine), data, options.portfolios, falling=options.falling)
        await measure(bench, options)
    await engine.dispose()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--portfolios", type=int, default=10_000)
    arguments.add_argument("--sessions", type=int, default=3)
    arguments.add_argument(
        "--falling",
        type=float,
        default=0.002,
        help="part of the ETFs that falls by 15 %% a session",
    )
    arguments.add_argument(
        "--paying",
        type=float,
        default=0.0,
        help="part of the ETFs that pays a dividend on the last session",
    )
    arguments.add_argument("--check", action="store_true", help="rebuild every book at the end")
    arguments.add_argument("--database-url")
    options = arguments.parse_args()
    with scratch_database(options.database_url) as url:
        asyncio.run(run(url, options))


if __name__ == "__main__":
    main()
