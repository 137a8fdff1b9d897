"""Bringing a database to the newest schema, and telling whether it is there."""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from alembic import command

CONFIGURATION = Path(__file__).resolve().parents[2] / "alembic.ini"


def upgrade(url: str) -> None:
    """Migrate to head; does nothing on a database that is there already."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        if pending(connection):
            connection.rollback()
            configuration = Config(CONFIGURATION)
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")


def pending(connection: Connection) -> bool:
    """Whether the database lacks a migration that this program knows, or knows one it lacks."""
    heads = ScriptDirectory.from_config(Config(CONFIGURATION)).get_heads()
    return set(MigrationContext.configure(connection).get_current_heads()) != set(heads)
