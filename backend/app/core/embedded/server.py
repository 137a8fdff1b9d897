"""One server per data directory, shared by every process that uses it.

Three locks, all dropped by the kernel when their holder ends, however it ends:

- *users*: each user holds it shared. Whoever leaves and can take it alone is the last one out and
  stops the server. A server whose users were all killed is joined by the next one.
- *turn*: held while starting or stopping, so that neither overlaps with the other.
- *alive*: inherited by the server, so it is free only when the server's last process is gone.
  After a crash nothing is started over processes that still end, and nobody trusts a stale pid.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from app.core.embedded import locks, process
from app.core.embedded.errors import EmbeddedServerFailed
from app.core.embedded.home import Home
from app.core.embedded.locks import Patience, Progress


class Server(Protocol):
    """A program that listens on a unix socket and ends at SIGINT."""

    @property
    def name(self) -> str: ...
    @property
    def home(self) -> Home: ...
    @property
    def url(self) -> str: ...
    @property
    def socket(self) -> Path: ...
    @property
    def log(self) -> Path: ...

    def ready(self) -> bool:
        """Whether it answers; raises `EmbeddedServerFailed` if it never will as things stand."""
        ...

    def launch(self, lock: int, progress: Progress) -> None:
        """Start it in the background, inheriting `lock`. Nothing of it is running."""
        ...


def to_stderr(message: str) -> None:
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


@contextmanager
def used(server: Server, progress: Progress) -> Iterator[str]:
    """Start or join the server; its URL. The last one out stops it."""
    server.home.create()
    with locks.opened(_lock(server, "users")) as users:
        try:
            with _turn(server, progress):
                locks.share(users)
                _ensure(server, progress)
            yield server.url
        finally:
            with _turn(server, progress):
                if locks.try_exclusive(users):
                    _stop(server, progress)


def restore(server: Server, progress: Progress) -> None:
    """Start the server again if it has died; for a process that is using it."""
    with _turn(server, progress):
        _ensure(server, progress)


def running(server: Server) -> bool:
    """Whether a process listens on the server's socket."""
    return server.home.run.is_dir() and process.listener(server.socket) is not None


def _lock(server: Server, kind: str) -> Path:
    return server.home.run / f"{server.name.lower()}.{kind}"


@contextmanager
def _turn(server: Server, progress: Progress) -> Iterator[None]:
    message = f"Waiting for another process to start or stop {server.name} ..."
    with locks.exclusive(_lock(server, "turn"), Patience(progress, message)):
        yield


def _ensure(server: Server, progress: Progress) -> None:
    """Wait until the server answers, starting it if nothing of it runs.

    There is no time limit: recovery after a crash takes as long as it takes. A server of ours that
    ends instead of answering is noticed by its lock.
    """
    launched = False
    patience = Patience(progress, f"Waiting for {server.name} to be ready ...")
    while not server.ready():
        with locks.if_free(_lock(server, "alive")) as lock:
            if lock is not None and launched:
                raise EmbeddedServerFailed(
                    f"{server.name} ended while starting. The last lines of {server.log}:\n"
                    f"{process.last_lines(server.log)}"
                )
            if lock is not None:
                process.shorten(server.log)
                server.launch(lock, progress)
                launched = True
        patience.pause()


def _stop(server: Server, progress: Progress) -> None:
    """Ask the server to end and wait until its last process has.

    Asked again only if another process listens: a second signal could cut a clean stop short.
    """
    asked: set[int] = set()
    patience = Patience(progress, f"Waiting for {server.name} to stop ...")
    while not _gone(server):
        pid = process.listener(server.socket)
        if pid is not None and pid > 0 and pid not in asked:
            os.kill(pid, signal.SIGINT)
            asked.add(pid)
        patience.pause()


def _gone(server: Server) -> bool:
    with locks.if_free(_lock(server, "alive")) as lock:
        return lock is not None
