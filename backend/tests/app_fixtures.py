"""The real application on a real database and Redis, for one new user per test.

The ledger refuses to be emptied, so tests that share a database are told apart by their owner.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Receive, Scope, Send

from app.bootstrap import Resources, open_resources
from app.core.config import Settings
from app.core.database import unit_of_work
from app.main import create_app
from app.market_data.snapshot import MarketSnapshot
from tests.small_market import SmallMarket, write_small_market

Clients = Callable[[Resources], AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture(scope="session")
async def shared_resources(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Resources]:
    """Everything the application opens, on this worker's database."""
    data_dir: Path = tmp_path_factory.mktemp("data")
    settings = Settings(
        database_url=database_url, redis_url=redis_url, data_dir=data_dir, _env_file=None
    )
    async with open_resources(settings) as opened:
        yield opened


@pytest.fixture(scope="session")
async def small_market(shared_resources: Resources) -> SmallMarket:
    """The prices of the market `us`; `demo` stays without any."""
    async with unit_of_work(shared_resources.sessions) as session:
        return await write_small_market(session)


@pytest.fixture
async def resources(shared_resources: Resources, small_market: SmallMarket) -> Resources:
    """The same, acting for a user of this test alone."""
    return await for_new_user(shared_resources)


async def for_new_user(resources: Resources) -> Resources:
    async with unit_of_work(resources.sessions) as session:
        owner = await session.execute(
            text("INSERT INTO users (name, created_at) VALUES (:name, now()) RETURNING id"),
            {"name": uuid4().hex},
        )
        return replace(resources, owner_id=int(owner.scalar_one()))


@pytest.fixture
async def session(resources: Resources) -> AsyncIterator[AsyncSession]:
    """A transaction that commits when the test ends well."""
    async with unit_of_work(resources.sessions) as session:
        yield session


@pytest.fixture
async def market(resources: Resources) -> MarketSnapshot:
    async with unit_of_work(resources.sessions) as session:
        return await resources.market_data.snapshot(session, "us")


@pytest.fixture
def clients() -> Clients:
    """Opens a client of the application for the given resources."""

    @asynccontextmanager
    async def open_client(resources: Resources) -> AsyncIterator[httpx2.AsyncClient]:
        app = create_app(resources.settings)

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": {"resources": resources}}, receive, send)

        transport = httpx2.ASGITransport(with_state)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client

    return open_client


@pytest.fixture
async def client(clients: Clients, resources: Resources) -> AsyncIterator[httpx2.AsyncClient]:
    async with clients(resources) as opened:
        yield opened


@pytest.fixture
async def portfolio_id(client: httpx2.AsyncClient) -> int:
    """An open portfolio with 100,000 USD and nothing else."""
    return int((await create_portfolio(client))["id"])


async def create_portfolio(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    body = {"name": uuid4().hex, "initial_capital": "100000", "market": "us", **fields}
    response = await client.post("/api/portfolios", json=body)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created
