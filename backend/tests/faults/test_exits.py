"""A process that ends at any statement of a transaction leaves the old book or the new one.

As `test_fault_points`, but the process that serves the request is gone (`os._exit`) before that
statement is sent, and for COMMIT also after its answer; after the answer to any other statement is
before the next one. Another process answers the repeat.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from uuid import uuid4

import pytest

from app.bootstrap import Resources
from tests.app_fixtures import Clients, for_new_user
from tests.faults import books, scenes
from tests.faults.cases import CASES, NAMES, told, undisturbed
from tests.faults.dying import DIED
from tests.faults.forking import Forking, forking
from tests.faults.servers import gone
from tests.faults.statements import COMMIT


@pytest.fixture(scope="module")
def mortal(shared_resources: Resources) -> Iterator[Forking]:
    """Forks a process that serves one request and may die of it."""
    about = shared_resources.settings
    assert about.database_url is not None
    assert about.redis_url is not None
    settings = {
        "database_url": about.database_url.get_secret_value(),
        "redis_url": about.redis_url.get_secret_value(),
        "data_dir": str(about.data_dir),
    }
    with forking("tests.faults.dying", json.dumps(settings)) as process:
        yield process


@pytest.mark.parametrize("case", NAMES)
async def test_whatever_the_process_died_of_the_repeat_makes_the_new_book_once(
    case: str, clients: Clients, resources: Resources, mortal: Forking
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
    mortal: Forking
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
            code, said = self.mortal.ask(order | about)
            where, what = json.loads(said)
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
