"""File locks between processes. The kernel drops them with the process, so kill -9 leaves none."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

Progress = Callable[[str], None]

FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.2
SECONDS_BETWEEN_MESSAGES = 5.0


@dataclass
class Patience:
    """Waits without a limit, more and more slowly, and says so every few seconds."""

    progress: Progress
    message: str
    _pause: float = FIRST_PAUSE
    _spoken: float = field(default_factory=time.monotonic)

    def pause(self) -> None:
        time.sleep(self._pause)
        self._pause = min(self._pause * 1.5, LONGEST_PAUSE)
        if time.monotonic() - self._spoken > SECONDS_BETWEEN_MESSAGES:
            self.progress(self.message)
            self._spoken = time.monotonic()


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """The lock file as a descriptor that programs started meanwhile do not inherit."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(path: Path, patience: Patience) -> Iterator[int]:
    """Hold the lock alone; waits for as long as others hold it."""
    with opened(path) as descriptor:
        while not try_exclusive(descriptor):
            patience.pause()
        yield descriptor


@contextmanager
def if_free(path: Path) -> Iterator[int | None]:
    """Hold the lock alone if nobody has it: its descriptor, otherwise None.

    A program that inherits the descriptor holds the lock until its last process has ended.
    """
    with opened(path) as descriptor:
        yield descriptor if try_exclusive(descriptor) else None


def share(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def try_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
