"""Requests per second of the book over HTTP: one server process, 16 keep-alive connections.

    python -m benchmarks.http_book [--seconds 3] [--rounds 5]

Starts a durable PostgreSQL and a Valkey of its own in a scratch folder, or uses the servers given
by --database-url (its database is filled) and --redis-url. Beside the application, in the same
run: a FastAPI endpoint that answers a constant, and one that runs one raw psycopg query per request
and lists the same 20 portfolios. The client is a bare socket reader in this process.
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
from typing import Any

import psycopg
import uvloop
from fastapi import FastAPI
from sqlalchemy.engine import make_url

from app.core import embedded, migrations
from app.core.database import open_engine, open_sessions, unit_of_work
from tests.small_market import write_small_market

CONNECTIONS = 16
PORTFOLIOS = 20
POSITIONS = 20
TICKERS = tuple(f"ETF{number:02}" for number in range(POSITIONS))

PEER_QUERY = """
    SELECT id, name, market, status, initial_capital::text, cash::text, last_sequence, opened_on,
           created_at FROM portfolios ORDER BY id LIMIT 100
    """


def peer() -> FastAPI:
    """What the framework and the driver allow, without anything of ours."""
    idle: list[psycopg.AsyncConnection[tuple[Any, ...]]] = []
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql")  # noqa: TID251

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        address = url.render_as_string(hide_password=False)
        idle.extend(
            [
                await psycopg.AsyncConnection.connect(address, autocommit=True)
                for _ in range(CONNECTIONS)
            ]
        )
        yield
        for connection in idle:
            await connection.close()

    app = FastAPI(lifespan=lifespan)

    @app.get("/constant")
    async def constant() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/lean")
    async def lean() -> list[dict[str, Any]]:
        connection = idle.pop()
        cursor = await connection.execute(PEER_QUERY)
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
        idle.append(connection)
        return rows

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


async def rate(port: int, request_of: Callable[[int, int], Request], seconds: float) -> float:
    """Answers per second, each connection asking again as soon as it has its answer.

    One answer each, in turn, goes before: what it takes to make the lines of a list again after
    the trades of another measurement is not the speed of reading them.
    """
    connections = [await Connection.open(port) for _ in range(CONNECTIONS)]
    for number, connection in enumerate(connections):
        await _answer(connection, request_of(number, 0))
    started = time.perf_counter()

    async def keep_asking(number: int) -> int:
        for done in count():
            if time.perf_counter() - started > seconds:
                return done
            await _answer(connections[number], request_of(number, done))
        raise AssertionError

    answered = await asyncio.gather(*(keep_asking(n) for n in range(CONNECTIONS)))
    elapsed = time.perf_counter() - started
    for connection in connections:
        await connection.close()
    return sum(answered) / elapsed


async def _answer(connection: Connection, request: Request) -> bytes:
    status, body = await connection.ask(request)
    if 200 <= status < 300:
        return body
    raise RuntimeError(f"{request.method} {request.path}: {status} {body.decode()[:300]}")


async def measure(app: int, limits: int, database_url: str, options: argparse.Namespace) -> None:
    portfolio_ids = await prepare(database_url, app)
    run = os.urandom(4).hex()
    numbers = count()

    def trade(connection: int, done: int) -> Request:
        order = _order(portfolio_ids[connection], TICKERS[done % POSITIONS])
        return Request("POST", "/api/trades", order)

    def keyed_trade(connection: int, done: int) -> Request:
        key = f"Idempotency-Key: {run}-{next(numbers)}\r\n"
        order = _order(portfolio_ids[connection], TICKERS[done % POSITIONS])
        return Request("POST", "/api/trades", order, key)

    def one_of(path: str) -> Callable[[int, int], Request]:
        return lambda connection, _: Request("GET", path.format(portfolio_ids[connection]))

    measured: dict[str, tuple[int, Callable[[int, int], Request]]] = {
        "limit: FastAPI, a constant": (limits, one_of("/constant")),
        "limit: FastAPI and one raw query": (limits, one_of("/lean")),
        f"GET /api/portfolios, {PORTFOLIOS}": (app, one_of("/api/portfolios")),
        f"GET /api/portfolios/{{id}}, {POSITIONS} positions": (app, one_of("/api/portfolios/{}")),
        f"GET /api/positions/{{id}}, {POSITIONS}": (app, one_of("/api/positions/{}")),
        f"POST /api/trades, {CONNECTIONS} portfolios": (app, trade),
        "POST /api/trades with Idempotency-Key": (app, keyed_trade),
    }
    rates: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(options.rounds):
        for name, (port, request_of) in measured.items():
            if not (options.only in name or name.startswith("limit")):
                continue
            rates[name].append(await rate(port, request_of, options.seconds))
    print(f"{'requests per second, median of ' + str(options.rounds):<44}{'':>8}  of lean limit")
    lean = statistics.median(rates["limit: FastAPI and one raw query"])
    for name, each in rates.items():
        if not each:
            continue
        median = statistics.median(each)
        print(f"{name:<44}{median:>8,.0f}  {median / lean:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--database-url", help="an empty database; left out: a server of its own")
    parser.add_argument("--redis-url")
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
