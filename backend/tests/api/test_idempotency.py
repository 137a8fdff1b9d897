"""One request, one effect: whatever is repeated, cut off, or fails at the last moment."""

import ast
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import app
from app.api import transaction
from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.core.queueing import Queue
from app.main import create_app
from tests.app_fixtures import Clients, create_portfolio, for_new_user


def order(portfolio_id: int, quantity: int = 1) -> dict[str, Any]:
    return {"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy", "quantity": quantity}


async def send(
    client: httpx2.AsyncClient, key: str, portfolio_id: int, quantity: int = 1
) -> httpx2.Response:
    headers = {"Idempotency-Key": key}
    return await client.post("/api/trades", json=order(portfolio_id, quantity), headers=headers)


async def trades(client: httpx2.AsyncClient, portfolio_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"/api/trades/{portfolio_id}")).json()
    return found


async def test_a_repeat_gets_the_first_answer(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    first, second = [await send(client, "again", portfolio_id) for _ in range(2)]
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert len(await trades(client, portfolio_id)) == 1


async def test_a_key_sent_sixteen_times_at_once_trades_once(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    answers = await asyncio.gather(*(send(client, "rush", portfolio_id) for _ in range(16)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    done = [answer.content for answer in answers if answer.status_code == 201]
    assert len(done) >= 1
    assert len(set(done)) == 1
    assert len(await trades(client, portfolio_id)) == 1
    assert (await send(client, "rush", portfolio_id)).content == done[0]


async def test_another_body_or_path_under_a_used_key_is_refused(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    await send(client, "mine", portfolio_id)
    other_body = await send(client, "mine", portfolio_id, quantity=2)
    other_path = await client.post(
        f"/api/portfolios/{portfolio_id}/cash",
        json={"amount": "1"},
        headers={"Idempotency-Key": "mine"},
    )
    for refused in (other_body, other_path):
        assert (refused.status_code, refused.json()["type"]) == (422, "urn:etftrader:key-reused")
    assert len(await trades(client, portfolio_id)) == 1


async def test_a_refused_order_does_not_use_up_its_key(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    assert (await send(client, "later", portfolio_id, quantity=10**6)).status_code == 422
    assert (await send(client, "later", portfolio_id)).status_code == 201


async def test_a_repeat_in_another_process_that_sees_the_shares_gone_gets_the_first_answer(
    clients: Clients, resources: Resources, portfolio_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = transaction._CLAIM
    late = claim.replace(
        "FROM (VALUES (1))", "FROM (SELECT pg_sleep(0.6)::text AS it) AS slept, (VALUES (1))"
    )
    late = late.replace("SELECT pg_try", "SELECT slept.it IS NOT NULL AND pg_try")
    async with clients(resources) as one, clients(replace(resources, queue=Queue())) as other:
        order = {"portfolio_id": portfolio_id, "ticker": "AAA", "quantity": "5"}
        bought = await one.post("/api/trades", json={**order, "side": "buy"})
        assert bought.status_code == 201

        async def sell(client: httpx2.AsyncClient) -> httpx2.Response:
            headers = {"Idempotency-Key": f"sold {portfolio_id}"}
            return await client.post("/api/trades", json={**order, "side": "sell"}, headers=headers)

        monkeypatch.setattr(transaction, "_CLAIM", late)
        waiting = asyncio.create_task(sell(other))
        await asyncio.sleep(0.3)
        monkeypatch.setattr(transaction, "_CLAIM", claim)
        first, second = await sell(one), await waiting
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content


async def test_keys_belong_to_their_user(
    client: httpx2.AsyncClient, clients: Clients, resources: Resources, portfolio_id: int
) -> None:
    mine = (await send(client, "shared", portfolio_id)).json()
    async with clients(await for_new_user(resources)) as stranger:
        theirs = await create_portfolio(stranger)
        answer = await send(stranger, "shared", theirs["id"])
    assert answer.status_code == 201
    assert answer.json()["order_id"] != mine["order_id"]


async def test_the_id_of_an_order_comes_from_its_key(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    keyed = (await send(client, "named", portfolio_id)).json()
    free = (await client.post("/api/trades", json=order(portfolio_id))).json()
    assert keyed["order_id"][14] == "5"  # the version of a UUID made from a name
    assert free["order_id"][14] == "4"


async def test_opening_and_paying_in_are_done_once_per_key_too(client: httpx2.AsyncClient) -> None:
    body = {"name": "Once", "initial_capital": "100", "market": "us"}
    headers = {"Idempotency-Key": "open"}
    opened = [await client.post("/api/portfolios", json=body, headers=headers) for _ in range(2)]
    assert opened[0].content == opened[1].content
    path = f"/api/portfolios/{opened[0].json()['id']}"
    for _ in range(2):
        await client.post(f"{path}/cash", json={"amount": "5"}, headers={"Idempotency-Key": "pay"})
    assert (await client.get(path)).json()["cash"] == "105.00"


async def test_changing_and_closing_are_done_once_per_key(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    path = f"/api/portfolios/{portfolio_id}"
    for method, body in (("PATCH", {"num_positions": 7}), ("DELETE", None)):
        headers = {"Idempotency-Key": f"{method} {portfolio_id}"}
        first = await client.request(method, path, json=body, headers=headers)
        await client.patch(path, json={"num_positions": 9})
        again = await client.request(method, path, json=body, headers=headers)
        assert (again.status_code, again.content) == (200, first.content)
    shown = (await client.get(path)).json()
    assert (shown["num_positions"], shown["status"]) == (9, "closed")
    other = await client.patch(
        path, json={"num_positions": 8}, headers={"Idempotency-Key": f"PATCH {portfolio_id}"}
    )
    assert (other.status_code, other.json()["type"]) == (422, "urn:etftrader:key-reused")


async def test_the_same_order_written_otherwise_is_the_same(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    first = await send(client, "said twice", portfolio_id)
    other = {"side": "buy", "quantity": "1.000", "ticker": "AAA", "portfolio_id": portfolio_id}
    headers = {"Idempotency-Key": "said twice"}
    again = await client.post("/api/trades/", json=other, headers=headers)
    assert (again.status_code, again.content) == (201, first.content)


async def test_an_answer_that_was_remembered_by_the_bytes_of_its_request_is_still_known(
    client: httpx2.AsyncClient, resources: Resources, portfolio_id: int
) -> None:
    """As every answer was before commands and requests had the same fingerprint."""
    first = await send(client, "of old", portfolio_id)
    asked = b"POST /api/trades?\n" + first.request.content
    async with unit_of_work(resources.sessions) as session:
        await session.execute(
            text("""
                INSERT INTO idempotency_keys
                SELECT owner_id, 'older', sha256(:asked), status, body, created_at
                FROM idempotency_keys WHERE owner_id = :owner_id AND key = 'of old'
                """),
            {"asked": asked, "owner_id": resources.owner_id},
        )
    assert (await send(client, "older", portfolio_id)).content == first.content
    assert (await send(client, "older", portfolio_id, quantity=2)).status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM idempotency_keys",
        "UPDATE idempotency_keys SET status = 500",
        "TRUNCATE idempotency_keys",
    ],
)
async def test_what_was_answered_to_a_key_is_never_forgotten(
    client: httpx2.AsyncClient, resources: Resources, portfolio_id: int, change: str
) -> None:
    await send(client, "kept", portfolio_id)
    with pytest.raises(IntegrityError, match="never changed or deleted"):
        async with unit_of_work(resources.sessions) as session:
            await session.execute(text(change))


def test_every_unsafe_operation_says_that_it_takes_a_key(resources: Resources) -> None:
    paths = create_app(resources.settings).openapi()["paths"]
    without = [
        (method, path)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "get" and "Idempotency-Key" not in str(operation.get("parameters")).title()
    ]
    assert without == []


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "tab\there"])
async def test_a_key_that_is_none_is_refused(
    client: httpx2.AsyncClient, portfolio_id: int, key: str
) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    refused = await client.post("/api/trades", json=order(portfolio_id), headers=headers)
    assert refused.status_code == 422
    assert await trades(client, portfolio_id) == []


@asynccontextmanager
async def failing_commits(resources: Resources, portfolio_id: int) -> AsyncIterator[None]:
    """A constraint that is checked, and broken, only when a trade of the portfolio commits."""
    async with unit_of_work(resources.sessions) as session:
        await session.execute(text("""
            CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'not today'; END $$
            """))
        await session.execute(text(f"""
            CREATE CONSTRAINT TRIGGER refuse_commit AFTER INSERT ON ledger_entries
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
            WHEN (NEW.portfolio_id = {portfolio_id}) EXECUTE FUNCTION refuse_commit()
            """))
    try:
        yield
    finally:
        async with unit_of_work(resources.sessions) as session:
            await session.execute(text("DROP FUNCTION refuse_commit CASCADE"))


async def test_a_trade_whose_commit_fails_is_never_acknowledged(
    client: httpx2.AsyncClient, resources: Resources, portfolio_id: int
) -> None:
    async with failing_commits(resources, portfolio_id):
        for refused in (
            await send(client, "doomed", portfolio_id),
            await client.post("/api/trades", json=order(portfolio_id)),
            await client.post(f"/api/portfolios/{portfolio_id}/cash", json={"amount": "1"}),
        ):
            assert refused.status_code == 500
            assert "not today" not in refused.text
    shown = (await client.get(f"/api/portfolios/{portfolio_id}")).json()
    assert (shown["cash"], shown["last_sequence"], shown["positions"]) == ("100000.00", 1, [])
    assert (await send(client, "doomed", portfolio_id)).status_code == 201


def test_nothing_commits_after_a_yield() -> None:
    guilty = [
        f"{path.name}:{function.lineno}"
        for path in Path(app.__path__[0]).rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and _commits_after_yield(function)
    ]
    assert guilty == []


def _commits_after_yield(function: ast.AST) -> bool:
    yields = [n.lineno for n in ast.walk(function) if isinstance(n, ast.Yield | ast.YieldFrom)]
    commits = [
        node.lineno
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "commit"
    ]
    return bool(yields) and any(line > min(yields) for line in commits)
