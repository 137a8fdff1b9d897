"""Run migrations on the given connection, the configured database, or the embedded server."""

from sqlalchemy import Connection, create_engine, pool, text

from alembic import context
from app.bootstrap import database_url
from app.core.config import Settings
from app.models import User

LOCK_TIMEOUT = "5s"
"""A migration that cannot get its lock gives up rather than block everybody behind it."""


def migrate(connection: Connection) -> None:
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    context.configure(
        connection=connection, target_metadata=User.metadata, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


def print_sql() -> None:
    context.configure(dialect_name="postgresql", target_metadata=User.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    if context.is_offline_mode():
        print_sql()
    elif (connection := context.config.attributes.get("connection")) is not None:
        migrate(connection)
    elif (url := context.config.get_main_option("sqlalchemy.url")) is not None:
        _connect_and_migrate(url)
    else:
        with database_url(Settings.load()) as url:
            _connect_and_migrate(url)


def _connect_and_migrate(url: str) -> None:
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        migrate(connection)


main()
