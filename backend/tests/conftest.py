"""What every test can ask for."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests import servers
from tests.app_fixtures import (
    client,
    clients,
    market,
    portfolio_id,
    resources,
    session,
    shared_resources,
    small_market,
)
from tests.servers import Run, ServerUrls

__all__ = [
    "client",
    "clients",
    "market",
    "portfolio_id",
    "resources",
    "session",
    "shared_resources",
    "small_market",
]

PROOFS = frozenset({"faults", "mutations", "reliability", "statemachine"})
"""Folders whose tests take minutes; they begin first, so that nobody waits for them at the end."""

LONG_ALONE = frozenset({"test_contract", "test_sweeps_served", "test_serving"})
"""Files with tests of minutes that are no proofs; they begin first too."""

FOLDER_OF_RUN = "ETFTRADER_TEST_RUN"

# Properties are about results: how long an example takes on a shared machine proves nothing. Where
# nobody looks for a counterexample, the same examples every time: chance does not fail a change.
settings.register_profile("patient", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable" if servers.ENVIRONMENT.get("CI") else "patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run proofs at their full length: hours")


def pytest_configure(config: pytest.Config) -> None:
    """The process that the developer started owns the run's folder; workers inherit its name."""
    if hasattr(config, "workerinput"):
        return
    stack = ExitStack()
    run = stack.enter_context(servers.new_run())
    os.environ[FOLDER_OF_RUN] = str(run.folder)  # noqa: TID251 the way to tell the workers
    config.add_cleanup(stack.close)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if config.getoption("--long"):
            item.add_marker(pytest.mark.timeout(0), append=False)
        if "server_urls" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)
        if item.path.parent.name in PROOFS:
            item.add_marker(pytest.mark.proof)
    if not config.getoption("--long"):
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    items.sort(key=_begins_late)


def _begins_late(item: pytest.Item) -> bool:
    return item.path.parent.name not in PROOFS and item.path.stem not in LONG_ALONE


@pytest.fixture(scope="session")
def long(pytestconfig: pytest.Config) -> bool:
    """Whether to prove at full length rather than in the time of a suite."""
    return bool(pytestconfig.getoption("--long"))


@pytest.fixture(scope="session")
def run() -> Run:
    return Run(Path(servers.ENVIRONMENT[FOLDER_OF_RUN]))


@pytest.fixture(scope="session")
def server_urls(run: Run) -> Iterator[ServerUrls]:
    """PostgreSQL and Redis, shared by all workers of this run."""
    with run.servers() as urls:
        yield urls


@pytest.fixture(scope="session")
def database_url(run: Run, server_urls: ServerUrls, worker_id: str) -> Iterator[str]:
    """This worker's own database at the newest schema, empty at first; tests share it."""
    with run.new_database(server_urls, worker_id) as url:
        yield url


@pytest.fixture
def fresh_database_url(run: Run, server_urls: ServerUrls, worker_id: str) -> Iterator[str]:
    """An empty database at the newest schema, for one test alone."""
    with run.new_database(server_urls, f"{worker_id}_fresh") as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(server_urls: ServerUrls, worker_id: str) -> Iterator[str]:
    """This worker's own Redis database, empty at first; tests share it."""
    worker = int(worker_id.removeprefix("gw")) if worker_id != "master" else 0
    with servers.redis_of_worker(server_urls, worker) as url:
        yield url
