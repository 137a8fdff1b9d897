"""The database seen from beside it: which process waits for which, which has gone."""

import asyncio
from typing import Any

import psycopg
from sqlalchemy import text

from app.bootstrap import Resources
from app.core.database import unit_of_work


def administrator(of: psycopg.AsyncConnection[Any]) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection of its own to the same server."""
    return psycopg.connect(of.info.dsn, password=of.info.password or None, autocommit=True)


async def gone(resources: Resources, backend: int) -> None:
    """Wait until the server has noticed that the client of this backend is no more."""
    while True:
        async with unit_of_work(resources.sessions) as session:
            query = text("SELECT 1 FROM pg_stat_activity WHERE pid = :pid")
            if await session.scalar(query, {"pid": backend}) is None:
                return
        await asyncio.sleep(0.002)
