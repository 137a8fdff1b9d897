"""Backtests on the command line: the words and the runs of the HTTP interface."""

import csv
import json
from pathlib import Path

import pytest

from app.cli.backtest_tables import print_comparison
from app.schemas.backtest import ComparisonRead
from tests.cli.conftest import RULES, Installation

LIVED = (*RULES, "--start", "2025-05-01", "--benchmark", "BBB", "--market", "us")


def test_a_run_is_kept_shown_and_the_same_over_http(
    etftrader: Installation, tmp_path: Path
) -> None:
    first = etftrader.json("backtest", "run", *LIVED, "--label", "Plain")
    number = str(first["id"])
    assert (first["label"], first["spec"]["fill"], first["repeated"]) == (
        "Plain",
        "next_open",
        False,
    )
    again = etftrader("backtest", "run", *LIVED, "--end", "2025-06-30").stdout
    assert "It was run before on the same data" in again
    path = f"/api/backtests/{number}"
    shown = etftrader.json("backtest", "show", number)
    assert etftrader.api(path)[path] == shown == first

    told = " ".join(etftrader("backtest", "show", number).stdout.split())
    assert f"Backtest {number}, Plain: 2025-05-01 to 2025-06-30, market us" in told
    for words in ("max drawdown", "turnover a year", "41 sessions are too few", "Held on"):
        assert words in told, words

    file = tmp_path / "trades.csv"
    etftrader("backtest", "show", number, "--csv", str(file))
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["net_amount"] for row in rows] == [each["net_amount"] for each in first["trades"]]


def test_every_part_of_a_question_can_be_told(etftrader: Installation) -> None:
    told = etftrader.json(
        *("backtest", "run", *LIVED),
        *("--capital", "50000.50", "--schedule", "monthly", "--fill", "next_close"),
        *("--cash-yield", "0.03", "--cash-flow", "2025-05-20=-1000", "--set", "score_method=mix"),
    )
    spec = told["spec"]
    assert spec["initial_capital"] == "50000.50"
    assert (spec["schedule"], spec["fill"], spec["cash_yield"]) == ("monthly", "next_close", 0.03)
    assert spec["cash_flows"] == [{"day": "2025-05-20", "amount": "-1000"}]
    assert spec["score_method"] == "mix"
    assert told["report"]["net_flow"] == "-1000.00"


def test_runs_are_listed_judged_and_withdrawn(etftrader: Installation) -> None:
    kept = str(etftrader.json("backtest", "run", *LIVED)["id"])
    gone = str(etftrader.json("backtest", "run", *LIVED, "--schedule", "daily")["id"])
    before = etftrader.json("backtest", "evidence", kept)["trials"]
    withdrawn = etftrader.json("backtest", "withdraw", gone, "--reason", "A typing error")
    assert withdrawn["withdrawn_reason"] == "A typing error"
    assert "withdrawn before" in etftrader.failure("backtest", "withdraw", gone, "--reason", "No")

    listed = [str(each["id"]) for each in etftrader.json("backtest", "list")]
    assert kept in listed
    assert gone not in listed
    assert "A typing error" in etftrader("backtest", "list", "--withdrawn").stdout
    assert "counts as a try all the same" in etftrader("backtest", "show", gone).stdout
    assert etftrader.json("backtest", "evidence", kept)["trials"] == before
    assert f"{before} runs were made" in etftrader("backtest", "evidence", kept).stdout
    assert "cannot be compared" in etftrader.failure("backtest", "compare", kept, gone)


def test_what_cannot_be_run_is_said_in_a_sentence(etftrader: Installation) -> None:
    said = etftrader.failure("backtest", "run", "--start", "2024-05-01", "--market", "us")
    assert said.startswith("The data begin on 2024-04-22")
    assert etftrader.failure("backtest", "show", "2147483647") == "There is no such backtest."
    etftrader("backtest", "run", *LIVED, "--cash-flow", "2025-05-20", code=2)
    etftrader("backtest", "run", *LIVED, "--capital", "0", code=2)


@pytest.mark.parametrize(
    ("p_value", "verdict"),
    [(0.001, "would seldom make"), (0.6, "cannot be told apart"), (None, "cannot be said")],
)
def test_a_comparison_says_what_follows_from_it(
    etftrader: Installation,
    capsys: pytest.CaptureFixture[str],
    p_value: float | None,
    verdict: str,
) -> None:
    etftrader("backtest", "run", *LIVED)
    (item,) = etftrader.json("backtest", "list", "--limit", "1")
    difference = {
        "value": 0.0156,
        "error": 0.0334,
        "lags": 5,
        "p_value": p_value,
        "interval": {"low": -0.0588, "high": 0.0886, "confidence": 0.95},
        "reasons": {},
    }
    about = {
        "risk_free_rate": 0.04,
        "sessions": 845,
        "only_first": 0,
        "only_second": 0,
        "correlation": 0.9,
        "reasons": {},
    }
    found = about | {"first": item, "second": item, "mean": difference, "sharpe": difference}
    print_comparison(ComparisonRead.model_validate_json(json.dumps(found)))
    told = " ".join(capsys.readouterr().out.split())
    assert "mean return a year 1.56% 3.34%" in told
    assert "-5.88% to 8.86% (95%)" in told
    assert verdict in told
