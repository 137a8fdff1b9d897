"""Our own PostgreSQL and Valkey for installations without DATABASE_URL and REDIS_URL.

The programs come with the installed packages; the data lies in the data directory. Any number of
processes share one server: the first starts it, the last one out stops it.
"""

from contextlib import AbstractContextManager
from pathlib import Path

from app.core.embedded import server
from app.core.embedded.errors import EmbeddedServerFailed
from app.core.embedded.home import Home
from app.core.embedded.locks import Progress
from app.core.embedded.postgres_server import PostgreSQL
from app.core.embedded.programs import find_valkey
from app.core.embedded.server import Server, restore, running, to_stderr, used
from app.core.embedded.valkey_server import Valkey

__all__ = [
    "EmbeddedServerFailed",
    "Home",
    "PostgreSQL",
    "Progress",
    "Server",
    "Valkey",
    "find_valkey",
    "postgres",
    "restore",
    "running",
    "to_stderr",
    "url_of_running",
    "used",
    "valkey",
]


def postgres(
    data_dir: Path, *, durable: bool = True, progress: Progress = to_stderr
) -> AbstractContextManager[str]:
    """Use the PostgreSQL of this data directory: the SQLAlchemy URL of its database `etftrader`.

    Starts the server or joins it; `durable=False` is faster and loses data at a power cut, for
    tests. Blocks without a limit while the server recovers, telling `progress`. Raises
    `EmbeddedServerFailed` with what to do.
    """
    return server.used(PostgreSQL(Home(data_dir.absolute()), durable=durable), progress)


def valkey(data_dir: Path, *, progress: Progress = to_stderr) -> AbstractContextManager[str]:
    """Use the Valkey of this data directory: the URL of its database 0, with its password."""
    return server.used(Valkey(Home(data_dir.absolute())), progress)


def url_of_running(data_dir: Path) -> str | None:
    """The URL of the database if its server runs now; starts nothing."""
    postgresql = PostgreSQL(Home(data_dir.absolute()))
    return postgresql.url if running(postgresql) else None
