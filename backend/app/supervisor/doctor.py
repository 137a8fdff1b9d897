"""`etftrader doctor`: what an installation consists of, what is wrong with it, and what to do."""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import redis
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from app.core import calendar, embedded, heartbeat, migrations
from app.core.config import Settings
from app.core.embedded import EmbeddedServerFailed, Home, Valkey
from app.services import freshness
from app.supervisor import turn

OLDEST_PYTHON = (3, 11)
NEEDED_SPACE = 1_000_000_000
MARKETS = text("SELECT code, simulated, latest_session FROM markets ORDER BY code")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: a sentence about it, and whether something must be done.

    `warning`: it works, but not as well as it would if something were done.
    """

    topic: str
    problem: bool
    sentence: str
    warning: bool = False


def run(settings: Settings, *, now: datetime) -> list[Finding]:
    """Look at everything, change nothing. An embedded database is started for the look."""
    home = Home(settings.data_dir.absolute())
    return [
        *_python(),
        *_data_directory(home),
        *_disk(home.data_dir),
        *_up(settings, home),
        *_database(settings, home, now),
        *_redis(settings, home),
    ]


def exit_code(findings: list[Finding]) -> int:
    return int(any(finding.problem for finding in findings))


def _good(topic: str, sentence: str) -> Finding:
    return Finding(topic, problem=False, sentence=sentence)


def _bad(topic: str, sentence: str) -> Finding:
    return Finding(topic, problem=True, sentence=sentence)


def _poor(topic: str, sentence: str) -> Finding:
    return Finding(topic, problem=False, sentence=sentence, warning=True)


def _python() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield _bad("Python", f"Python {version} is too old: install 3.11 or newer.")
    else:
        yield _good("Python", f"Python {version} at {sys.executable}.")


def _data_directory(home: Home) -> Iterator[Finding]:
    topic, folder = "Data directory", home.data_dir
    if not folder.exists():
        yield _good(topic, f"{folder} does not exist yet: './etftrader up' makes it.")
        return
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if not folder.is_dir():
        yield _bad(topic, f"{folder} is a file: set DATA_DIR to a folder.")
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield _bad(topic, f"{folder} cannot be written: run as its owner, or set DATA_DIR.")
    elif mode & 0o077:
        yield _bad(topic, f"{folder} is open to others (mode {mode:o}): chmod 700 '{folder}'.")
    else:
        yield _good(topic, f"{folder} is closed to other users.")


def _disk(folder: Path) -> Iterator[Finding]:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    gigabytes = f"{free / 1e9:.1f} GB"
    if free < NEEDED_SPACE:
        yield _bad("Disk", f"Only {gigabytes} are free at {existing}: make room, 1 GB at least.")
    else:
        yield _good("Disk", f"{gigabytes} are free.")


def _up(settings: Settings, home: Home) -> Iterator[Finding]:
    running = turn.running(home)
    if running is not None:
        yield _good("Running", f"ETFTrader runs at {running.address} (process {running.pid}).")
        return
    yield _good("Running", "ETFTrader does not run now: './etftrader up' starts it.")
    try:
        turn.require_free(settings.host, settings.port)
    except turn.PortTaken as error:
        yield _bad("Port", str(error))
    else:
        yield _good("Port", f"Port {settings.port} is free.")


def _database(settings: Settings, home: Home, now: datetime) -> Iterator[Finding]:
    topic = "Database"
    if settings.database_url is None and not (home.data_dir / "postgres").exists():
        yield _good(topic, "There is no database yet: './etftrader up' makes it.")
        return
    try:
        with _database_url(settings) as url:
            engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 5})
            with engine.connect() as connection:
                yield from _contents(connection, now)
    except EmbeddedServerFailed as error:
        yield _bad(topic, str(error))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        yield _bad(topic, f"The database does not answer ({reason}): check DATABASE_URL.")


def _database_url(settings: Settings) -> AbstractContextManager[str]:
    if settings.database_url is not None:
        return nullcontext(settings.database_url.get_secret_value())
    return embedded.postgres(settings.data_dir)


def _contents(connection: Connection, now: datetime) -> Iterator[Finding]:
    version = str(connection.execute(text("SHOW server_version")).scalar_one()).split()[0]
    yield _good("Database", f"PostgreSQL {version} answers.")
    try:
        behind = migrations.pending(connection)
    except CommandError as error:
        yield _bad("Migrations", f"The migrations cannot be read ({error}): reinstall ETFTrader.")
        return
    if behind:
        yield _bad("Migrations", "The schema is not this version's: './etftrader db upgrade'.")
    else:
        yield _good("Migrations", "The schema is up to date.")
    yield from _markets(connection, now)


def _markets(connection: Connection, now: datetime) -> Iterator[Finding]:
    topic = "Market data"
    rows = connection.execute(MARKETS).all() if inspect(connection).has_table("markets") else []
    for code, simulated, latest in rows:
        kind = "simulated" if simulated else "real"
        if latest is None:
            yield _good(
                topic, f"The market '{code}' ({kind}) is empty: './etftrader data import' fills it."
            )
        else:
            about = f"The market '{code}' ({kind}) has prices until {latest}"
            yield _age(about, latest, now, simulated=simulated)
    if all(latest is None for _, _, latest in rows):
        yield _bad(topic, "No market has prices: './etftrader up' makes the simulated one.")


def _age(about: str, latest: date, now: datetime, *, simulated: bool) -> Finding:
    topic = "Market data"
    behind = calendar.sessions_between(latest, calendar.last_completed_session(now))
    if not freshness.is_too_old_to_act(behind):
        return _good(topic, f"{about}.")
    todo = (
        "'./etftrader up' goes on with it"
        if simulated
        else "bring newer ones in with './etftrader data import'"
    )
    return _poor(topic, f"{about}, {behind} sessions behind, and stops are paused: {todo}.")


def _redis(settings: Settings, home: Home) -> Iterator[Finding]:
    server = Valkey(home)
    if settings.redis_url is not None:
        url = settings.redis_url.get_secret_value()
    elif embedded.running(server):
        url = server.url
    else:
        yield from _valkey_program()
        return
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            client.ping()
            heard = heartbeat.is_heard_by(client)
    except (redis.RedisError, OSError) as error:
        yield _bad(
            "Redis", f"Redis does not answer ({error}): check REDIS_URL. Answers are slower."
        )
    else:
        yield _good("Redis", "Redis answers.")
        yield _worker(heard=heard)


def _worker(*, heard: bool) -> Finding:
    if heard:
        return _good("Worker", "A worker does jobs.")
    return _poor(
        "Worker",
        "No worker is heard: jobs asked for over HTTP wait, and commands do theirs themselves. "
        "'etftrader up' runs one, and so does 'etftrader worker'.",
    )


def _valkey_program() -> Iterator[Finding]:
    try:
        program = embedded.find_valkey()
    except EmbeddedServerFailed as error:
        yield _bad("Redis", str(error))
    else:
        yield _good("Redis", f"Valkey does not run now; its program is {program}.")
