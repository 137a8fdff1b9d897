"""Requests per second of the book over HTTP, and how long an answer takes: one server process.

    python -m benchmarks.http_book [--seconds 3] [--rounds 5] [--only TEXT] [--trades 4000]

Starts a durable PostgreSQL and a Valkey of its own in a scratch folder, or uses the servers given
by --database-url (its database is filled) and --redis-url. Unless a line says otherwise there are
16 keep-alive connections. Beside the application, in the same run: FastAPI endpoints that answer a
constant, run one raw psycopg query and list the same 20 portfolios, and commit one transaction that
changes one locked row and inserts another. The client is a bare socket reader in this process.

At the end one portfolio gathers --trades purchases of one ETF, a tax lot each, and sells them; the
time that a trade takes at the beginning and at the end shows whether a long history makes it slow.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import uvloop
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.core import embedded, migrations
from app.core.database import open_engine, open_sessions, unit_of_work
from tests.small_market import write_small_market

CONNECTIONS, CROWD = 16, 64
PORTFOLIOS = 20
POSITIONS = 20
TICKERS = tuple(f"ETF{number:02}" for number in range(POSITIONS))

PEER_QUERY = """
    SELECT id, name, market, status, initial_capital::text, cash::text, last_sequence, opened_on,
           created_at FROM portfolios ORDER BY id LIMIT 100
    """


PEER_TABLES = (
    "CREATE TABLE lean_books (id int PRIMARY KEY, sequence int NOT NULL)",
    "CREATE TABLE lean_entries (book_id int, sequence int, PRIMARY KEY (book_id, sequence))",
    f"INSERT INTO lean_books SELECT id, 0 FROM generate_series(0, {CROWD}) AS id",
)
PEER_TRADE = """
    WITH book AS (UPDATE lean_books SET sequence = sequence + 1 WHERE id = %s RETURNING *)
    INSERT INTO lean_entries SELECT id, sequence FROM book RETURNING sequence
    """


def peer() -> FastAPI:
    """What the framework and the driver allow, without anything of ours."""
    idle: asyncio.Queue[psycopg.AsyncConnection[tuple[Any, ...]]] = asyncio.Queue()
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql")  # noqa: TID251

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        address = url.render_as_string(hide_password=False)
        for _ in range(CONNECTIONS):
            idle.put_nowait(await psycopg.AsyncConnection.connect(address, autocommit=True))
        yield
        while not idle.empty():
            await idle.get_nowait().close()

    app = FastAPI(lifespan=lifespan)

    @app.get("/constant")
    async def constant() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/lean")
    async def lean() -> list[dict[str, Any]]:
        connection = await idle.get()
        cursor = await connection.execute(PEER_QUERY)
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
        idle.put_nowait(connection)
        return rows

    @app.post("/lean/{book_id}", status_code=201)
    async def trade(book_id: int) -> dict[str, int]:
        connection = await idle.get()
        cursor = await connection.execute(PEER_TRADE, [book_id])
        (sequence,) = await cursor.fetchone() or (0,)
        idle.put_nowait(connection)
        return {"sequence": sequence}

    return app


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: bytes = b""
    headers: str = ""

    def raw(self) -> bytes:
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: localhost\r\n{self.headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


class Connection:
    """One keep-alive connection that reads no more of an answer than it must."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**22))

    async def ask(self, request: Request) -> tuple[int, bytes]:
        self._writer.write(request.raw())
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return int(head[9:12]), await self._reader.readexactly(length)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@contextmanager
def server(target: str, environment: dict[str, str], *options: str) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", target, "--port", str(port), *options]
    quiet = ["--no-access-log", "--log-level", "warning"]
    process = subprocess.Popen(
        [*command, *quiet], env={**os.environ, **environment}  # noqa: TID251
    )
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the server did not start")


