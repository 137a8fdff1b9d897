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


def require_folder(file: Path) -> None:
    """Raise Refused where the file has no folder to be in."""
    if not file.parent.is_dir():
        raise Refused(f"The folder {file.parent} does not exist: make it, or write to another.")


def save(content: str | bytes, file: Path, *, replace: bool) -> None:
    """Write a file that only its owner may read; it appears when it is complete on disk.

    Raises OSError, which names the file that was asked for.
    """
    require_free(file, replace=replace)
    require_folder(file)
    try:
        _write(content, file)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from error


def _write(content: str | bytes, file: Path) -> None:
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
