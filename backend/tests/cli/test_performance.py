"""Performance on the command line: of portfolios, backtests and files, in the words of HTTP."""

from pathlib import Path

import pytest

from tests.cli.conftest import RULES, Installation

DAYS = ("2025-06-24", "2025-06-25", "2025-06-26", "2025-06-27", "2025-06-30")
VALUES = ("1000", "1010", "1520", "1400", "1450.5")
FLOWS = ("", "", "500", "", "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    lines = [
        f"{day},{value},{flow},x" for day, value, flow in zip(DAYS, VALUES, FLOWS, strict=True)
    ]
    path = tmp_path / "own.csv"
    path.write_text("\n".join(("date,value,flow,note", *lines, "")))
    return path


def test_a_backtest_is_measured_as_over_http(etftrader: Installation) -> None:
    lived = ("--start", "2025-05-01", "--benchmark", "BBB", "--market", "us")
    number = str(etftrader.json("backtest", "run", *RULES, *lived)["id"])
    asked = ("--start", "2025-05-15", "--window", "20", "--benchmark", "AAA:0.5,CCC:0.5")
    path = (
        f"/api/backtests/{number}/performance?start=2025-05-15&window=20&benchmark=AAA:0.5,CCC:0.5"
    )

    answer = etftrader.json("performance", "--backtest", number, *asked)

    assert etftrader.api(path)[path] == answer
    told = " ".join(etftrader("performance", "--backtest", number, *asked).stdout.split())
    for words in (
        "2025-05-15 to 2025-06-30",
        "put back to its weights daily",
        "The same cash flows in AAA:0.5,CCC:0.5",
        "Of every 20 sessions",
        "turnover a year",
        "expense ratio",
        "money-weighted, whole period",
        "money-weighted, a year",
        f"Again: etftrader performance --backtest {number} --start 2025-05-15 --end 2025-06-30",
    ):
        assert words in told, words


def test_the_command_in_the_trace_gives_the_same_figures(etftrader: Installation) -> None:
    number = etftrader.create("Again", "--since", "2025-03-03")
    answer = etftrader.json("performance", number, "--period", "3M", "--benchmark", "AAA")
    command = answer["trace"]["command"].split()[1:]
    again = etftrader.json(*command)
    assert again["period"] is None
    for part in ("metrics", "money_weighted", "benchmark", "activity", "series", "trace"):
        assert again[part] == answer[part], part


def test_a_file_is_measured_as_the_same_series_over_http(
    etftrader: Installation, file: Path
) -> None:
    asked = ("--file", str(file), "--benchmark", "AAA", "--market", "us")
    body = {
        "dates": DAYS,
        "values": VALUES,
        "flows": [flow or "0" for flow in FLOWS],
        "benchmark": "AAA",
        "market": "us",
        "risk_free_rate": 0.01,
    }
    response = etftrader.request("POST", "/api/performance/series", json=body)
    answer = etftrader.json("performance", *asked, "--risk-free-rate", "0.01")
    assert response.json() == answer
    assert (answer["net_flow"], answer["profit"]) == ("500.00", "-49.50")
    assert "Series, 2025-06-24 to 2025-06-30" in etftrader("performance", *asked).stdout


def test_a_file_of_returns_needs_no_market(empty: Installation, tmp_path: Path) -> None:
    path = tmp_path / "returns.csv"
    path.write_text("date,return\n2025-06-27,0.01\n2025-06-30,-0.02\n")
    answer = empty.json("performance", "--file", str(path))
    assert answer["metrics"]["total_return"] == pytest.approx(1.01 * 0.98 - 1)
    assert answer["start"] == "2025-06-26"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("day,value\n2025-06-27,1\n", "must name the columns date, and value or return"),
        ("date,value\n2025-06-27,1\n2025-06-30,one\n", "line 3: the value is not a number"),
    ],
)
def test_a_file_that_is_no_series_is_one_sentence(
    etftrader: Installation, tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text)
    assert says in etftrader.failure("performance", "--file", str(path))
    assert "cannot be read" in etftrader.failure("performance", "--file", "nowhere.csv")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"date,return\n2025-06-02,sNaN\n", "the return is not a number"),
        ("date,return\n".encode("utf-16"), "no UTF-8 text"),
        (b'date,return\n2025-06-02,"' + b"1" * 200_000, "is no table"),
    ],
)
def test_a_file_that_is_no_table_of_numbers_is_refused_in_one_sentence(
    etftrader: Installation, tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(content)
    assert says in etftrader.failure("performance", "--file", str(path))


def test_one_fund_with_a_weight_is_told_what_a_blend_looks_like() -> None:
    nowhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1"}
    told = Installation(nowhere)("performance", "1", "--benchmark", "SPY:0.6", code=2).stderr
    assert "SPY:0.6,AGG:0.4" in told


@pytest.mark.parametrize(
    "arguments",
    [
        "performance",
        "performance 1 --backtest 1",
        "performance 1 --risk-free-rate 0.01",
        "performance 1 --start 2025-13-01",
        "performance 1 --start 2025-06-02 --period 1Y",
        "performance 1 --benchmark SPY:0.6,AGG:0.5",
        "performance 1 --window 2",
        "performance --file own.csv --attribution",
        "performance 1 --attribution --window 20",
    ],
)
def test_misuse_ends_with_2(arguments: str) -> None:
    nowhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1"}
    assert "Error: " in Installation(nowhere)(*arguments.split(), code=2).stderr
