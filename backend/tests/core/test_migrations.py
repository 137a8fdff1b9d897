"""Migrating at start."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from app.core import migrations
from app.core.errors import Unavailable
from app.core.migrations import UnknownSchema


def test_a_database_at_head_has_nothing_pending(fresh_database_url: str) -> None:
    migrations.upgrade(fresh_database_url)
    with create_engine(fresh_database_url, poolclass=NullPool).connect() as connection:
        assert not migrations.pending(connection)


def test_a_database_of_a_newer_version_is_left_alone(fresh_database_url: str) -> None:
    with create_engine(fresh_database_url, poolclass=NullPool).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))
    with pytest.raises(UnknownSchema, match="install the version that used it last"):
        migrations.upgrade(fresh_database_url)


def test_a_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        migrations.upgrade("postgresql+psycopg://nobody@127.0.0.1:1/none")
