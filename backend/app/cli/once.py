"""A command with a key is done once, and a repeat of it gets the first answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel
from sqlalchemy import func, select

from app.cli.runtime import Context
from app.core.errors import KeyReused, StillRunning
from app.models import IdempotencyKey
from app.services.request_prints import fingerprint

Answer = TypeVar("Answer", bound=BaseModel)

OK, CREATED = 200, 201


@dataclass(frozen=True, slots=True)
class Asked:
    """The HTTP request that a command is the same as, and the status of its answer."""

    path: str
    body: BaseModel | None = None
    method: str = "POST"
    query: str = ""
    status: int = CREATED


KeyOption = Annotated[
    str | None,
    typer.Option(
        metavar="IDEMPOTENCY_KEY",
        help="A repeat with the same key and order gets the first answer; kept for ever.",
    ),
]


def checked_key(key: str | None) -> str | None:
    if key is not None and not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        raise typer.BadParameter("1 to 255 printable ASCII characters", param_hint="--key")
    return key


async def once(
    context: Context,
    key: str | None,
    asked: Asked,
    act: Callable[[], Awaitable[Answer]],
    *,
    kind: type[Answer],
) -> Answer:
    """The first answer to this key: remembered, or given now.

    The keys are those of the HTTP interface. Raises StillRunning while the first one runs, and
    KeyReused where the key belongs to another request.
    """
    if key is None:
        return await act()
    owner_id, session = context.resources.owner_id, context.session
    lock = func.hashtextextended(f"{owner_id}:{key}", 0)
    if not await session.scalar(select(func.pg_try_advisory_xact_lock(lock))):
        raise StillRunning
    wanted = fingerprint(asked.method, asked.path, asked.query, asked.body)
    known = await session.get(IdempotencyKey, (owner_id, key))
    if known is not None:
        if known.fingerprint not in {wanted, _before(asked)}:
            raise KeyReused
        return kind.model_validate_json(known.body)
    answer = await act()
    session.add(
        IdempotencyKey(
            owner_id=owner_id,
            key=key,
            fingerprint=wanted,
            status=asked.status,
            body=answer.model_dump_json().encode(),
            created_at=context.now,
        )
    )
    return answer


def _before(asked: Asked) -> bytes:
    """What a command was recognised by when HTTP requests were not yet recognised by the same."""
    text = asked.body.model_dump_json(exclude_unset=True) if asked.body is not None else ""
    return sha256(f"POST {asked.path}?\n{text}".encode()).digest()
