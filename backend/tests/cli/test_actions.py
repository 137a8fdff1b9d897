"""Corporate actions and money from the command line, up to the cent in the portfolio."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from app.core import calendar
from tests.cli.conftest import Installation

DAYS = [str(day) for day in calendar.sessions(date(2024, 1, 2), date(2025, 6, 30))]
BOUGHT_ON, EX_DATE, SPLIT_ON, RENAMED_ON = DAYS[-8], DAYS[-6], DAYS[-4], DAYS[-3]
CLOSES = {"AAA": 60, "BBB": 40, "CCC": 25}


def prices(folder: Path, name: str, days: list[str], tickers: dict[str, str]) -> str:
    """Closes that never move but for AAA's split of two for one."""
    lines = ["ticker,date,open,high,low,close,volume"]
    for ticker, called in tickers.items():
        for day in days:
            close = CLOSES[ticker] / (2 if ticker == "AAA" and day >= SPLIT_ON else 1)
            lines.append(f"{called},{day},{close},{close},{close},{close},1000000")
    return written(folder, name, *lines)


def written(folder: Path, name: str, *lines: str) -> str:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture
def portfolio(empty: Installation, tmp_path: Path) -> str:
    """100 AAA and 50 BBB bought at traded prices, then a week with three actions."""
    early = prices(tmp_path, "early.csv", DAYS[:-7], {"AAA": "AAA", "BBB": "BBB", "CCC": "CCC"})
    empty("data", "import", early, "--traded")
    opened = empty.create("Mine", "--set", "commission=0", "--set", "dividend_withholding=0.15")
    empty("trade", opened, "buy", "AAA", "100")
    empty("trade", opened, "buy", "BBB", "50")
    late = prices(tmp_path, "late.csv", DAYS[-7:], {"AAA": "AAA", "BBB": "BBX", "CCC": "CCC"})
    actions = written(
        tmp_path,
        "week.csv",
        "ticker,ex_date,kind,value,new_ticker",
        f"AAA,{EX_DATE},dividend,0.52,",
        f"AAA,{SPLIT_ON},split,2,",
        f"BBB,{DAYS[-7]},ticker_change,,BBX",
    )
    empty("data", "import", late, "--traded", "--actions", actions)
    return opened


def test_a_week_of_actions_reaches_the_book_and_is_corrected_by_actions_alone(
    empty: Installation, portfolio: str, tmp_path: Path
) -> None:
    shown = empty.json("portfolio", "show", portfolio)
    held = {row["ticker"]: Decimal(row["quantity"]) for row in shown["positions"]}
    assert held == {"AAA": 200, "BBX": 50}
    cash = Decimal(shown["cash"])
    corrected = written(
        tmp_path,
        "corrected.csv",
        "ticker,ex_date,kind,value",
        f"AAA,{EX_DATE},dividend,0.72",
        f"AAA,{SPLIT_ON},split,0.333333",
        f"BBX,{DAYS[-2]},closure,39.5",
    )

    said = empty("data", "import", "--actions", corrected).stdout

    # The dividend and the split of the one, the closure of the other.
    assert "Corporate actions booked: 3." in " ".join(said.split())
    shown = empty.json("portfolio", "show", portfolio)
    # Of 33 and a third of a share the third is paid out at 30, the close of that day.
    assert Decimal(shown["cash"]) == cash + 20 - 3 + 10 + 1975
    assert {row["ticker"]: row["quantity"] for row in shown["positions"]} == {"AAA": "33.000000"}
    assert "Nothing changed" in empty("data", "import", "--actions", corrected).stdout
    assert "no differences" in empty("db", "check").stdout
    first = empty("data", "actions", "--limit", "1").stdout
    assert "4 actions, 1 shown" in first
    assert f"{DAYS[-2]}  BBX     closure   39.5" in first
    assert "There are more: --offset 1." in first
    assert "BBB" in empty("data", "actions", "--ticker", "BBX").stdout
    assert "Its prices are as traded" in empty("data", "status").stdout


def test_money_of_another_day_is_booked_and_refused_in_words(
    empty: Installation, portfolio: str
) -> None:
    day = ("--date", DAYS[-5])
    cash = Decimal(empty.json("portfolio", "show", portfolio)["cash"])
    fee = empty.json("portfolio", "cash", portfolio, "-9.50", "--kind", "fee", *day)
    assert (fee["kind"], fee["session"], Decimal(fee["cash"])) == (
        "fee",
        DAYS[-5],
        cash - Decimal("9.50"),
    )
    said = empty(
        "portfolio", "cash", portfolio, "3", "--kind", "dividend", "--ticker", "bbx"
    ).stdout
    assert "dividend of BBX" in " ".join(said.split())
    taken = empty.json("portfolio", "withdraw", portfolio, "100", "--source", "My bank")
    assert (taken["kind"], taken["amount"], taken["source"]) == ("withdrawal", "-100.00", "My bank")
    empty("portfolio", "deposit", portfolio, "100000")
    too_much = ("portfolio", "withdraw", portfolio, "95000", *day)
    assert "USD below zero" in empty.failure(*too_much)
    assert "has not come yet" in empty.failure(
        "portfolio", "deposit", portfolio, "1", "--date", "2049-01-01"
    )
    assert "was opened on" in empty.failure(
        "portfolio", "deposit", portfolio, "1", "--date", "2025-01-02"
    )
    empty("portfolio", "cash", portfolio, "5", "--kind", "fee", code=2)
    empty("portfolio", "withdraw", portfolio, "-5", code=2)
    assert "no differences" in empty("db", "check").stdout


def test_a_bad_actions_file_is_one_sentence_and_changes_nothing(
    empty: Installation, portfolio: str, tmp_path: Path
) -> None:
    before = empty.json("portfolio", "show", portfolio)
    bad = written(
        tmp_path,
        "bad.csv",
        "ticker,ex_date,kind,value",
        f"AAA,{EX_DATE},dividend,9",
        f"AAA,{EX_DATE},split,0",
    )
    assert "row 2" in empty.failure("data", "import", "--actions", bad)
    assert empty.json("portfolio", "show", portfolio) == before
    empty("data", "import", code=2)


def test_actions_that_concern_nobody_are_named_and_withdrawn_ones_booked_back(
    empty: Installation, portfolio: str, tmp_path: Path
) -> None:
    cash = Decimal(empty.json("portfolio", "show", portfolio)["cash"])
    strangers = [f"Q{number},{EX_DATE},dividend,1" for number in range(7)]
    file = written(
        tmp_path,
        "withdrawn.csv",
        "ticker,ex_date,kind,value",
        f"AAA,{EX_DATE},dividend,0",
        f"AAA,{SPLIT_ON},split,1",
        *strangers,
    )

    said = " ".join(empty("data", "import", "--actions", file).stdout.split())

    assert (
        "Left out 7 rows of actions: the market does not have Q0, Q1, Q2, Q3, Q4 and 2 more."
        in said
    )
    shown = empty.json("portfolio", "show", portfolio)
    assert Decimal(shown["cash"]) == cash - Decimal("44.20")
    held = {row["ticker"]: Decimal(row["quantity"]) for row in shown["positions"]}
    assert held == {"AAA": 100, "BBX": 50}
    assert "Corporate actions booked: 2." in said
    again = empty.json("data", "import", "--actions", file)
    assert again["closed"]["actions"] == 0
    (actions,) = again["report"]["series"]
    assert (actions["unchanged"], actions["left_out"]) == (2, 7)
    assert actions["unknown_tickers"] == [f"Q{number}" for number in range(7)]
    assert "no differences" in empty("db", "check").stdout
