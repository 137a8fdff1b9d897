"""The database in one file, and back."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.cli.postgres_tools import ProgramFailed, Tools, tools_for
from app.cli.schema import connected, plain_url
from app.core import migrations
from app.core.errors import Conflict, ETFTraderError, Refused

MAINTENANCE = "postgres"
LONGEST_NAME = 63
HAS_DATA = """
    SELECT EXISTS (SELECT FROM portfolios)
        OR EXISTS (SELECT FROM markets WHERE latest_session IS NOT NULL)
"""


class NotOurs(ETFTraderError):
    """The file holds no database of ETFTrader that this server can take."""


class NotEmpty(Conflict):
    def __init__(self) -> None:
        super().__init__(
            "The database holds data already: repeat with --force to put the file in its place; "
            "what is there now is then kept under another name."
        )


class InUse(Conflict):
    def __init__(self) -> None:
        super().__init__(
            "Others use the database: stop 'etftrader up' and whatever else is connected, and "
            "repeat."
        )


def dump(url: str, file: Path, *, replace: bool) -> int:
    """Write the database to a file that only its owner may read; how many bytes it has.

    The file appears when it is complete and safe on disk. Raises Refused where it exists already
    and is not to be replaced.
    """
    if file.exists() and not replace:
        raise Refused(f"{file} exists already: choose another name, or repeat with --force.")
    tools = tools_for(url)
    draft = file.with_name(f".{file.name}.{uuid4().hex}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        options = ("--format=custom", "--no-owner", "--no-privileges")
        tools.run("pg_dump", *options, f"--dbname={tools.conninfo}", stdout=descriptor)
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
        draft.rename(file)
    finally:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            draft.unlink()
    _sync(file.parent)
    return size


def restore(url: str, file: Path, *, force: bool, now: datetime) -> str | None:
    """Put the file's database in place of the present one, all or nothing.

    The file is read into a new database, migrated to the newest schema, and only then takes the
    name of the present one. What was there is dropped if it was empty and kept under another name
    otherwise, which is the answer. Raises NotOurs, NotEmpty unless `force`, and InUse.
    """
    tools = tools_for(url)
    _check_file(tools, file)
    empty = is_empty(url)
    if not empty and not force:
        raise NotEmpty
    name = str(conninfo_to_dict(plain_url(url)).get("dbname") or "")
    with connected(url, dbname=MAINTENANCE) as server, _new_database(server) as new:
        _read_into(url, new, tools, file)
        kept = _other_name(name, f"before_{now:%Y%m%d_%H%M%S}")
        _swap(server, name, new, kept)
        if not empty:
            return kept
        server.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(kept)))
    return None


def is_empty(url: str) -> bool:
    """Whether there is nothing to lose: no portfolio and no prices."""
    with connected(url) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone()
        if tables == (0,):
            return True
        try:
            return connection.execute(HAS_DATA).fetchone() == (False,)
        except psycopg.errors.UndefinedTable:
            return False


def _check_file(tools: Tools, file: Path) -> None:
    if not file.is_file():
        raise Refused(f"There is no file {file}.")
    try:
        contents = tools.read("pg_restore", "--list", str(file))
    except ProgramFailed:
        raise NotOurs(
            f"{file} cannot be read as a dump by PostgreSQL {tools.server}: it is none, or a newer "
            f"version made it, or it is not complete."
        ) from None
    made_by = re.search(r"Dumped from database version: (\d+)", contents)
    if made_by is not None and int(made_by.group(1)) > tools.server:
        raise NotOurs(
            f"{file} was made by PostgreSQL {made_by.group(1)} and the server is PostgreSQL "
            f"{tools.server}: restore it into a server at least as new."
        )
    if "TABLE DATA public alembic_version" not in contents:
        raise NotOurs(f"{file} holds no database of ETFTrader.")


@contextmanager
def _new_database(
    server: psycopg.Connection[tuple[object, ...]],
) -> Iterator[str]:
    """A database that is gone after the block unless it got another name."""
    name = f"etftrader_restoring_{uuid4().hex[:12]}"
    try:
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
        )
    except psycopg.errors.InsufficientPrivilege:
        raise Refused(
            "This role may not create databases, and a restore needs a new one: grant it CREATEDB."
        ) from None
    try:
        yield name
    finally:
        server.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def _read_into(url: str, name: str, tools: Tools, file: Path) -> None:
    target = make_conninfo(tools.conninfo, dbname=name)
    options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    tools.run("pg_restore", *options, f"--dbname={target}", str(file))
    migrations.upgrade(_renamed(url, name))


def _swap(server: psycopg.Connection[tuple[object, ...]], name: str, new: str, kept: str) -> None:
    """Both names change or neither does."""
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    try:
        with server.transaction():
            server.execute(rename.format(sql.Identifier(name), sql.Identifier(kept)))
            server.execute(rename.format(sql.Identifier(new), sql.Identifier(name)))
    except psycopg.errors.ObjectInUse:
        raise InUse from None


def _renamed(url: str, name: str) -> str:
    """The same URL for another database of its server."""
    scheme, _, rest = url.partition("://")
    place, _, path = rest.partition("/")
    _, mark, query = path.partition("?")
    return f"{scheme}://{place}/{name}{mark}{query}"


def _other_name(name: str, suffix: str) -> str:
    return f"{name[: LONGEST_NAME - len(suffix) - 1]}_{suffix}"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
