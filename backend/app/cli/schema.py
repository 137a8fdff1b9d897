"""The database of a command: there, reachable, and at the schema that this program knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from app.bootstrap import database_url
from app.core import migrations
from app.core.config import Settings
from app.core.errors import ETFTraderError

VERSIONS = Path(__file__).resolve().parents[2] / "alembic" / "versions"


class CannotReach(ETFTraderError):
    """The configured database does not let us in."""


class OtherSchema(ETFTraderError):
    """The configured database is not at this version's schema."""


@contextmanager
def ready(settings: Settings) -> Iterator[Settings]:
    """The settings with the URL of a database that a command can use, for as long as the block.

    The embedded server is started and brought to the newest schema; a configured database is left
    as it is. Raises `CannotReach`, or `OtherSchema` for a configured one that needs an upgrade.
    """
    with database_url(settings) as url:
        if not is_newest(url):
            if settings.database_url is not None:
                raise OtherSchema(
                    "The database does not have the schema of this version: run "
                    "'etftrader db upgrade'."
                )
            migrations.upgrade(url)
        yield settings.model_copy(update={"database_url": SecretStr(url)})


def is_newest(url: str) -> bool:
    """Whether the newest migration was the last one to run: a cheap look without Alembic."""
    newest = max(path.name.split("_")[0] for path in VERSIONS.glob("[0-9]*_*.py"))
    with connected(url) as connection:
        table = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        if table is None or table[0] is None:
            return False
        return connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            (newest,)
        ]


@contextmanager
def connected(
    url: str, *, dbname: str | None = None
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection outside any transaction; raises `CannotReach` with the server's reason."""
    try:
        conninfo = make_conninfo(
            plain_url(url), connect_timeout="5", **({"dbname": dbname} if dbname else {})
        )
        connection = psycopg.connect(conninfo, autocommit=True)
    except psycopg.OperationalError as error:
        raise CannotReach(
            f"The database does not answer ({_reason(error)}): start it, or correct DATABASE_URL."
        ) from None
    except psycopg.Error:
        raise CannotReach("DATABASE_URL is no address that PostgreSQL understands.") from None
    with connection:
        yield connection


def plain_url(url: str) -> str:
    """The URL as PostgreSQL's own programs understand it."""
    return url.replace("postgresql+psycopg:", "postgresql:", 1)


def _reason(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else "no reason given"
