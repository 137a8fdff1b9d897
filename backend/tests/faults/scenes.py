"""Portfolios in a known state, and the requests that change them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy import text

from app.bootstrap import Resources
from app.core.database import unit_of_work
from tests.app_fixtures import create_portfolio

RULES = {"num_positions": 5, "max_weight": 0.34, "optimizer": "simple"}
CAPITAL = "10000"

Ids = dict[str, int | str]
"""What the names in a request stand for."""


@dataclass(frozen=True, slots=True)
class Request:
    """An unsafe call; in its path and body `{portfolio}` and `{proposal}` stand for their ids."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None

    async def send(
        self, client: httpx2.AsyncClient, ids: Ids, key: str | None = None
    ) -> httpx2.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        path, body = self.filled(ids)
        return await client.request(self.method, path, json=body, headers=headers)

    def filled(self, ids: Ids) -> tuple[str, dict[str, Any] | None]:
        if self.body is None:
            return self.path.format(**ids), None
        whole = {"{" + name + "}": each for name, each in ids.items()}
        body = {
            name: whole.get(value, value) if isinstance(value, str) else value
            for name, value in self.body.items()
        }
        return self.path.format(**ids), body


def trade(side: str, ticker: str = "AAA", **fields: Any) -> Request:
    order = {"portfolio_id": "{portfolio}", "ticker": ticker, "side": side, **fields}
    return Request("POST", "/api/trades", order)


def cash(amount: str) -> Request:
    return Request("POST", "/api/portfolios/{portfolio}/cash", {"amount": amount})


def patch(**rules: Any) -> Request:
    return Request("PATCH", "/api/portfolios/{portfolio}", rules)


GOOD = {"time_in_force": "gtc"}
REBALANCE = Request("POST", "/api/positions/{portfolio}/rebalance", {"execute": True})
PROPOSE = Request("POST", "/api/positions/{portfolio}/rebalance", {})
EXECUTE = Request("POST", "/api/positions/{portfolio}/rebalance/{proposal}/execute")
CANCEL = Request("DELETE", "/api/orders/{portfolio}/{order}")
CLOSE = Request("DELETE", "/api/portfolios/{portfolio}?liquidate=true")


async def opened(client: httpx2.AsyncClient) -> Ids:
    """10,000 USD in cash, and no shares."""
    made = await create_portfolio(client, initial_capital=CAPITAL, **RULES)
    return {"portfolio": int(made["id"])}


async def invested(client: httpx2.AsyncClient) -> Ids:
    """Ten shares of AAA in two purchases, five of BBB, and the rest of 10,000 USD."""
    ids = await opened(client)
    for order in (
        trade("buy", quantity=6),
        trade("buy", quantity=4),
        trade("buy", "BBB", quantity=5),
    ):
        await done(order, client, ids)
    return ids


async def held(client: httpx2.AsyncClient) -> Ids:
    """Ten shares of AAA, and the rest of 10,000 USD."""
    ids = await opened(client)
    await done(trade("buy", quantity=10), client, ids)
    return ids


async def waiting(client: httpx2.AsyncClient) -> Ids:
    """As `held`, with an order to buy BBB that rests below its price."""
    ids = await held(client)
    resting = trade("buy", "BBB", quantity=1, order_type="limit", limit_price="1", **GOOD)
    order = await done(resting, client, ids)
    return {**ids, "order": str(order["order_id"])}


async def proposed(client: httpx2.AsyncClient) -> Ids:
    """As `invested`, with a proposal to rebalance that is not executed."""
    ids = await invested(client)
    proposal = await done(PROPOSE, client, ids)
    return {**ids, "proposal": int(proposal["id"])}


Opening = Callable[[httpx2.AsyncClient], Awaitable[Ids]]


async def done(request: Request, client: httpx2.AsyncClient, ids: Ids) -> dict[str, Any]:
    answer = await request.send(client, ids)
    assert answer.is_success, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def unsettled(resources: Resources, portfolio_id: int | str) -> None:
    """Let the next request look for corporate actions, as the first one after an import does."""
    async with unit_of_work(resources.sessions) as session:
        await session.execute(
            text("UPDATE portfolios SET settled_version = NULL WHERE id = :id"),
            {"id": portfolio_id},
        )
