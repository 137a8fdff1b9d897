"""Two requests for one portfolio, in every order of their statements: as if one after the other.

All orders are run, none is drawn: after each of them the answers and the book are those of one
request after the other, in one of the two orders. The version of the prices, which no request
changes, is not read in between (`RECHECK_SECONDS`), or the orders would be many more and mean the
same.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

import httpx2
import psycopg
import pytest
from sqlalchemy.engine import make_url

from app.api import errors
from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.core.queueing import Queue
from app.market_data import live
from app.services import checking
from tests.app_fixtures import Clients, for_new_user
from tests.faults import books, scenes
from tests.faults.scenes import Ids, Opening, Request, cash, patch, trade
from tests.faults.schedules import Actor, Played, Probe, play
from tests.faults.statements import COMMIT, hooked

# Of some 9,400 USD each purchase takes more than half, of the ten shares each sale more than half.
BUY = trade("buy", notional="6000")
BUY_MORE = trade("buy", "BBB", notional="5500")
SELL = trade("sell", quantity=7)
SELL_REST = trade("sell", quantity=6)
BUY_ALL = trade("buy", "BBB", notional="9700")
"""More than the cash before `SELL`, less than after it."""
PAIRS: dict[str, tuple[Opening, Request, Request]] = {
    "buy, buy": (scenes.held, BUY, BUY_MORE),
    "buy, buy the same": (scenes.held, trade("buy", quantity=2), trade("buy", quantity=3)),
    "buy, sell": (scenes.held, BUY_ALL, SELL),
    "buy what is sold": (scenes.held, trade("buy", quantity=3), SELL),
    "sell, sell": (scenes.held, SELL, SELL_REST),
    "trade, rebalance": (scenes.held, BUY, scenes.REBALANCE),
    "trade, execute": (scenes.proposed, SELL, scenes.EXECUTE),
    "execute, execute": (scenes.proposed, scenes.EXECUTE, scenes.EXECUTE),
    "buy, close": (scenes.held, BUY, scenes.CLOSE),
    "sell, close": (scenes.held, SELL, scenes.CLOSE),
    "close, close": (scenes.held, scenes.CLOSE, scenes.CLOSE),
    "trade, patch": (scenes.held, trade("buy", quantity="1.5"), patch(fractional_shares=True)),
    "trade, pay out": (scenes.held, BUY, cash("-5000")),
    "sell, pay out": (scenes.held, SELL, cash("-9700")),
    "pay out, pay out": (scenes.held, cash("-5000"), cash("-6000")),
    "trade, cancel": (scenes.waiting, trade("buy", "BBB", quantity=1), scenes.CANCEL),
    "cancel, cancel": (scenes.waiting, scenes.CANCEL, scenes.CANCEL),
    "cancel, close": (scenes.waiting, scenes.CANCEL, scenes.CLOSE),
}
WITH_KEYS = ("buy, buy", "buy what is sold")
"""Keys give each request a statement before the lock on the portfolio and one behind its work, and
so many times as many orders, alike for every pair."""


@pytest.fixture(autouse=True)
def every_statement(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(live, "RECHECK_SECONDS", 3600.0)
    monkeypatch.setattr(errors, "LONGEST_ANSWER_SECONDS", 60.0)  # who waits for a turn is not slow
    with hooked():
        yield


@pytest.fixture
def probe(database_url: str) -> Iterator[Probe]:
    url = make_url(database_url).set(drivername="postgresql")
    address = url.render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    ("pair", "keyed"),
    [*((pair, False) for pair in PAIRS), *((pair, True) for pair in WITH_KEYS)],
)
async def test_every_order_of_two_requests_ends_as_one_after_the_other(
    pair: str, clients: Clients, resources: Resources, probe: Probe, *, keyed: bool
) -> None:
    keys = (str(uuid4()), str(uuid4())) if keyed else (None, None)
    scene = Scene(PAIRS[pair], keys, clients, resources)
    serial = {await scene.one_after_the_other(0), await scene.one_after_the_other(1)}
    met = set()
    async for order, told, played in scene.all_orders(probe):
        answered = [answer.text for answer in played.answers]
        assert max(answer.status_code for answer in played.answers) < 500, (order, answered)
        assert told in serial, (order, answered)
        met.add(told)
    assert met == serial
    async with unit_of_work(resources.sessions) as session:
        assert (await checking.check(session)).findings == ()


async def test_in_every_order_of_the_same_request_twice_it_is_done_once(
    clients: Clients, resources: Resources, probe: Probe
) -> None:
    key = str(uuid4())
    scene = Scene((scenes.held, SELL, SELL), (key, key), clients, resources)
    once = await scene.one_after_the_other(0)
    async for order, told, played in scene.all_orders(probe):
        done = {answer.content for answer in played.answers if answer.status_code == 201}
        statuses = {answer.status_code for answer in played.answers}
        assert len(done) == 1, order
        assert statuses <= {201, 409}, order
        if statuses == {201}:
            assert told == once, order
        else:
            assert _book_in(told) == _book_in(once), order


async def test_who_repeats_a_key_that_is_worked_on_is_told_so_and_waits_for_nothing(
    clients: Clients, resources: Resources, probe: Probe
) -> None:
    owner, key = await for_new_user(resources), str(uuid4())
    async with clients(owner) as client, clients(replace(owner, queue=Queue())) as other:
        ids = await scenes.held(client)
        first = Actor(partial(SELL.send, client, ids, key)).start()
        await first.settled(probe)
        while first.waits_at != COMMIT:
            first.step()
            await first.settled(probe)
        second = Actor(partial(SELL.send, other, ids, key)).start()
        await second.settled(probe)
        while second.ready:
            second.step()
            await second.settled(probe)
        assert second.done, f"waits for a lock: {second.waits_at}"
        refused = second.answer()
        assert (refused.status_code, refused.headers["Retry-After"]) == (409, "1")
        first.step()
        await first.settled(probe)
        assert (await SELL.send(other, ids, key)).content == first.answer().content


def _book_in(told: str) -> list[str]:
    """Without the answers, which stand in one line each."""
    return [line for line in told.splitlines() if not line.startswith("[")]


@dataclass(frozen=True, slots=True)
class Scene:
    """The same two requests again and again, each time of another owner's equal portfolio."""

    pair: tuple[Opening, Request, Request]
    keys: tuple[str, str] | tuple[None, None]
    clients: Clients
    resources: Resources

    async def one_after_the_other(self, first: int) -> str:
        """What is told after the request with this number and then the other."""
        opening, *requests = self.pair
        owner = await for_new_user(self.resources)
        async with self.clients(owner) as client:
            ids = await opening(client)
            answers = {}
            for place in (first, 1 - first):
                answers[place] = await requests[place].send(client, ids, self.keys[place])
        return await _told(owner, ids, [answers[0], answers[1]])

    async def all_orders(self, probe: Probe) -> AsyncIterator[tuple[list[int], str, Played]]:
        """Each order of their statements, and what is told after it."""
        order: list[int] | None = []
        while order is not None:
            owner = await for_new_user(self.resources)
            told, played = await self._played(owner, order, probe)
            yield order, told, played
            order = played.next_order()

    async def _played(
        self, owner: Resources, order: Sequence[int], probe: Probe
    ) -> tuple[str, Played]:
        """As two processes would serve them, which do not wait in one line."""
        opening, *requests = self.pair
        async with AsyncExitStack() as stack:
            processes = [replace(owner, queue=Queue()) for _ in requests]
            served = [await stack.enter_async_context(self.clients(each)) for each in processes]
            ids = await opening(served[0])
            sends = [
                partial(request.send, client, ids, key)
                for request, client, key in zip(requests, served, self.keys, strict=True)
            ]
            played = await play(sends, order, probe)
        return await _told(owner, ids, played.answers), played


async def _told(owner: Resources, ids: Ids, answers: Sequence[httpx2.Response]) -> str:
    book = await books.read(owner, ids["portfolio"])
    return book.told(*((answer.status_code, answer.json()) for answer in answers))
