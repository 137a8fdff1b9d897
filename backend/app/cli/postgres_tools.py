"""PostgreSQL's own programs for the database of a command; no password on any command line."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.cli.schema import connected, plain_url
from app.core.embedded.programs import installed_postgres
from app.core.errors import ETFTraderError


class NoProgram(ETFTraderError):
    """PostgreSQL's client programs are missing or too old for the server."""


class ProgramFailed(ETFTraderError):
    """One of PostgreSQL's programs gave up; the message has its reason."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs that fit a server, and how they reach it."""

    server: int
    """The server's major version."""
    folder: Path
    conninfo: str
    environment: Mapping[str, str]

    def run(self, program: str, *arguments: str, stdout: int = subprocess.DEVNULL) -> None:
        """Raises `ProgramFailed` with what the program said first."""
        done = subprocess.run(
            (str(self.folder / program), *arguments),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        if done.returncode:
            raise ProgramFailed(f"{program} failed: {_first_line(done.stderr, program)}.")

    def read(self, program: str, *arguments: str) -> str:
        """What the program prints; raises `ProgramFailed`."""
        done = subprocess.run(
            (str(self.folder / program), *arguments),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environment,
        )
        if done.returncode:
            raise ProgramFailed(f"{program} failed: {_first_line(done.stderr, program)}.")
        return done.stdout

    def interact(self, program: str, *arguments: str) -> int:
        """Give the terminal to the program, Ctrl-C included; its exit code."""
        with _interrupts_are_not_ours():
            return subprocess.run(
                (str(self.folder / program), *arguments), check=False, env=self.environment
            ).returncode


def tools_for(url: str) -> Tools:
    """Raises `NoProgram` where no programs here are new enough, `CannotReach` without a server."""
    with connected(url) as connection:
        server = connection.info.server_version // 10_000
    parts = {name: str(part) for name, part in conninfo_to_dict(plain_url(url)).items()}
    password = parts.pop("password", None)
    environment = dict(os.environ)  # noqa: TID251 - handed on, not read
    if password is not None:
        environment["PGPASSWORD"] = password
    return Tools(server, _folder_for(server), make_conninfo(**parts), environment)


def _folder_for(server: int) -> Path:
    """The oldest programs that are as new as the server: those write what it can read back."""
    found = {programs.major: programs.folder for programs in installed_postgres()}
    on_path = shutil.which("pg_dump")
    if on_path is not None:
        folder = Path(on_path).parent
        found.setdefault(_major_of(folder), folder)
    fitting = [major for major in found if major >= server]
    if fitting:
        return found[min(fitting)]
    newest = f"the newest here are of version {max(found)}" if found else "there are none here"
    raise NoProgram(
        f"The server is PostgreSQL {server} and needs client programs as new as that, and {newest}"
        f": install the package 'postgresql-client-{server}'."
    )


def _major_of(folder: Path) -> int:
    answer = subprocess.run(
        (str(folder / "pg_dump"), "--version"), check=False, capture_output=True, text=True
    ).stdout
    version = re.search(r" (\d+)", answer)
    return int(version.group(1)) if version else 0


def _first_line(said: str, program: str) -> str:
    lines = [
        line.removeprefix(f"{program}: ").removeprefix("error: ") for line in said.splitlines()
    ]
    return next((line.strip().rstrip(".") for line in lines if line.strip()), "it gave no reason")


@contextmanager
def _interrupts_are_not_ours() -> Iterator[None]:
    """A handler is not inherited by the program, unlike a signal that is ignored."""
    before = signal.signal(signal.SIGINT, lambda _signal, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
