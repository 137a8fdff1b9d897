"""The database and Redis that tests use: embedded ones, or those of TEST_DATABASE_URL and
TEST_REDIS_URL.

One pytest run has one folder with one pair of servers, shared by its workers. Each worker has a
database of its own, copied from a template that is migrated once, and a Redis database of its own.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import psycopg
import redis
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.engine import make_url

from app.core import embedded, migrations

ENVIRONMENT: Mapping[str, str] = os.environ  # noqa: TID251 tests read what pytest was started with
PREFIX = f"etftrader-tests-{os.geteuid()}-"
TEMPLATE_LOCK = 7_310_553
REDIS_DATABASES = 16
DROP_ATTEMPTS = 30


@dataclass(frozen=True, slots=True)
class ServerUrls:
    """Where the servers are; the database named here is only used to make others."""

    database: str
    redis: str


@dataclass(frozen=True, slots=True)
class Run:
    """One call of pytest: the folder of its servers, shared by its workers."""

    folder: Path

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def database(self, part: str) -> str:
        return f"etftrader_test_{self.folder.name.removeprefix(PREFIX)}_{part}".lower()

    @contextmanager
    def servers(self) -> Iterator[ServerUrls]:
        with ExitStack() as stack:
            yield ServerUrls(
                ENVIRONMENT.get("TEST_DATABASE_URL")
                or stack.enter_context(
                    embedded.postgres(self.data_dir, durable=False, progress=_silent)
                ),
                ENVIRONMENT.get("TEST_REDIS_URL")
                or stack.enter_context(embedded.valkey(self.data_dir, progress=_silent)),
            )

    @contextmanager
    def new_database(self, urls: ServerUrls, part: str) -> Iterator[str]:
        """A database at the newest schema, for as long as the block."""
        self._make_template(urls)
        name = self.database(part)
        with _administrator(urls) as connection:
            _drop(connection, name)
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(self.database("template"))
                )
            )
        yield _url_of(urls, name)
        with _administrator(urls) as connection:
            _drop(connection, name)

    def _make_template(self, urls: ServerUrls) -> None:
        """Migrate a database under another name, so that half of a template is never copied."""
        name, draft = self.database("template"), self.database("draft")
        with _administrator(urls) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
            if not _exists(connection, name):
                _drop(connection, draft)
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(draft)))
                migrations.upgrade(_url_of(urls, draft))
                connection.execute(
                    sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                        sql.Identifier(draft), sql.Identifier(name)
                    )
                )

    def clean(self) -> None:
        """Stop what a killed worker left running, and remove everything."""
        given = ENVIRONMENT.get("TEST_DATABASE_URL")
        if given:
            with _administrator(ServerUrls(given, "")) as connection:
                _drop(connection, self.database("template"))
        stop_servers(self.data_dir)
        shutil.rmtree(self.folder)


@contextmanager
def new_run() -> Iterator[Run]:
    """A folder for this run, removed at its end, or by the next run if this one is killed."""
    _clean_after_killed_runs()
    unnamed = Path(tempfile.mkdtemp(prefix="etftrader-new-"))
    with (unnamed / "owner").open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        # Under its name only once it is owned: another run takes what has no owner for left behind.
        folder = unnamed.with_name(PREFIX + unnamed.name.removeprefix("etftrader-new-"))
        unnamed.rename(folder)
        yield Run(folder)
        Run(folder).clean()


@contextmanager
def redis_of_worker(urls: ServerUrls, worker: int) -> Iterator[str]:
    """The URL of an empty Redis database: the given number, counted on by worker."""
    url = redis_database(urls.redis, worker)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


def stop_servers(data_dir: Path) -> None:
    """Join the servers that still run there, if any, and be their last user."""
    if embedded.running(embedded.PostgreSQL(embedded.Home(data_dir))):
        with embedded.postgres(data_dir, durable=False, progress=_silent):
            pass
    if embedded.running(embedded.Valkey(embedded.Home(data_dir))):
        with embedded.valkey(data_dir, progress=_silent):
            pass


def _clean_after_killed_runs() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), (folder / "owner").open("w") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stop_servers(folder / "data")
            shutil.rmtree(folder)


def _administrator(urls: ServerUrls) -> psycopg.Connection[tuple[object, ...]]:
    url = make_url(urls.database).set(drivername="postgresql")
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)


def _url_of(urls: ServerUrls, database: str) -> str:
    url = make_url(urls.database).set(drivername="postgresql+psycopg", database=database)
    return url.render_as_string(hide_password=False)


def _exists(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
    return found.fetchone() is not None


def _drop(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """Autovacuum may be in there, which only a superuser may end, and which ends by itself."""
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    for _ in range(DROP_ATTEMPTS):
        with suppress(InsufficientPrivilege):
            connection.execute(statement)
            return
        time.sleep(1.0)
    connection.execute(statement)


def redis_database(url: str, further: int) -> str:
    """The same server with a database so many numbers further on."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        given = int(dict(parse_qsl(parts.query)).get("db", 0))
        return urlunsplit(parts._replace(query=f"db={(given + further) % REDIS_DATABASES}"))
    given = int(parts.path.strip("/") or 0)
    return urlunsplit(parts._replace(path=f"/{(given + further) % REDIS_DATABASES}"))


def _silent(_message: str) -> None:
    pass
