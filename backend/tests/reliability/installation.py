"""A server as users run it, with a PostgreSQL of its own that may be stopped and killed."""

import asyncio
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from app.core import embedded, migrations
from app.core.database import open_engine, open_sessions, unit_of_work
from app.core.embedded import Home, PostgreSQL, process
from tests.small_market import SmallMarket, write_small_market

BACKEND = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Below those that a connecting client is given: while the server is down, a client that was given
the server's own port would connect to itself and keep the port."""
SECONDS_TO_START = 60.0
SECONDS_BETWEEN_LOOKS = 0.02


class DidNotHappen(AssertionError):
    """Something that was waited for took far longer than it ever may."""


@dataclass(frozen=True, slots=True)
class Database:
    """An embedded PostgreSQL, durable: what it has committed survives its own death."""

    server: PostgreSQL

    @property
    def url(self) -> str:
        """Its address for the application."""
        return self.server.url

    @property
    def address(self) -> str:
        """Its address for psycopg."""
        return self.server.url.replace("+psycopg", "", 1)

    def stop(self, how: signal.Signals) -> None:
        """SIGINT ends every session and shuts down in order; SIGQUIT and SIGKILL are crashes."""
        pid = process.listener(self.server.socket)
        assert pid is not None, "PostgreSQL does not run"
        os.kill(pid, how)
        wait_until(lambda: process.listener(self.server.socket) is None, "PostgreSQL to stop")

    def start(self) -> None:
        """Returns when it has recovered and answers."""
        embedded.restore(self.server, _silent)


class Api:
    """The process that serves HTTP, started with the options that `etftrader up` gives it."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.port = _free_port()
        self.log = log
        self._environment = {**os.environ, **environment}  # noqa: TID251 handed on, not read
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, again if it ends because the database is away, until it is ready."""
        wait_until(self._ready_after_start, "the API to be ready", SECONDS_TO_START)

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def status(self, path: str) -> int | None:
        """The status of a GET; None if nobody answers."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=20)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _ready_after_start(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            self._launch()
        return self.status("/ready") == http.client.OK

    def _launch(self) -> None:
        options = ("--host", HOST, "--port", str(self.port), "--timeout-graceful-shutdown", "10")
        quiet = ("--log-level", "warning", "--no-access-log")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "uvicorn", "app.main:app", *options, *quiet),
                cwd=BACKEND,
                env=self._environment,
                stdout=log,
                stderr=log,
            )


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything that runs, and the market it trades in."""

    database: Database
    api: Api
    market: SmallMarket
    environment: Mapping[str, str]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `etftrader` with these arguments in this installation."""
        return subprocess.run(
            (sys.executable, "-m", "app.cli", *arguments),
            cwd=BACKEND,
            env={**os.environ, **self.environment},  # noqa: TID251 handed on, not read
            capture_output=True,
            text=True,
            check=False,
        )

    def unforeseen_errors(self) -> int:
        """How many errors the server's log calls unforeseen: each was answered with a bare 500."""
        return self.api.log.read_text(errors="replace").count("unforeseen_error")


@contextmanager
def installed() -> Iterator[Installation]:
    """An installation in a temporary folder, with the small market, ready to trade."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="etftrader-reliability-")))
        data_dir = folder / "data"
        url = stack.enter_context(embedded.postgres(data_dir, progress=_silent))
        redis = stack.enter_context(embedded.valkey(data_dir, progress=_silent))
        migrations.upgrade(url)
        environment = {"DATABASE_URL": url, "REDIS_URL": redis, "DATA_DIR": str(data_dir)}
        api = Api(environment, folder / "api.log")
        stack.callback(api.kill)
        yield Installation(Database(PostgreSQL(Home(data_dir))), api, _filled(url), environment)


def wait_until(happened: Callable[[], bool], what: str, seconds: float = SECONDS_TO_START) -> float:
    """Look again and again; how many seconds it took. Raises `DidNotHappen`."""
    started = time.monotonic()
    while not happened():
        if time.monotonic() - started > seconds:
            raise DidNotHappen(f"waited {seconds:g} s for {what}")
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return time.monotonic() - started


def _filled(url: str) -> SmallMarket:
    async def fill() -> SmallMarket:
        engine = open_engine(url)
        async with unit_of_work(open_sessions(engine)) as session:
            market = await write_small_market(session)
        await engine.dispose()
        return market

    return asyncio.run(fill())


def _free_port() -> int:
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) != 0:
                return port
    raise DidNotHappen("no port is free")


def _silent(_message: str) -> None:
    pass
