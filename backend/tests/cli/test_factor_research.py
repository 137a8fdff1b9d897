"""Factor research on the command line: the words and the figures of the HTTP interface."""

import pytest

from app.services import backtest_running
from tests.cli.conftest import Installation


@pytest.fixture(autouse=True, scope="module")
def engine() -> None:
    """So that the HTTP interface answers at once."""
    backtest_running.load_engine()


def test_json_is_that_of_the_http_interface(etftrader: Installation) -> None:
    path = "/api/research/factors/momentum?horizons=1&horizons=5&quantiles=3&others=value&period=1M"
    told = etftrader.json(
        *("factors", "research", "momentum", "--horizon", "5", "--horizon", "1"),
        *("--quantiles", "3", "--other", "value", "--period", "1M"),
    )
    assert told == etftrader.api(path)[path]


def test_the_command_of_a_trace_gives_the_same_answer(etftrader: Installation) -> None:
    told = etftrader.json("factors", "research", "composite", "--horizon", "2", "--series")
    command = told["trace"]["command"].split()
    assert command[0] == "etftrader"
    assert etftrader.json(*command[1:-1]) == told


def test_tables_fit_eighty_columns_and_say_what_is_missing(etftrader: Installation) -> None:
    environment = {**etftrader.environment, "COLUMNS": "80"}
    shown = Installation(environment)("factors", "research", "momentum").stdout
    assert max(len(line) for line in shown.splitlines()) <= 80
    for words in ("Rank IC by horizon", "After costs", "By asset class", "regime"):
        assert words in shown, words
    assert "126 sessions: fewer than 2 sessions." in shown


@pytest.mark.parametrize(
    "arguments", ["luck", "momentum --horizon 0", "momentum --quantiles 1", "momentum --other luck"]
)
def test_misuse_ends_with_2(arguments: str) -> None:
    nowhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1"}
    result = Installation(nowhere)("factors", "research", *arguments.split(), code=2)
    assert "Error: " in result.stderr
