"""Lots, gains and ledgers on the command line, and the files that others read."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Installation

BEAN_CHECK = Path(sys.executable).with_name("bean-check")

SAME = {
    "portfolio lots {id}": "/api/portfolios/{id}/lots",
    "portfolio gains {id}": "/api/portfolios/{id}/gains",
    "portfolio gains {id} --year 2025": "/api/portfolios/{id}/gains?year=2025",
    "ledger show {id}": "/api/portfolios/{id}/ledger",
    "ledger show {id} --after 2 --limit 3": "/api/portfolios/{id}/ledger?after=2&limit=3",
}


@pytest.fixture(scope="module")
def held(etftrader: Installation) -> str:
    """Lived through some weeks, paid into, and sold a part of something at a loss."""
    portfolio = etftrader.create("Taxed", "--since", "2025-06-02")
    etftrader("portfolio", "deposit", portfolio, "1000", "--note", '=1+1 "quoted"')
    lot = etftrader.json("portfolio", "lots", portfolio)["lots"][0]
    etftrader("trade", portfolio, "sell", lot["ticker"], "1")
    return portfolio


def test_json_is_that_of_the_http_interface(etftrader: Installation, held: str) -> None:
    paths = {command: path.format(id=held) for command, path in SAME.items()}
    expected = etftrader.api(*paths.values())
    for command, path in paths.items():
        assert etftrader.json(*command.format(id=held).split()) == expected[path], command


def test_tables_fit_eighty_columns(etftrader: Installation, held: str) -> None:
    environment = {**etftrader.environment, "COLUMNS": "80"}
    for command in SAME:
        shown = Installation(environment)(*command.format(id=held).split()).stdout
        assert max(len(line) for line in shown.splitlines()) <= 80, command


def test_a_ledger_in_beancount_is_accepted_by_its_program(
    etftrader: Installation, held: str, tmp_path: Path
) -> None:
    one, every = tmp_path / "one.beancount", tmp_path / "all.beancount"
    etftrader("ledger", "export", held, "--format", "beancount", "--out", str(one))
    etftrader("ledger", "export", "--all", "--format", "beancount", "--out", str(every))
    for file in (one, every):
        checked = subprocess.run([BEAN_CHECK, file], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")
    cash = etftrader.json("portfolio", "show", held)["summary"]["cash"]
    assert f"balance Assets:Portfolio-{held}:Cash  {cash} ~ 0 USD" in one.read_text()
    assert one.stat().st_mode & 0o777 == 0o600
    printed = etftrader("ledger", "export", held, "--format", "beancount").stdout
    assert printed == one.read_text()


def test_a_ledger_as_a_table_has_every_entry_and_runs_no_formula(
    etftrader: Installation, held: str, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.csv"
    etftrader("ledger", "export", held, "--format", "csv", "--out", str(file))
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    entries = etftrader.json("ledger", "show", held, "--limit", "1000")["entries"]
    assert [row["sequence"] for row in rows] == [str(entry["sequence"]) for entry in entries]
    assert [row["amount"] for row in rows] == [entry["amount"] for entry in entries]
    assert {row["portfolio_id"] for row in rows} == {held}
    (paid,) = (row for row in rows if "quoted" in row["reason"])
    assert paid["reason"].startswith("'=1+1")
    (sold,) = (row for row in rows if row["sequence"] == str(entries[-1]["sequence"]))
    (closed,) = entries[-1]["closed_lots"]
    assert sold["closed_lots"] == f"{closed['lot']}: {closed['quantity']} for {closed['cost']}"


def test_the_tax_form_is_written_to_a_file_and_never_over_another(
    etftrader: Installation, held: str, tmp_path: Path
) -> None:
    file = tmp_path / "8949.csv"
    command = ("portfolio", "gains", held, "--year", "2025", "--csv", str(file))
    lines = len(etftrader.json(*command)["lines"])
    assert lines >= 1
    assert len(file.read_text().splitlines()) == lines + 1
    assert "exists already" in etftrader.failure(*command)
    etftrader(*command, "--force")


@pytest.mark.parametrize(
    "arguments",
    [
        "ledger export --format beancount",
        "ledger export 1 --all --format beancount",
        "ledger export 1",
        "ledger export 1 --format gnucash",
        "ledger show 1 --limit 0",
        "portfolio gains 1 --year 25",
    ],
)
def test_misuse_is_told_from_failure(etftrader: Installation, arguments: str) -> None:
    etftrader(*arguments.split(), code=2)


def test_a_ledger_of_nobody_is_not_exported(etftrader: Installation) -> None:
    said = etftrader.failure("ledger", "export", "2147483647", "--format", "csv")
    assert said == "There is no such portfolio."
