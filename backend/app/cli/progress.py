"""A bar on stderr for whatever takes longer than a moment; nothing where nobody watches."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.core.progress import Progress

WIDTH = 30
SECONDS_BETWEEN_DRAWINGS = 0.05


@contextmanager
def bars() -> Iterator[Progress]:
    """One line per step, in the order in which the steps begin."""
    stream = sys.stderr
    if not stream.isatty():
        yield _nobody_watches
        return
    current, drawn_at = "", 0.0

    def draw(step: str, done: int, total: int) -> None:
        nonlocal current, drawn_at
        if current and step != current:
            stream.write("\n")
        elif done < total and time.monotonic() - drawn_at < SECONDS_BETWEEN_DRAWINGS:
            return
        current, drawn_at = step, time.monotonic()
        stream.write(f"\r{line(step, done, total)}")
        stream.flush()

    try:
        yield draw
    finally:
        if current:
            stream.write("\n")
            stream.flush()


def line(step: str, done: int, total: int) -> str:
    part = min(done / total, 1.0) if total else 1.0
    full = round(WIDTH * part)
    return f"{step.capitalize():<30.30} [{'#' * full}{'.' * (WIDTH - full)}] {part:4.0%}"


def _nobody_watches(_step: str, _done: int, _total: int) -> None:
    pass
