"""Hostile and careless requests get a problem document, never a 5xx, an echo or a traceback."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

SECRET = "w0rds-that-must-not-come-back"


async def test_a_page_of_another_origin_cannot_change_anything(client: httpx2.AsyncClient) -> None:
    for origin in ("http://evil.example", "null", "http://localhost.evil.example"):
        response = await client.post("/api/portfolios", json={}, headers={"Origin": origin})
        assert response.status_code == 400
        assert response.headers["content-type"] == "application/problem+json"


async def test_a_foreign_host_name_is_refused(client: httpx2.AsyncClient) -> None:
    for host in ("evil.example", "localhost.evil.example", "", "[::1", "a b"):
        response = await client.get("/health", headers={"Host": host})
        assert response.status_code == 400


@pytest.mark.parametrize("path", ["/health", "/ready", "/api/portfolios"])
async def test_a_trailing_slash_changes_nothing(client: httpx2.AsyncClient, path: str) -> None:
    plain, slashed = await client.get(path), await client.get(f"{path}/")
    assert plain.status_code == slashed.status_code == 200
    assert plain.content == slashed.content


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"NaN", b'{"name": NaN}', b'{"name": Infinity}', b'{"a": 1e400}',
        b'{"name": "a", "name": "b"}', b'{"initial_capital": 1e999999999, "name": "x"}',
        b'{"initial_capital": "' + b"9" * 5000 + b'", "name": "x"}',
        b'{"name": "\\ud800", "initial_capital": "1"}',
        b'{"name": "a\\u0000", "initial_capital": "1"}',
        b"[" * 5000, b'{"a":' * 5000, b"[" * 200_000,
        b'{"a":' * 40_000, b"\xff\xfe", b'{"name": "\xff"}',
        b'{"' + SECRET.encode() + b'": 1}', b'{"name": true, "initial_capital": true}',
        b'{"initial_capital": ' + b"9" * 5000 + b', "name": "x"}',
    ],
    ids=lambda body: repr(body[:40]),
)  # fmt: skip
async def test_a_broken_body_is_refused_with_a_problem_document(
    client: httpx2.AsyncClient, body: bytes
) -> None:
    response = await client.post(
        "/api/portfolios", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code in {400, 422}
    assert response.headers["content-type"] == "application/problem+json"
    assert SECRET not in response.text
    assert response.json()["status"] == response.status_code


async def _chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 10_000):
        yield b" " * 10_000


@pytest.mark.parametrize("path", ["/api/portfolios", "/api/portfolios/1", "/api/nothing"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
@pytest.mark.parametrize("body", [b" " * 300_000, _chunks], ids=["whole", "chunked"])
async def test_a_body_over_the_limit_is_refused_wherever_it_is_sent(
    client: httpx2.AsyncClient, path: str, method: str, body: bytes | Callable[[int], Any]
) -> None:
    content = body if isinstance(body, bytes) else body(300_000)
    response = await client.request(
        method, path, content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == 413


async def test_a_body_in_chunks_is_read_whole(client: httpx2.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for part in (b'{"name": "in pieces",', b"", b' "initial_capital": ', b'"1000"}'):
            yield part

    response = await client.post(
        "/api/portfolios", content=chunks(), headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 201


@pytest.mark.parametrize(
    "path",
    [
        "/api/nothing", "/api/portfolios/0", "/api/portfolios/-1",
        "/api/portfolios/99999999999999",
        "/api/portfolios/x", "/api/factors/%00", "/api/factors/%ff",
        "/api/factors/latest?market=%00",
        "/api/factors/latest?market=US", "/api/factors/SPY?days=1e400", "/api/factors/SPY?days=nan",
        "/api/portfolios?limit=-1", "/api/portfolios?limit=99999999999999999999",
    ],
)  # fmt: skip
async def test_a_path_or_query_that_cannot_be_is_a_problem_not_a_fault(
    client: httpx2.AsyncClient, path: str
) -> None:
    response = await client.get(path)
    assert response.status_code in {404, 422}
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_method_the_path_does_not_take_is_said_so(client: httpx2.AsyncClient) -> None:
    response = await client.put("/api/portfolios")
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "tab\there"])
async def test_an_idempotency_key_that_cannot_be_kept_is_refused(
    client: httpx2.AsyncClient, key: str
) -> None:
    response = await client.post(
        "/api/portfolios",
        json={"name": "n", "initial_capital": "1"},
        headers=[(b"Idempotency-Key", key.encode("latin-1"))],
    )
    assert response.status_code == 422


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_the_description_needs_no_other_server(client: httpx2.AsyncClient, page: str) -> None:
    html = (await client.get(page)).text
    scripts = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert scripts
    for address in scripts:
        assert address.startswith("/static/docs/")
        assert (await client.get(address)).status_code == 200


async def test_clients_that_send_slowly_hold_no_connection(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    """More of them than there are connections, each with a key, in the middle of a body."""
    release = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"amount": '
        await release.wait()
        yield b'"1.00"}'

    async def pay_in_slowly(number: int) -> httpx2.Response:
        return await client.post(
            f"/api/portfolios/{portfolio_id}/cash",
            content=body(),
            headers={"Content-Type": "application/json", "Idempotency-Key": f"slow {number}"},
        )

    slow = [asyncio.create_task(pay_in_slowly(number)) for number in range(40)]
    await asyncio.sleep(0.1)
    quick = await client.post(f"/api/portfolios/{portfolio_id}/cash", json={"amount": "2.00"})
    assert quick.status_code == 201
    release.set()
    for answer in await asyncio.gather(*slow):
        assert answer.status_code == 201


async def test_names_of_query_fields_that_are_not_ours_do_not_come_back(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    response = await client.get(f"/api/trades/{portfolio_id}?{SECRET}=1")
    assert response.status_code == 422
    assert SECRET not in response.text
