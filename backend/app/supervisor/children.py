"""The processes of an installation besides its servers: started, restarted, stopped in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.core import embedded
from app.core.embedded import EmbeddedServerFailed, Progress, Server

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
SECONDS_OF_HEALTH = 60.0
SECONDS_TO_STOP = 15.0


@dataclass(frozen=True, slots=True)
class Program:
    """A Python module that runs until it is stopped, and what to call it."""

    name: str
    module: str
    arguments: Sequence[str]


@dataclass(frozen=True, slots=True)
class Ties:
    """What children inherit: a pipe that ends with us, a lock that is free when all are gone."""

    pipe: int
    lock: int


@contextmanager
def ties(lock: int) -> Iterator[Ties]:
    ours, theirs = os.pipe()
    try:
        yield Ties(ours, lock)
    finally:
        os.close(theirs)
        os.close(ours)


@dataclass
class Child:
    """One running program; started again when it ends, after a pause that grows."""

    program: Program
    environment: Mapping[str, str]
    ties: Ties
    progress: Progress
    _process: subprocess.Popen[bytes] | None = None
    _started: float = 0.0
    _start_at: float = 0.0
    _pause: float = field(default=FIRST_PAUSE)

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """In a session of its own: Ctrl-C in the terminal reaches the parent alone."""
        command = (sys.executable, "-m", "app.supervisor.tied", str(self.ties.pipe))
        self._process = subprocess.Popen(
            (*command, self.program.module, *self.program.arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(self.ties.pipe, self.ties.lock),
        )
        self._started = time.monotonic()

    def ended(self) -> int | None:
        """The exit code of a program that has ended."""
        return None if self._process is None else self._process.poll()

    def tend(self) -> None:
        """Start the program again if it has ended and its pause is over. Never blocks."""
        if self._process is not None and self.ended() is not None:
            self._plan_restart(self._process.returncode)
        if self._process is None and time.monotonic() >= self._start_at:
            self.start()

    def _plan_restart(self, code: int) -> None:
        if time.monotonic() - self._started > SECONDS_OF_HEALTH:
            self._pause = FIRST_PAUSE
        self.progress(
            f"{self.program.name} ended ({describe(code)}); starting it again in "
            f"{self._pause:g} s."
        )
        self._process = None
        self._start_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def ask_to_end(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def make_end(self, deadline: float) -> None:
        """Wait until this moment of the monotonic clock, then end it if it still runs."""
        if self._process is None:
            return
        try:
            self._process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            self.progress(f"{self.program.name} does not stop; ending it.")
            self._process.kill()
            self._process.wait()


def stop(running: Sequence[Child]) -> None:
    """Ask all to end, wait, and end those that do not."""
    for child in running:
        child.ask_to_end()
    deadline = time.monotonic() + SECONDS_TO_STOP
    for child in running:
        child.make_end(deadline)


@dataclass
class WatchedServer:
    """An embedded server that is started again when it has died, after a pause that grows."""

    server: Server
    progress: Progress
    _try_at: float = 0.0
    _pause: float = FIRST_PAUSE

    def tend(self) -> None:
        """Start the server again if it is gone; blocks while it recovers."""
        if embedded.running(self.server):
            self._pause = FIRST_PAUSE
        elif time.monotonic() >= self._try_at:
            self.progress(f"{self.server.name} is gone; starting it again ...")
            self._try_at = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            self._restore()

    def _restore(self) -> None:
        try:
            embedded.restore(self.server, self.progress)
        except EmbeddedServerFailed as error:
            self.progress(str(error))
        else:
            self.progress(f"{self.server.name} is back.")


def describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