async def prepare(database_url: str, port: int) -> list[int]:
    """The market, and 20 portfolios that hold every ETF of it, made over HTTP."""
    engine = open_engine(database_url)
    async with unit_of_work(open_sessions(engine)) as session:
        await write_small_market(session, tickers=TICKERS)
        for statement in PEER_TABLES:
            await session.execute(text(statement))
    await engine.dispose()
    connection = await Connection.open(port)
    portfolio_ids = []
    for number in range(PORTFOLIOS):
        body = {"name": f"Portfolio {number}", "initial_capital": "1000000000", "market": "us"}
        created = await _done(connection, Request("POST", "/api/portfolios", _json(body)))
        portfolio_ids.append(created["id"])
        for ticker in TICKERS:
            await _done(connection, Request("POST", "/api/trades", _order(created["id"], ticker)))
    await connection.close()
    return portfolio_ids


async def _done(connection: Connection, request: Request) -> Any:
    return json.loads(await _answer(connection, request))


def _order(portfolio_id: int, ticker: str) -> bytes:
    return _json({"portfolio_id": portfolio_id, "ticker": ticker, "side": "buy", "quantity": "10"})


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


@dataclass(frozen=True, slots=True)
class Sample:
    """What one measurement saw: answers per second, and the seconds that each of them took."""

    rate: float
    seconds: list[float]

    def quantile(self, part: float) -> float:
        return sorted(self.seconds)[min(int(len(self.seconds) * part), len(self.seconds) - 1)]


Asked: TypeAlias = Callable[[int, int], Request]
"""The request of a connection, by its number and how many it has sent."""


async def load(port: int, request_of: Asked, seconds: float, connections: int) -> Sample:
    """Each connection asks again as soon as it has its answer; raises where one is not 2xx.

    One answer each, in turn, goes before: what it takes to make the lines of a list again after
    the trades of another measurement is not the speed of reading them.
    """
    opened = [await Connection.open(port) for _ in range(connections)]
    for number, connection in enumerate(opened):
        await _answer(connection, request_of(number, 0))
    taken: list[float] = []
    started = time.perf_counter()

    async def keep_asking(number: int) -> None:
        for done in count():
            asked = time.perf_counter()
            if asked - started > seconds:
                return
            await _answer(opened[number], request_of(number, done))
            taken.append(time.perf_counter() - asked)

    await asyncio.gather(*(keep_asking(number) for number in range(connections)))
    elapsed = time.perf_counter() - started
    for connection in opened:
        await connection.close()
    return Sample(len(taken) / elapsed, taken)


