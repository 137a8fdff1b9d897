"""`etftrader risk`: of a portfolio, of a backtest, of a file; and what it does not understand."""

from pathlib import Path

import pytest

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
    assert "historical" in etftrader("risk", "--file", str(file)).stdout


@pytest.mark.parametrize(
    "arguments", ["risk", "risk 1 --backtest 1", "risk 1 --benchmark SPY", "risk 0"]
)
def test_what_is_not_understood_is_misuse(etftrader: Installation, arguments: str) -> None:
    assert etftrader(*arguments.split(), code=2).stderr
