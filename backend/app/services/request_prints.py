"""What a request with a key is recognised by, whether it comes over HTTP or as a command."""

import json
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel

from app.core.money import plain


def fingerprint(method: str, path: str, query: str, body: BaseModel | None) -> bytes:
    """SHA-256 of what was asked for: equal for two that mean the same and were written otherwise.

    Of the body only what was sent counts: a field that was left out is not one with its default,
    which may be configured otherwise one day.
    """
    sent = {} if body is None else body.model_dump(exclude_unset=True)
    text = json.dumps(sent, sort_keys=True, separators=(",", ":"), default=_written)
    asked = urlencode(sorted(parse_qsl(query, keep_blank_values=True)))
    return sha256(f"2 {method} {path.rstrip('/')}?{asked}\n{text}".encode()).digest()


def _written(value: object) -> str | Sequence[object]:
    if isinstance(value, Decimal):
        return plain(value.normalize())
    if isinstance(value, frozenset | set):
        return sorted(value)
    return str(value)
