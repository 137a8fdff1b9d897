"""A process that ends at any statement of a transaction leaves the old book or the new one.

As `test_fault_points`, but the process that serves the request is gone (`os._exit`) before that
statement is sent, and for COMMIT also after its answer; after the answer to any other statement is
before the next one. Another process answers the repeat.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.bootstrap import Resources
from tests.app_fixtures import Clients, for_new_user
from tests.faults import books, scenes
from tests.faults.cases import CASES, told, undisturbed
from tests.faults.dying import DIED
from tests.faults.servers import gone
from tests.faults.statements import COMMIT

BACKEND = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Mortal:
    """A process that forks one that dies, again and again."""

    process: subprocess.Popen[str]

    def serve(self, order: dict[str, Any]) -> tuple[int, list[Any]]:
        """The exit code, and the backend and statement at the end, or the status and answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        code, said = json.loads(self.process.stdout.readline())
        return code, json.loads(said)


@pytest.fixture(scope="module")
def mortal(shared_resources: Resources) -> Iterator[Mortal]:
    about = shared_resources.settings
    assert about.database_url is not None
    assert about.redis_url is not None
    settings = {
        "database_url": about.database_url.get_secret_value(),
        "redis_url": about.redis_url.get_secret_value(),
        "data_dir": str(about.data_dir),
    }
    command = [sys.executable, "-m", "tests.faults.dying", json.dumps(settings)]
    with subprocess.Popen(
        command, cwd=BACKEND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Mortal(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize("case", CASES)
async def test_whatever_the_process_died_of_the_repeat_makes_the_new_book_once(
    case: str, clients: Clients, resources: Resources, mortal: Mortal
) -> None:
    ends = Ends(case, clients, mortal, await undisturbed(clients, resources, *CASES[case]))
    passed: list[str] = []
    for at in count():
        statement = await ends.at(at, await for_new_user(resources))
        if statement is None:
            break
        passed.append(statement)
    assert passed[-1] == COMMIT
    assert await ends.at(len(passed) - 1, await for_new_user(resources), late=True) == COMMIT


@dataclass(frozen=True, slots=True)
class Ends:
    """Runs a case until the process that serves it ends; `new` is the book it makes undisturbed."""

    case: str
    clients: Clients
    mortal: Mortal
    new: str

    async def at(self, at: int, owner: Resources, *, late: bool = False) -> str | None:
        """The statement with this number, at which the process ended; None if it has fewer."""
        opening, request = CASES[self.case]
        async with self.clients(owner) as client:
            ids = await opening(client)
            await scenes.unsettled(owner, ids["portfolio"])
            old = await books.read(owner, ids["portfolio"])
            key = str(uuid4())
            path, body = request.filled(ids)
            order = {"owner_id": owner.owner_id, "key": key, "at": at, "late": late}
            about = {"method": request.method, "path": path, "body": body}
            code, (where, what) = self.mortal.serve(order | about)
            if code == DIED:
                await gone(owner, where)
            else:
                assert where in {200, 201}, what

            after = await books.read(owner, ids["portfolio"])
            committed = code != DIED or (late and what == COMMIT)
            assert (after == old) != committed

            repeated = await request.send(client, ids, key)
            assert await told(owner, ids, repeated) == self.new
            assert not committed or await books.read(owner, ids["portfolio"]) == after
        return what if code == DIED else None
