"""`etftrader risk`: of a portfolio, of a backtest, of a file; and what it does not understand."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from app.core import calendar
from tests.cli.conftest import Installation


@pytest.fixture(scope="module")
def portfolio(etftrader: Installation) -> str:
    return etftrader.create("Risk", "--since", "2025-05-12")


def test_a_portfolio_shows_its_tails_its_stops_and_its_scenarios(
    etftrader: Installation, portfolio: str
) -> None:
    shown = etftrader("risk", portfolio).stdout

    for words in (
        "like uncorrelated bets",
        "Would fire now:",
        "If every price fell by the same",
        "One session, with 95 % intervals",
        "Past crises, today's weights",
        "Shocks",
    ):
        assert words in shown


def test_a_file_of_returns_has_the_part_of_it_that_returns_allow(
    etftrader: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    days = [f"2025-{month:02}-{day:02}" for month in range(1, 6) for day in range(1, 29)]
    lines = [f"{day},{0.001 * (number % 7 - 3)}" for number, day in enumerate(days)]
    file.write_text("date,return\n" + "\n".join(lines) + "\n")

    found = etftrader.json("risk", "--file", str(file))

    assert found["own"]["observations"] == 140
    assert found["own"]["tails"][0]["var"] < 0.0
    assert found["trace"]["command"] == "etftrader risk --file FILE.csv --json"
    shown = etftrader("risk", "--file", str(file)).stdout
    told = " ".join(shown.split())  # lines are as long as the terminal is wide
    why = "0 days have a forecast made before them;"
    assert told.count("No test") == 2
    assert f"No test at 95% of historical, normal, filtered: {why} 63 are needed" in told
    assert f"No test at 99% of historical, normal, filtered: {why} 100 are needed" in told


def test_the_command_of_an_answer_gives_the_answer(etftrader: Installation, tmp_path: Path) -> None:
    file = tmp_path / "blended.csv"
    days = calendar.sessions(date(2025, 1, 2), date(2025, 6, 30))
    returns = np.random.default_rng(2).normal(0.0, 0.01, len(days)).tolist()
    rows = [f"{day},{each!r}" for day, each in zip(days, returns, strict=True)]
    file.write_text("\n".join(["date,return", *rows]))
    body = {
        "dates": [str(day) for day in days],
        "returns": returns,
        "benchmark": "BBB:0.5,CCC:0.5",
        "rebalanced": "monthly",
        "start": "2025-03-03",
    }

    answer = etftrader.request("POST", "/api/risk/series", json=body).json()

    words = answer["trace"]["command"].replace("FILE.csv", str(file)).split()[1:-1]
    assert "--market" in words
    again = etftrader.json(*words)
    assert (again["beta"], again["own"], again["drawdown"]) == (
        answer["beta"],
        answer["own"],
        answer["drawdown"],
    )
    daily = etftrader.json(*(word for word in words if word not in {"--rebalanced", "monthly"}))
    assert daily["beta"] != answer["beta"]
    assert "drawdown" in answer["trace"]["figures"]


@pytest.mark.parametrize(
    "arguments", ["risk", "risk 1 --backtest 1", "risk 1 --benchmark SPY", "risk 0"]
)
def test_what_is_not_understood_is_misuse(etftrader: Installation, arguments: str) -> None:
    assert etftrader(*arguments.split(), code=2).stderr
