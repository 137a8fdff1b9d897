"""Backing up, restoring and checking a real database."""

import stat
from pathlib import Path

import psycopg
import pytest

from app.cli import dumping, schema
from app.core.clock import utc_now
from app.core.errors import Refused
from tests.cli.conftest import Installation


@pytest.fixture(scope="module")
def file(etftrader: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dump with a portfolio in it."""
    etftrader.create("Dumped")
    written = tmp_path_factory.mktemp("dump") / "etftrader.dump"
    etftrader("db", "dump", str(written))
    return written


def test_a_dump_is_private_and_replaces_nothing(etftrader: Installation, file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert "exists already" in etftrader("db", "dump", str(file), code=1).stderr


def test_a_restore_brings_everything_back(
    etftrader: Installation, empty: Installation, file: Path
) -> None:
    empty("db", "restore", str(file))
    names = {row["name"] for row in empty.json("portfolio", "list")}
    assert "Dumped" in names
    assert empty.json("factors", "top") == etftrader.json("factors", "top")
    assert "no differences" in empty("db", "check").stdout
    with (
        schema.connected(empty.environment["DATABASE_URL"]) as connection,
        pytest.raises(psycopg.errors.RestrictViolation),
    ):
        connection.execute("DELETE FROM ledger_entries")


def test_a_restore_over_data_keeps_them(empty: Installation, file: Path) -> None:
    empty("db", "restore", str(file))
    empty("portfolio", "create", "Later", "1000", "--set", "min_weight=0")
    assert "holds data already" in empty("db", "restore", str(file), code=1).stderr
    assert "Later" in {row["name"] for row in empty.json("portfolio", "list")}

    url = empty.environment["DATABASE_URL"]
    kept = dumping.restore(url, file, force=True, now=utc_now())
    assert kept is not None
    assert "Later" not in {row["name"] for row in empty.json("portfolio", "list")}
    with schema.connected(url, dbname=kept) as before:
        names = before.execute("SELECT name FROM portfolios").fetchall()
    with schema.connected(url, dbname=dumping.MAINTENANCE) as server:
        server.execute(f'DROP DATABASE "{kept}"')
    assert ("Later",) in names


def test_a_database_in_use_stays_as_it_is(empty: Installation, file: Path) -> None:
    url = empty.environment["DATABASE_URL"]
    with schema.connected(url):
        assert "Others use the database" in empty("db", "restore", str(file), code=1).stderr
    assert empty.json("portfolio", "list") == []
    with schema.connected(url) as connection:
        left = connection.execute("SELECT FROM pg_database WHERE datname ~ 'restoring'").fetchall()
    assert not left


@pytest.mark.parametrize("content", [b"", b"PGDMP", b"-- not a dump\n"])
def test_a_file_that_is_no_dump_changes_nothing(
    empty: Installation, tmp_path: Path, content: bytes
) -> None:
    broken = tmp_path / "broken.dump"
    broken.write_bytes(content)
    assert "cannot be read as a dump" in empty("db", "restore", str(broken), code=1).stderr


def test_a_torn_dump_changes_nothing(empty: Installation, file: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.dump"
    whole = file.read_bytes()
    torn.write_bytes(whole[: len(whole) * 2 // 3])
    assert "Error: " in empty("db", "restore", str(torn), code=1).stderr
    assert empty.json("portfolio", "list") == []


def test_a_dump_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(schema.CannotReach):
        dumping.dump("postgresql+psycopg://127.0.0.1:1/none", tmp_path / "a", replace=False)
    (tmp_path / "b").touch()
    with pytest.raises(Refused, match="exists already"):
        dumping.dump("postgresql+psycopg://127.0.0.1:1/none", tmp_path / "b", replace=False)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_the_url_is_one_that_other_programs_understand(etftrader: Installation) -> None:
    with psycopg.connect(etftrader("db", "url").stdout.strip()) as connection:
        assert connection.execute("SELECT count(*) FROM portfolios").fetchone() is not None


def test_an_upgrade_can_be_repeated(empty: Installation) -> None:
    assert "up to date" in empty("db", "upgrade").stdout
    assert "up to date" in empty("db", "upgrade").stdout


def test_a_book_that_left_its_ledger_is_found(empty: Installation, file: Path) -> None:
    empty("db", "restore", str(file))
    with schema.connected(empty.environment["DATABASE_URL"]) as connection:
        connection.execute("UPDATE portfolios SET cash = cash + 1 WHERE name = 'Dumped'")
    checked = empty("db", "check", code=1)
    assert "its cash is kept as 100001.00, its ledger says 100000.00" in checked.stdout
    assert "1 difference." in checked.stdout
