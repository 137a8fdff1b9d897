"""Unsafe requests: one transaction each, committed before the answer, done once per key."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.guards import SAFE_METHODS
from app.bootstrap import Resources
from app.core.clock import utc_now
from app.core.database import rows, unit_of_work
from app.core.errors import ETFTraderError, KeyReused, StillRunning
from app.quant.errors import QuantError
from app.services import request_prints

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

MAX_KEY_LENGTH = 255
BODY_SECONDS = 10
LONGEST_ID = 10
ONCE = frozenset({"pk_idempotency_keys", "pk_orders", "pk_order_events"})
"""Constraints that say of a request with a key that another one with it was quicker."""


# Written out, because every trade with a key runs the first and the last.
_CLAIM = """
    SELECT pg_try_advisory_xact_lock(hashtextextended(%(name)s, 0)) AS locked,
        known.fingerprint, known.status, known.body
    FROM (VALUES (1)) AS always LEFT JOIN idempotency_keys AS known
        ON known.owner_id = %(owner_id)s AND known.key = %(key)s
    """
_KNOWN = """
    SELECT fingerprint, status, body FROM idempotency_keys
    WHERE owner_id = %(owner_id)s AND key = %(key)s
    """
_REMEMBER = """
    INSERT INTO idempotency_keys (owner_id, key, fingerprint, status, body, created_at)
    VALUES (%(owner_id)s, %(key)s, %(fingerprint)s, %(status)s, %(body)s, %(now)s)
    """


class ExactRequest(Request):
    """Reads JSON numbers with a fraction as Decimal; refuses NaN, Infinity and repeated names."""

    async def read(self) -> None:
        """Take in the whole body; a client that does not send it in time gets 408."""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                await self.body()
        except TimeoutError:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            text = await self.body()
            self._json = json.loads(
                text,
                parse_float=_exact,
                parse_constant=_refuse_constant,
                object_pairs_hook=_unique_names,
            )
        return self._json


class Transaction(APIRoute):
    """Runs a handler of an unsafe method inside a unit of work.

    The session is opened here and committed after the handler has returned and before anything is
    sent: a client never reads 2xx for a change that failed to commit. With an `Idempotency-Key`
    the answer is stored in the same transaction, and a repeat is answered from there.
    """

    def get_route_handler(self) -> Handler:
        handle, model = super().get_route_handler(), self._model()
        if (self.methods or set()) <= SAFE_METHODS:
            return handle

        async def in_transaction(request: Request) -> Response:
            exact = ExactRequest(request.scope, request.receive)
            key = _key(request)
            # Before a connection is taken: a client that sends slowly must not hold one.
            await exact.read()
            try:
                async with _turn(request.state.resources, key, await _portfolio_of(exact)):
                    return await _handled(exact, key, model, handle)
            except IntegrityError as error:
                if key is not None and _broken(error) in ONCE:
                    raise StillRunning from None
                raise

        return in_transaction

    def _model(self) -> type[BaseModel] | None:
        """What the handler takes as its body."""
        wanted = self.body_field and self.body_field.field_info.annotation
        return wanted if isinstance(wanted, type) and issubclass(wanted, BaseModel) else None


@asynccontextmanager
async def _turn(
    resources: Resources, key: str | None, portfolio_id: int | None
) -> AsyncIterator[None]:
    """The key to oneself, or StillRunning; then wait for the portfolio."""
    queue, owner_id = resources.queue, resources.owner_id
    async with AsyncExitStack() as stack:
        if key is not None:
            if queue.is_taken((owner_id, key)):
                raise StillRunning
            await stack.enter_async_context(queue.turn((owner_id, key)))
        if portfolio_id is not None:
            await stack.enter_async_context(queue.turn(portfolio_id))
        yield


async def _handled(
    request: ExactRequest, key: str | None, model: type[BaseModel] | None, handle: Handler
) -> Response:
    async with unit_of_work(request.state.resources.sessions) as session:
        request.state.session = session
        if key is None:
            return await handle(request)
        return await _once(session, request, (key, model), handle)


async def _portfolio_of(request: ExactRequest) -> int | None:
    """The portfolio that the request is about, where its path or its body names one."""
    named = request.path_params.get("portfolio_id")
    if named is None:
        try:
            body = await request.json()
        except (ValueError, RecursionError):
            return None
        named = body.get("portfolio_id") if isinstance(body, dict) else None
    if isinstance(named, str):
        return int(named) if named.isdecimal() and len(named) <= LONGEST_ID else None
    return named if isinstance(named, int) else None


async def _once(
    session: AsyncSession,
    request: ExactRequest,
    asked: tuple[str, type[BaseModel] | None],
    handle: Handler,
) -> Response:
    """The first answer to this key: remembered, or given now.

    A claim that gets the lock from a holder who has just committed may not see the answer yet, and
    the same work is begun again. It ends at the unique keys of what was written, or is refused for
    want of what was spent: then the answer is there to be read.
    """
    key, model = asked
    owner_id: int = request.state.resources.owner_id
    about = {"owner_id": owner_id, "key": key, "name": f"{owner_id}:{key}"}
    (claim,) = await rows(session, _CLAIM, about)
    if not claim.locked:
        raise StillRunning
    prints = await _fingerprints(request, model)
    if claim.status is not None:
        return _remembered(claim, prints)
    try:
        response = await handle(request)
    except (ETFTraderError, QuantError):
        for known in await rows(session, _KNOWN, about):
            return _remembered(known, prints)
        raise
    answer = {
        "fingerprint": prints[0],
        "status": response.status_code,
        "body": bytes(response.body),
        "now": utc_now(),
    }
    await rows(session, _REMEMBER, about | answer)
    return response


def _remembered(known: Any, prints: tuple[bytes, ...]) -> Response:
    if known.fingerprint not in prints:
        raise KeyReused
    return Response(known.body, known.status, media_type="application/json")


def _broken(error: IntegrityError) -> str | None:
    """The name of the constraint."""
    if not isinstance(error.orig, psycopg.Error):
        return None
    return error.orig.diag.constraint_name


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not (1 <= len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        raise RequestValidationError(
            [
                {
                    "loc": ("header", "Idempotency-Key"),
                    "msg": f"must be 1 to {MAX_KEY_LENGTH} printable ASCII characters",
                    "type": "idempotency_key",
                }
            ]
        )
    return key


async def _fingerprints(request: ExactRequest, model: type[BaseModel] | None) -> tuple[bytes, ...]:
    """What the request is recognised by, and by what it was before a command had the same.

    One whose body is none is recognised by its bytes alone: it is refused anyway.
    """
    method, path, query = request.method, request.url.path.rstrip("/"), request.url.query
    raw = await request.body()
    of_bytes = sha256(f"{method} {path}?{query}\n".encode() + raw).digest()
    try:
        body = model.model_validate(await request.json()) if model is not None and raw else None
    except (ValueError, RecursionError):
        return (of_bytes,)
    return request_prints.fingerprint(method, path, query, body), of_bytes


def _exact(number: str) -> Decimal:
    try:
        return Decimal(number)
    except InvalidOperation:  # its exponent has a score of digits
        raise json.JSONDecodeError("A number is too large or too small", "", 0) from None


def _refuse_constant(_: str) -> Any:
    raise json.JSONDecodeError("NaN and Infinity are not numbers", "", 0)


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise json.JSONDecodeError("A name is repeated", "", 0)
    return names
