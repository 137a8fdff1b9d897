"""A transaction that fails at any of its statements leaves the old book or the new one.

Each request runs again and again, on an equal portfolio each time, and at its first, second, ...
statement the database fails, until a run has no such statement: so COMMIT and whatever is added
later are among them. A repeat with the same key then makes the new book, once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from uuid import uuid4

import httpx2
import psycopg
import pytest
from psycopg import sql

from app.bootstrap import Resources
from app.market_data import live
from tests.app_fixtures import Clients, for_new_user
from tests.faults import books, scenes
from tests.faults.cases import CASES, NAMES, told, undisturbed
from tests.faults.servers import administrator
from tests.faults.statements import COMMIT, Statement, hooked, watched


class Moment(StrEnum):
    BEFORE = "before it is sent"
    AFTER = "after its answer"


class Harm(StrEnum):
    ERROR = "an error"
    CUT = "a lost connection"


@dataclass(slots=True)
class Fault:
    """Strikes once, at the statement with the number `at`, counted from 0."""

    harm: Harm
    moment: Moment
    at: int
    seen: list[str] = field(default_factory=list)
    struck: str | None = None

    async def before(self, statement: Statement) -> None:
        self.seen.append(statement.text)
        if self.moment is Moment.BEFORE:
            self._strike(statement)

    async def after(self, statement: Statement) -> None:
        if self.moment is Moment.AFTER:
            self._strike(statement)

    def _strike(self, statement: Statement) -> None:
        if self.struck is not None or len(self.seen) != self.at + 1:
            return
        self.struck = statement.text
        if self.harm is Harm.CUT:
            end_backend(statement)
            if self.moment is Moment.BEFORE:
                return  # the statement meets the closed connection by itself
            statement.connection.pgconn.finish()
        raise psycopg.OperationalError(f"no answer to: {statement.text[:40]}")


def end_backend(statement: Statement) -> None:
    with administrator(statement.connection) as connection:
        connection.execute(
            sql.SQL("SELECT pg_terminate_backend({}, 5000)").format(statement.backend)
        )


@pytest.fixture(autouse=True)
def every_statement(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Statements are watched, and the data's version is read in every transaction."""
    monkeypatch.setattr(live, "RECHECK_SECONDS", -1.0)
    with hooked():
        yield


@pytest.mark.parametrize("harm", Harm)
@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("case", NAMES)
async def test_the_book_is_the_old_one_or_the_new_one_and_a_repeat_makes_it_the_new_one(
    case: str, moment: Moment, harm: Harm, clients: Clients, resources: Resources
) -> None:
    new = await undisturbed(clients, resources, *CASES[case])
    for at in count():
        fault = Fault(harm, moment, at)
        owner = await for_new_user(resources)
        async with clients(owner) as client:
            await _struck(client, owner, fault, case, new)
        if fault.struck is None:
            break
    assert fault.seen[-1] == COMMIT
    assert len(fault.seen) == at > 4


async def _struck(
    client: httpx2.AsyncClient, owner: Resources, fault: Fault, case: str, new: str
) -> None:
    """The case with this fault, and the same again; `new` is the book it makes undisturbed."""
    opening, request = CASES[case]
    ids = await opening(client)
    await scenes.unsettled(owner, ids["portfolio"])
    old = await books.read(owner, ids["portfolio"])
    key = str(uuid4())
    with watched(fault):
        answer = await request.send(client, ids, key)

    after = await books.read(owner, ids["portfolio"])
    committed = fault.struck is None or (fault.struck, fault.moment) == (COMMIT, Moment.AFTER)
    assert answer.is_success if fault.struck is None else answer.status_code == 503
    assert (after == old) != committed

    repeated = await request.send(client, ids, key)
    assert await told(owner, ids, repeated) == new
    final = await books.read(owner, ids["portfolio"])
    assert not committed or final == after
    again = await request.send(client, ids, key)
    assert (again.status_code, again.content) == (repeated.status_code, repeated.content)
    assert await books.read(owner, ids["portfolio"]) == final
