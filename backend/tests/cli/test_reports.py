"""Reports and exports on the command line: the files that the HTTP interface answers."""

import csv
import errno
import os
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import typer

from app.cli.failing import failures_in_one_sentence
from app.cli.saving import save
from app.services.exporting import OF_BACKTESTS, OF_PORTFOLIOS
from tests.api.test_series import AS_IF_ON_OLDER_PRICES
from tests.cli.conftest import RULES, Installation

LIVED = (*RULES, "--start", "2025-05-01", "--benchmark", "BBB", "--market", "us")


def test_reports_are_written_once_and_over_no_other_file(
    etftrader: Installation, tmp_path: Path
) -> None:
    portfolio = etftrader.create("Reported <b>")
    backtest = str(etftrader.json("backtest", "run", *LIVED)["id"])
    for what, number in (("portfolio", portfolio), ("backtest", backtest)):
        file = tmp_path / f"{what}.html"
        command = ("report", what, number, "--out", str(file))
        assert "Wrote" in etftrader(*command).stdout
        assert file.read_text().startswith("<!DOCTYPE html>")
        assert "exists already" in etftrader.failure(*command)
        etftrader(*command, "--force")
    assert "Reported &lt;b&gt;" in (tmp_path / "portfolio.html").read_text()
    gone = etftrader.failure("report", "backtest", "2147483647", "--out", str(tmp_path / "x"))
    assert gone == "There is no such backtest."


def test_a_folder_gets_every_series_and_a_file_the_one_that_is_named(
    etftrader: Installation, tmp_path: Path
) -> None:
    portfolio = etftrader.create("Exported")
    backtest = str(etftrader.json("backtest", "run", *LIVED)["id"])
    said = etftrader("export", "portfolio", portfolio, "--out", str(tmp_path / "all"))
    written = {each.name for each in (tmp_path / "all").iterdir()}
    assert {"values.csv", "trades.csv", "holdings.csv"} < written
    # Nothing was ever bought: what it would have made or risked has no value.
    for name in OF_PORTFOLIOS:
        assert (f"{name}.csv" in written) is (f"Left out {name}: " not in said.stderr)
    one = tmp_path / "curve.parquet"
    command = ("export", "backtest", backtest, "--out", str(one), "--series", "curve")
    etftrader(*command, "--format", "parquet")
    assert "exists already" in etftrader.failure(*command)
    etftrader("export", "backtest", backtest, "--out", str(tmp_path / "run"))
    with (tmp_path / "run" / "curve.csv").open() as lines:
        values = [Decimal(line["value"]) for line in csv.DictReader(lines)]
    assert pl.read_parquet(one)["value"].to_list() == values
    # Its 40 sessions are fewer than a window of rolling figures has.
    assert len(list((tmp_path / "run").iterdir())) == len(OF_BACKTESTS) - 1
    etftrader(*command[:-1], "nothing", code=2)


def test_a_folder_is_told_which_series_of_a_run_on_older_prices_there_are_not(
    etftrader: Installation, tmp_path: Path
) -> None:
    backtest = str(etftrader.json("backtest", "run", *LIVED, "--label", "Older")["id"])
    backtest = str(etftrader.execute(AS_IF_ON_OLDER_PRICES, id=int(backtest)))
    folder = tmp_path / "older"

    said = etftrader("export", "backtest", backtest, "--out", str(folder))

    gone = {each for each in OF_BACKTESTS if each.startswith("attribution")}
    gone |= {"factor_exposures", "class_weights", "rolling"}
    assert {each.stem for each in folder.iterdir()} == set(OF_BACKTESTS) - gone
    for name in gone:
        (line,) = [each for each in said.stderr.splitlines() if f" {name}:" in each]
        assert line.startswith("Left out ")
    stale = folder / "class_weights.csv"
    stale.touch()
    again = etftrader("export", "backtest", backtest, "--out", str(folder), "--force").stderr
    assert [line.endswith(f"{stale} is from before.") for line in again.splitlines()].count(
        True
    ) == 1
    one = ("export", "backtest", backtest, "--out", str(tmp_path / "one"))
    failure = etftrader.failure(*one, "--series", "class_weights")
    assert failure.startswith(
        "There are no rows of class_weights: the run was made on other prices"
    )
    assert not (tmp_path / "one").exists()


def test_a_file_in_a_folder_that_there_is_not_is_refused_by_its_own_name(
    etftrader: Installation, tmp_path: Path
) -> None:
    portfolio = etftrader.create("Nowhere")
    file = tmp_path / "nowhere" / "x.html"
    says = f"The folder {file.parent} does not exist: make it, or write to another."
    for command in (
        ("report", "portfolio", portfolio, "--out", str(file)),
        ("export", "portfolio", portfolio, "--out", str(file), "--series", "values"),
        ("ledger", "export", portfolio, "--format", "csv", "--out", str(file)),
    ):
        assert etftrader.failure(*command) == says


def test_a_file_that_cannot_be_written_is_named_as_it_was_given(tmp_path: Path) -> None:
    too_long = tmp_path / ("x" * 250)
    with pytest.raises(OSError, match="too long") as failed:
        save("text", too_long, replace=False)
    assert failed.value.filename == str(too_long)


def test_a_full_disk_is_told_of_by_the_file_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    file = tmp_path / "x.html"
    with pytest.raises(typer.Exit), failures_in_one_sentence():
        save("text", file, replace=False)
    assert capsys.readouterr().err == f"Error: {file} cannot be used: no space left on device.\n"
    assert not list(tmp_path.iterdir())
