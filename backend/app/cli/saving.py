"""Files: complete or not there at all, and never over another file by chance."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from app.core.errors import Refused

ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace the file where it exists already.")
]


def require_free(file: Path, *, replace: bool) -> None:
    """Raise Refused where the file exists already and is not to be replaced."""
    if file.exists() and not replace:
        raise Refused(f"{file} exists already: choose another name, or repeat with --force.")


def save(content: str | bytes, file: Path, *, replace: bool) -> None:
    """Write a file that only its owner may read; it appears when it is complete on disk."""
    require_free(file, replace=replace)
    draft = file.with_name(f".{file.name}.{uuid4().hex}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content.encode() if isinstance(content, str) else content)
            opened.flush()
            os.fsync(opened.fileno())
        draft.rename(file)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
