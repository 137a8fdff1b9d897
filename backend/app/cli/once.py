"""A command with a key is done once, and a repeat of it gets the first answer."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel
from sqlalchemy import func, select

from app.cli.runtime import Context
from app.core.errors import KeyReused, StillRunning
from app.models import IdempotencyKey

Answer = TypeVar("Answer", bound=BaseModel)

CREATED = 201

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
    request: tuple[str, BaseModel | None],
    act: Callable[[], Awaitable[Answer]],
    *,
    kind: type[Answer],
) -> Answer:
    """The first answer to this key: remembered, or given now. `request` is a path and a body.

    The keys are those of the HTTP interface. Raises StillRunning while the first one runs, and
    KeyReused where the key belongs to another request.
    """
    if key is None:
        return await act()
    owner_id, session = context.resources.owner_id, context.session
    lock = func.hashtextextended(f"{owner_id}:{key}", 0)
    if not await session.scalar(select(func.pg_try_advisory_xact_lock(lock))):
        raise StillRunning
    path, body = request
    text = body.model_dump_json(exclude_unset=True) if body is not None else ""
    wanted = sha256(f"POST {path}?\n{text}".encode()).digest()
    known = await session.get(IdempotencyKey, (owner_id, key))
    if known is not None:
        if known.fingerprint != wanted:
            raise KeyReused
        return kind.model_validate_json(known.body)
    answer = await act()
    session.add(
        IdempotencyKey(
            owner_id=owner_id,
            key=key,
            fingerprint=wanted,
            status=CREATED,
            body=answer.model_dump_json().encode(),
            created_at=context.now,
        )
    )
    return answer
