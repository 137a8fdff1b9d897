"""`etftrader up`: everything an installation runs, started, watched and stopped in order."""

import http.client
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import NoReturn

from pydantic import SecretStr

from app.core import embedded, migrations
from app.core.config import Settings
from app.core.embedded import Home, PostgreSQL, Progress, Server, Valkey, locks
from app.core.embedded.locks import Patience
from app.core.errors import ETFTraderError
from app.supervisor import children, turn
from app.supervisor.children import Child, Program, WatchedServer

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS_BETWEEN_LOOKS = 1.0
STARTS_BEFORE_GIVING_UP = 2

asked_to_stop = threading.Event()

Prepare = Callable[[Settings], None]


class DidNotStart(ETFTraderError):
    """A program ended before it was ready for the first time."""


class _Stopped(BaseException):
    """SIGINT or SIGTERM arrived; unwinding stops everything in order."""


def up(
    settings: Settings,
    *,
    port: int,
    prepare: Prepare,
    application: str = "app.main:app",
    progress: Progress = embedded.to_stderr,
) -> None:
    """Run an installation until SIGINT or SIGTERM.

    Starts PostgreSQL and Valkey where no URL is configured, migrates, calls `prepare` with
    settings that name both servers, starts the API, prints the address once it is ready, starts
    the worker and its beat, and starts again what dies. Raises `ETFTraderError` with one sentence
    if something cannot start.
    """
    home = Home(settings.data_dir.absolute())
    home.create()
    address = f"http://{settings.host}:{port}"
    try:
        with _stopped_by_signals(), turn.only_one(home, address), ExitStack() as stack:
            patience = Patience(progress, "Waiting for processes of an earlier run to end ...")
            lock = stack.enter_context(locks.exclusive(home.run / "children", patience))
            turn.require_free(settings.host, port)
            servers = _servers(settings, home)
            for server in servers:
                stack.enter_context(embedded.used(server, progress))
            settings = _naming_the_servers(settings, servers, port)
            migrations.upgrade(_secret(settings.database_url))
            prepare(settings)
            ties = stack.enter_context(children.ties(lock))
            running = [
                Child(program, settings.handed_on(), ties, progress)
                for program in _programs(settings, application)
            ]
            stack.callback(children.stop, running)
            stack.callback(progress, "Stopping ...")
            _wait_until_ready(running[0], settings, progress)
            progress(f"ETFTrader is ready at {address} (Ctrl-C stops it).")
            _watch([WatchedServer(server, progress) for server in servers], running)
    except _Stopped:
        progress("ETFTrader has stopped.")


def _servers(settings: Settings, home: Home) -> list[Server]:
    """Those we run ourselves, in the order in which they start; they stop the other way round."""
    servers: list[Server] = []
    if settings.database_url is None:
        servers.append(PostgreSQL(home))
    if settings.redis_url is None:
        servers.append(Valkey(home))
    return servers


def _naming_the_servers(settings: Settings, servers: list[Server], port: int) -> Settings:
    urls = {
        "database_url" if isinstance(server, PostgreSQL) else "redis_url": SecretStr(server.url)
        for server in servers
    }
    return settings.model_copy(update={**urls, "port": port})


def _secret(value: SecretStr | None) -> str:
    assert value is not None
    return value.get_secret_value()


def _programs(settings: Settings, application: str) -> tuple[Program, ...]:
    """All programs of the installation, in the order in which they start and stop."""
    api = Program(
        "The API",
        "uvicorn",
        (
            application,
            *("--host", settings.host, "--port", str(settings.port)),
            *("--log-level", "warning", "--no-access-log"),
            *("--timeout-graceful-shutdown", "10"),
        ),
    )
    worker = Program("The worker", "app.workers", ("worker",))
    beat = Program("The worker's beat", "app.workers", ("beat",))
    return api, worker, beat


def _wait_until_ready(api: Child, settings: Settings, progress: Progress) -> None:
    """Wait without a limit; raises `DidNotStart` if the API ends again and again instead."""
    patience = Patience(progress, "Waiting for the API to be ready ...")
    failures = 0
    while not _answers(settings.host, settings.port):
        code = api.ended()
        failures += code is not None
        if code is not None and failures == STARTS_BEFORE_GIVING_UP:
            raise DidNotStart(
                f"{api.program.name} ended while starting ({children.describe(code)}); what it "
                f"said is above."
            )
        api.tend()
        patience.pause()


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _watch(servers: list[WatchedServer], running: list[Child]) -> NoReturn:
    while not asked_to_stop.is_set():
        for server in servers:
            server.tend()
        for child in running:
            child.tend()
        time.sleep(SECONDS_BETWEEN_LOOKS)
    raise _Stopped


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Within the block the first signal raises `_Stopped`; later ones do not disturb.

    Python drops an exception that is raised while it runs a finaliser, so the wish is also noted
    for `_watch` to see.
    """
    asked_to_stop.clear()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if not asked_to_stop.is_set():
            asked_to_stop.set()
            raise _Stopped

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
