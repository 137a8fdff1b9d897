"""The database drops every connection, as a restart does: 503 while it must be, never 500."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from app.bootstrap import Resources


def drop_all_connections(resources: Resources) -> None:
    url = make_url(resources.sessions.kw["bind"].url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(
            sql.SQL(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


@pytest.fixture(autouse=True)
async def fresh_connections_for_others(resources: Resources) -> AsyncIterator[None]:
    yield
    await resources.sessions.kw["bind"].dispose()


async def ask(
    client: httpx2.AsyncClient, method: str, path: str, **sent: Any
) -> tuple[int, httpx2.Response]:
    """The answer of the second attempt if the first was a 503, and that of the first."""
    first = await client.request(method, path, **sent)
    if first.status_code != 503:
        return first.status_code, first
    return first.status_code, await client.request(method, path, **sent)


@pytest.mark.parametrize("keyed", [False, True])
async def test_dropped_connections_are_one_503_and_nothing_is_done_twice(
    client: httpx2.AsyncClient, resources: Resources, portfolio_id: int, *, keyed: bool
) -> None:
    order = {"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy", "quantity": 1}
    headers = {"Idempotency-Key": f"after a restart of {portfolio_id}"} if keyed else {}
    drop_all_connections(resources)
    sent, traded = await ask(client, "POST", "/api/trades", json=order, headers=headers)
    assert (sent, traded.status_code) in {(503, 201), (201, 201)}
    for path in ("/api/portfolios", f"/api/positions/{portfolio_id}"):
        drop_all_connections(resources)
        first, answer = await ask(client, "GET", path)
        assert (first, answer.status_code) in {(503, 200), (200, 200)}
    _, trades = await ask(client, "GET", f"/api/trades/{portfolio_id}")
    assert len(trades.json()) == 1
