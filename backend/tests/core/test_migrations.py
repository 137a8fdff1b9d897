"""Migrating at start."""

import pytest
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from alembic import command
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


TWO_PURCHASES_AND_A_SALE = """
    INSERT INTO etfs (market, ticker) VALUES ('us', 'AAA');
    INSERT INTO portfolios (owner_id, market, name, status, initial_capital, cash, last_sequence,
        settings, opened_on, created_at)
    SELECT min(id), 'us', 'P', 'active', 1000, 1000, 4, '{}', '2025-06-02', now() FROM users;
    INSERT INTO ledger_entries (portfolio_id, sequence, kind, etf_id, quantity, reference_price,
        price, price_date, fee, amount, session, booked_at, reason, order_id)
    SELECT portfolios.id, sequence, kind, CASE WHEN quantity > 0 THEN etfs.id END, quantity, price,
        price, '2025-06-02', 0, amount, '2025-06-02', now(), 'test',
        CASE WHEN quantity > 0 THEN gen_random_uuid() END
    FROM portfolios, etfs, (VALUES (1, 'deposit', NULL, NULL, 1000), (2, 'buy', 1, 300, -300),
        (3, 'buy', 1, 400, -400), (4, 'sell', 1, 700, 700)
    ) AS entry (sequence, kind, quantity, price, amount)
    """
CLOSED = """
    SELECT closed_lots[0]->>'number' FROM ledger_entries WHERE kind = 'sell'
    """
THE_OTHER_LOT = """
    ALTER TABLE ledger_entries DISABLE TRIGGER USER;
    UPDATE ledger_entries SET closed_lots = jsonb_set(closed_lots, '{0,number}', '3')
    WHERE kind = 'sell';
    ALTER TABLE ledger_entries ENABLE TRIGGER USER
    """


def migrated(connection: Connection, revision: str) -> None:
    configuration = Config(migrations.CONFIGURATION)
    configuration.attributes["connection"] = connection
    move = command.upgrade if revision == "head" else command.downgrade
    move(configuration, revision)
    connection.commit()


def test_lots_are_the_same_after_going_down_and_up_again_or_it_does_not_go_down(
    fresh_database_url: str,
) -> None:
    with create_engine(fresh_database_url, poolclass=NullPool).connect() as connection:
        migrated(connection, "0003")
        connection.execute(text(TWO_PURCHASES_AND_A_SALE))
        connection.commit()
        for _ in range(2):
            migrated(connection, "head")
            assert connection.scalar(text(CLOSED)) == "2"
            connection.rollback()
            migrated(connection, "0003")
        migrated(connection, "head")
        connection.execute(text(THE_OTHER_LOT))
        connection.commit()
        with pytest.raises(CommandError, match="restore a dump"):
            migrated(connection, "0003")
        connection.rollback()
        assert connection.scalar(text(CLOSED)) == "3"


def test_published_factors_go_and_come_back_empty(fresh_database_url: str) -> None:
    factor = text("INSERT INTO published_factors VALUES ('mom', '2025-06-30', 0.01)")
    with create_engine(fresh_database_url, poolclass=NullPool).connect() as connection:
        connection.execute(factor)
        connection.commit()
        migrated(connection, "0009")
        assert connection.scalar(text("SELECT to_regclass('published_factors')")) is None
        connection.rollback()
        migrated(connection, "head")
        assert connection.scalar(text("SELECT count(*) FROM published_factors")) == 0
