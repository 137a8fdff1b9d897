"""An installation of its own for the command line: a database with the small market, scored."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from starlette.types import Receive, Scope, Send
from typer.testing import CliRunner, Result

from app.bootstrap import open_resources
from app.cli.commands import app
from app.core.config import Settings
from app.core.database import open_engine, open_sessions, unit_of_work
from app.main import create_app
from tests.servers import Run, ServerUrls
from tests.small_market import write_small_market

RULES = ("--optimizer", "simple", "--num-positions", "5", "--set", "max_weight=0.34")
"""Five names of twelve, at most a third each."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What the environment says, and how to give commands in it."""

    environment: dict[str, str]

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments, env=self.environment, prog_name="etftrader")
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def json(self, *arguments: str) -> Any:
        """What a command answers; nothing but JSON is on stdout."""
        return json.loads(self(*arguments, "--json").stdout)

    def failure(self, *arguments: str) -> str:
        """The one sentence of a command that fails."""
        result = self(*arguments, code=1)
        assert not result.stdout
        (line,) = result.stderr.splitlines()
        return line.removeprefix("Error: ")

    def create(self, name: str, *options: str) -> str:
        created = self.json("portfolio", "create", name, "100000", *RULES, *options)
        return str(created["id"])

    def api(self, *paths: str) -> dict[str, Any]:
        """The HTTP interface's answers to the same user."""
        return {path: self.request("GET", path).json() for path in paths}

    def request(self, method: str, path: str, **about: Any) -> httpx2.Response:
        """One HTTP request of the same user."""

        async def ask() -> httpx2.Response:
            settings = self.settings
            application = create_app(settings)
            async with open_resources(settings) as resources:

                async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
                    await application({**scope, "state": {"resources": resources}}, receive, send)

                transport = httpx2.ASGITransport(with_state)
                async with httpx2.AsyncClient(
                    transport=transport, base_url="http://localhost"
                ) as client:
                    return await client.request(method, path, **about)

        return asyncio.run(ask())

    def execute(self, statement: str, **parameters: object) -> Any:
        """What no command does, in its database; the first value of what that returns."""

        async def alone() -> Any:
            engine = open_engine(self.environment["DATABASE_URL"])
            async with unit_of_work(open_sessions(engine)) as session:
                found = await session.scalar(text(statement), parameters)
            await engine.dispose()
            return found

        return asyncio.run(alone())

    @property
    def settings(self) -> Settings:
        return Settings(
            database_url=self.environment["DATABASE_URL"],
            redis_url=self.environment["REDIS_URL"],
            data_dir=Path(self.environment["DATA_DIR"]),
            _env_file=None,
        )


def installation_on(database_url: str, redis_url: str, data_dir: Path) -> Installation:
    return Installation(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "DATA_DIR": str(data_dir),
            "DEBUG": "false",
        }
    )


@pytest.fixture(scope="session")
def etftrader(
    run: Run,
    server_urls: ServerUrls,
    redis_url: str,
    worker_id: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """Give commands to an installation with the small market; tests share it."""
    with run.new_database(server_urls, f"{worker_id}_cli") as url:
        asyncio.run(_fill(url))
        installation = installation_on(url, redis_url, tmp_path_factory.mktemp("cli"))
        installation("factors", "score")
        yield installation


@pytest.fixture
def empty(fresh_database_url: str, redis_url: str, tmp_path: Path) -> Installation:
    """Give commands to an installation without any data."""
    return installation_on(fresh_database_url, redis_url, tmp_path)


async def _fill(url: str) -> None:
    engine = open_engine(url)
    async with unit_of_work(open_sessions(engine)) as session:
        await write_small_market(session)
    await engine.dispose()
