"""Bringing a database to the newest schema, and telling whether it is there."""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from alembic import command
from app.core.database import database_faults
from app.core.errors import ETFTraderError

CONFIGURATION = Path(__file__).resolve().parents[2] / "alembic.ini"


class UnknownSchema(ETFTraderError):
    """The database knows migrations that this program does not."""


def upgrade(url: str) -> None:
    """Migrate to head; does nothing on a database that is there already.

    Raises `UnknownSchema`, or `Unavailable` where the database does not answer.
    """
    engine = create_engine(url, poolclass=NullPool)
    with database_faults(), engine.connect() as connection:
        if not pending(connection):
            return
        # Several processes may start at once; the lock ends with the connection.
        connection.execute(text("SELECT pg_advisory_lock(hashtextextended('migrations', 0))"))
        connection.commit()
        if not pending(connection):
            return
        connection.rollback()
        configuration = Config(CONFIGURATION)
        configuration.attributes["connection"] = connection
        try:
            command.upgrade(configuration, "head")
        except CommandError as error:
            raise UnknownSchema(
                f"The database cannot be migrated by this version of ETFTrader ({error}): "
                f"install the version that used it last."
            ) from error


def pending(connection: Connection) -> bool:
    """Whether the database lacks a migration that this program knows, or knows one it lacks."""
    heads = ScriptDirectory.from_config(Config(CONFIGURATION)).get_heads()
    return set(MigrationContext.configure(connection).get_current_heads()) != set(heads)
