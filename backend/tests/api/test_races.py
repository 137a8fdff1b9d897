"""Portfolios created, changed, traded and closed at once: every request is done or refused."""

import asyncio
from uuid import uuid4

import httpx2

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.services import checking
from tests.app_fixtures import create_portfolio

REFUSED = {404, 409, 422}


async def test_of_many_who_take_one_name_at_once_one_has_it(client: httpx2.AsyncClient) -> None:
    name = uuid4().hex
    others = [await create_portfolio(client) for _ in range(4)]
    body = {"initial_capital": "1000", "market": "us"}
    answers = await asyncio.gather(
        *(client.post("/api/portfolios", json={**body, "name": name}) for _ in range(4)),
        *(
            client.patch(f"/api/portfolios/{other['id']}", json={"name": name.upper()})
            for other in others
        ),
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] in {200, 201}
    assert statuses[1:] == [409] * 7


async def test_what_comes_while_a_portfolio_closes_is_done_before_or_refused(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    for _ in range(3):
        mine = (await create_portfolio(client))["id"]
        order = {"portfolio_id": mine, "ticker": "AAA", "side": "buy", "quantity": "3"}
        path = f"/api/portfolios/{mine}"
        answers = await asyncio.gather(
            *(client.post("/api/trades", json=order) for _ in range(4)),
            client.delete(f"{path}?liquidate=true"),
            client.patch(path, json={"num_positions": 11, "max_weight": 0.5}),
            client.post(f"{path}/cash", json={"amount": "-50.00"}),
            client.post(f"/api/positions/{mine}/rebalance", json={"execute": True}),
            client.delete(f"{path}?liquidate=true"),
            client.get(path),
            client.get(f"/api/positions/{mine}"),
        )
        for answer in answers:
            assert answer.status_code in {200, 201} | REFUSED, answer.text
        assert sorted(answers[place].status_code for place in (4, 8)) == [200, 409]
        shown = (await client.get(path)).json()
        assert (shown["status"], shown["positions"]) == ("closed", [])
    async with unit_of_work(resources.sessions) as session:
        assert (await checking.check(session)).findings == ()


async def test_the_name_of_a_closed_portfolio_is_free_at_once(client: httpx2.AsyncClient) -> None:
    first = await create_portfolio(client)
    body = {"name": first["name"], "initial_capital": "1000", "market": "us"}
    closed, *created = await asyncio.gather(
        client.delete(f"/api/portfolios/{first['id']}"),
        *(client.post("/api/portfolios", json=body) for _ in range(5)),
    )
    assert closed.status_code == 200
    statuses = [answer.status_code for answer in created]
    assert statuses.count(201) <= 1
    assert set(statuses) <= {201, 409}


async def test_sixty_four_clients_of_one_portfolio_are_all_served(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    async def trade(number: int) -> list[int]:
        statuses = []
        for each in range(3):
            answer = await client.post(
                "/api/trades",
                json={"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy", "quantity": 1},
                headers={"Idempotency-Key": f"{portfolio_id} {number} {each}"},
            )
            statuses.append(answer.status_code)
        return statuses

    answers = await asyncio.gather(*(trade(number) for number in range(64)))
    assert answers == [[201] * 3] * 64
    trades = (await client.get(f"/api/trades/{portfolio_id}", params={"limit": 1000})).json()
    assert [trade["sequence"] for trade in trades] == list(range(2, 2 + 192))
