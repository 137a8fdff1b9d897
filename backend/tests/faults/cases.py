"""The transactions whose every statement is made to fail, and what they make undisturbed."""

from uuid import uuid4

import httpx2
import pytest

from app.bootstrap import Resources
from tests.app_fixtures import Clients
from tests.faults import books, scenes
from tests.faults.scenes import Ids, Opening, Request

CASES: dict[str, tuple[Opening, Request]] = {
    "buy": (scenes.invested, scenes.trade("buy", quantity=3)),
    "sell": (scenes.invested, scenes.trade("sell", quantity=7)),
    "buy for an amount": (scenes.invested, scenes.trade("buy", "CCC", notional="500")),
    "limit order": (
        scenes.invested,
        scenes.trade("buy", quantity=3, order_type="limit", limit_price="999"),
    ),
    "resting order": (
        scenes.invested,
        scenes.trade("buy", quantity=3, order_type="limit", limit_price="9", time_in_force="gtc"),
    ),
    "cancel": (scenes.waiting, scenes.CANCEL),
    "pay in": (scenes.invested, scenes.cash("250.25")),
    "pay out": (scenes.invested, scenes.cash("-250.25")),
    "rebalance": (scenes.invested, scenes.REBALANCE),
    "execute a proposal": (scenes.proposed, scenes.EXECUTE),
    "close": (scenes.invested, scenes.CLOSE),
}


async def undisturbed(
    clients: Clients, resources: Resources, opening: Opening, request: Request
) -> str:
    async with clients(resources) as client:
        ids = await opening(client)
        await scenes.unsettled(resources, ids["portfolio"])
        answer = await request.send(client, ids, str(uuid4()))
        return await told(resources, ids, answer)


async def told(resources: Resources, ids: Ids, answer: httpx2.Response) -> str:
    assert answer.is_success, answer.text
    book = await books.read(resources, ids["portfolio"])
    return book.told((answer.status_code, answer.json()))


_IN_THE_SUITE = frozenset({"buy", "sell", "rebalance", "execute a proposal"})
"""The others go through the same statements, and are left to --long."""

NAMES = [
    pytest.param(name, marks=() if name in _IN_THE_SUITE else pytest.mark.long) for name in CASES
]
