"""Reports and exports on the command line: the files that the HTTP interface answers."""

import csv
from decimal import Decimal
from pathlib import Path

import polars as pl

from app.services.exporting import OF_BACKTESTS, OF_PORTFOLIOS
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
    etftrader("export", "portfolio", portfolio, "--out", str(tmp_path / "all"))
    assert {each.name for each in (tmp_path / "all").iterdir()} == {
        f"{name}.csv" for name in OF_PORTFOLIOS
    }
    one = tmp_path / "curve.parquet"
    command = ("export", "backtest", backtest, "--out", str(one), "--series", "curve")
    etftrader(*command, "--format", "parquet")
    assert "exists already" in etftrader.failure(*command)
    etftrader("export", "backtest", backtest, "--out", str(tmp_path / "run"))
    with (tmp_path / "run" / "curve.csv").open() as lines:
        values = [Decimal(line["value"]) for line in csv.DictReader(lines)]
    assert pl.read_parquet(one)["value"].to_list() == values
    assert len(list((tmp_path / "run").iterdir())) == len(OF_BACKTESTS)
    etftrader(*command[:-1], "nothing", code=2)