async def _answer(connection: Connection, request: Request) -> bytes:
    status, body = await connection.ask(request)
    if 200 <= status < 300:
        return body
    raise RuntimeError(f"{request.method} {request.path}: {status} {body.decode()[:300]}")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: what is asked of which port, and the line that limits it."""

    port: int
    request_of: Asked
    limit: str
    connections: int = CONNECTIONS


ONE_QUERY, ONE_CHANGE, ONE_ROW, ONE_ROW_CROWD = (
    "limit: FastAPI and one raw query",
    "limit: one transaction, 16 rows",
    "limit: one transaction, one row",
    f"limit: one transaction, one row, {CROWD} conn.",
)


def lines(app: int, limits: int, portfolio_ids: list[int]) -> dict[str, Line]:
    run, numbers = os.urandom(4).hex(), count()

    def trade(*, contended: bool = False, keyed: bool = False) -> Asked:
        def request_of(connection: int, done: int) -> Request:
            portfolio_id = portfolio_ids[-1 if contended else connection]
            key = f"Idempotency-Key: {run}-{next(numbers)}\r\n" if keyed else ""
            order = _order(portfolio_id, TICKERS[done % POSITIONS])
            return Request("POST", "/api/trades", order, key)

        return request_of

    def one_of(path: str) -> Asked:
        return lambda connection, _: Request("GET", path.format(portfolio_ids[connection]))

    def change(*, contended: bool = False) -> Asked:
        return lambda connection, _: Request("POST", f"/lean/{0 if contended else connection + 1}")

    return {
        "limit: FastAPI, a constant": Line(limits, one_of("/constant"), ONE_QUERY),
        ONE_QUERY: Line(limits, one_of("/lean"), ONE_QUERY),
        ONE_CHANGE: Line(limits, change(), ONE_CHANGE),
        ONE_ROW: Line(limits, change(contended=True), ONE_ROW),
        ONE_ROW_CROWD: Line(limits, change(contended=True), ONE_ROW_CROWD, CROWD),
        f"GET /api/portfolios, {PORTFOLIOS}": Line(app, one_of("/api/portfolios"), ONE_QUERY),
        f"GET /api/portfolios/{{id}}, {POSITIONS} positions": Line(
            app, one_of("/api/portfolios/{}"), ONE_QUERY
        ),
        f"GET /api/positions/{{id}}, {POSITIONS}": Line(
            app, one_of("/api/positions/{}"), ONE_QUERY
        ),
        f"POST /api/trades, {CONNECTIONS} portfolios": Line(app, trade(), ONE_CHANGE),
        "POST /api/trades with Idempotency-Key": Line(app, trade(keyed=True), ONE_CHANGE),
        "POST /api/trades, one portfolio, keys": Line(
            app, trade(contended=True, keyed=True), ONE_ROW
        ),
        f"POST /api/trades, one portfolio, {CROWD} conn.": Line(
            app, trade(contended=True, keyed=True), ONE_ROW_CROWD, CROWD
        ),
    }


async def measure(app: int, limits: int, database_url: str, options: argparse.Namespace) -> None:
    portfolio_ids = await prepare(database_url, app)
    wanted = {
        name: line
        for name, line in lines(app, limits, portfolio_ids).items()
        if options.only in name or name.startswith("limit")
    }
    samples: dict[str, list[Sample]] = {name: [] for name in wanted}
    for _ in range(options.rounds):
        for name, line in wanted.items():
            found = await load(line.port, line.request_of, options.seconds, line.connections)
            samples[name].append(found)
    print(f"{'median of ' + str(options.rounds):<44}{'per s':>8}  of limit    p50 ms    p99 ms")
    rates = {
        name: statistics.median(each.rate for each in found) for name, found in samples.items()
    }
    for name, line in wanted.items():
        every = Sample(0.0, [taken for each in samples[name] for taken in each.seconds])
        p50, p99 = every.quantile(0.5) * 1000, every.quantile(0.99) * 1000
        part = rates[name] / rates[line.limit]
        print(f"{name:<44}{rates[name]:>8,.0f}{part:>10.2f}{p50:>10.1f}{p99:>10.1f}")
    if options.trades:
        await grow(app, options.trades)


async def grow(app: int, trades: int) -> None:
    """Milliseconds of a trade while one portfolio buys so many lots, and while it sells them."""
    connection = await Connection.open(app)
    body = {"name": "Long history", "initial_capital": "1000000000", "market": "us"}
    portfolio_id = (await _done(connection, Request("POST", "/api/portfolios", _json(body))))["id"]
    for side in ("buy", "sell"):
        order = {"portfolio_id": portfolio_id, "ticker": TICKERS[0], "side": side, "quantity": "1"}
        taken = []
        for _ in range(trades):
            asked = time.perf_counter()
            await _answer(connection, Request("POST", "/api/trades", _json(order)))
            taken.append(time.perf_counter() - asked)
        tenth = max(trades // 10, 1)
        first, last = (statistics.median(part) * 1000 for part in (taken[:tenth], taken[-tenth:]))
        print(f"{side} of {trades:,} in one portfolio: first {first:.1f} ms, last {last:.1f} ms")
    await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--database-url", help="an empty database; left out: a server of its own")
    parser.add_argument("--redis-url")
    parser.add_argument("--trades", type=int, default=4000, help="of the portfolio that grows")
    parser.add_argument("--only", default="", help="measure only what has this in its name")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = options.database_url or stack.enter_context(embedded.postgres(folder))
        redis = options.redis_url or stack.enter_context(embedded.valkey(folder))
        migrations.upgrade(url)
        environment = {"DATABASE_URL": url, "REDIS_URL": redis, "DATA_DIR": str(folder)}
        app = stack.enter_context(server("app.main:app", environment))
        limits = stack.enter_context(server("benchmarks.http_book:peer", environment, "--factory"))
        uvloop.run(measure(app, limits, url, options))


if __name__ == "__main__":
    main()
