"""`--json` is the HTTP interface's JSON; misuse is told from failure."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Installation

SAME = {
    "portfolio list": "/api/portfolios",
    "portfolio show {id}": "/api/portfolios/{id}",
    "portfolio positions {id}": "/api/positions/{id}",
    "portfolio drift {id}": "/api/positions/{id}/drift",
    "portfolio trades {id}": "/api/trades/{id}",
    "portfolio trades {id} --side buy --start-date 2025-06-12 --limit 2": (
        "/api/trades/{id}?side=buy&start_date=2025-06-12&limit=2"
    ),
    "performance {id} --period 1M --benchmark BBB": "/api/performance/{id}?period=1M&benchmark=BBB",
    "performance {id} --attribution": "/api/performance/{id}/attribution",
    "performance {id} --attribution --period 1M --benchmark AAA:0.6,BBB:0.4": (
        "/api/performance/{id}/attribution?period=1M&benchmark=AAA:0.6,BBB:0.4"
    ),
    "risk {id}": "/api/risk/{id}",
    "stops show {id}": "/api/risk/{id}/stops",
    "alerts --portfolio {id} --limit 5": "/api/alerts?portfolio_id={id}&limit=5",
    "factors top": "/api/factors/latest",
    "factors returns --period 1M --limit 3": "/api/factors/returns?period=1M&limit=3",
    "factors show aaa --days 3": "/api/factors/AAA?days=3",
    "recommend --num-positions 10 --optimizer mvo": (
        "/api/factors/recommendations?num_positions=10&optimizer=mvo"
    ),
    "data status": "/api/data/status",
    "jobs list": "/api/jobs",
    "data issues": "/api/data/quarantine",
    "data actions --ticker aaa": "/api/data/actions?ticker=AAA",
}


@pytest.fixture(scope="module")
def held(etftrader: Installation) -> str:
    portfolio = etftrader.create("Answers", "--since", "2025-06-10")
    etftrader("portfolio", "deposit", portfolio, "1000")
    etftrader("risk", portfolio)  # compiles, once: until then the server has no factor risk
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
        assert shown
        assert max(len(line) for line in shown.splitlines()) <= 80, command


@pytest.mark.parametrize(
    "arguments",
    [
        "portfoli",
        "trade 1 buy SPY",
        "trade 1 buy SPY 1 --notional 5",
        "trade 1 buy SPY 1.0000001",
        "trade 1 buy SPY NaN",
        "trade 1 hold SPY 1",
        "trade 0 buy SPY 1",
        "trade 1 buy SPY 1 --key ü",
        "portfolio create Name 0",
        "portfolio create Name 1e3",
        "portfolio create Name 1000 --since 2025-13-01",
        "portfolio create Name 1000 --set no_such=1",
        "portfolio create Name 1000 --set max_weight",
        "portfolio create Name 1000 --set max_weight=2",
        "portfolio create Name 1000 --set max_weight=NaN",
        "portfolio create Name 1000 --set factor_weights.luck=1",
        "portfolio trades 1 --start-date 2025-06-02 --end-date 2025-06-01",
        "portfolio deposit 1 0",
        "portfolio rebalance 1 --budget -5",
        "performance 1 --period 2Y",
        "performance 1 --attribution --benchmark SPY:0.6,AGG:0.5",
        "performance 1 --attribution --benchmark SPY,AGG",
        "factors returns --limit 0",
        "factors regression",
        "factors regression SPY --portfolio 1",
        "factors regression SPY --factors luck",
        "factors regression SPY --window 5",
        "factors regression SPY --start 2025-02-30",
        "factors regression --portfolio 1 --market us",
        "factors regression SPY --period 1Y --start 2025-02-03",
        "performance --backtest 1 --attribution --window 63",
        "data import prices.parquet --published-factors factors.csv",
        "factors show .. --days 3",
        "factors top --count 0",
        "factors score --date 2025-06-30 --from 2025-06-02",
    ],
)
def test_misuse_ends_with_2_before_anything_is_opened(arguments: str) -> None:
    nowhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1"}
    result = Installation(nowhere)(*arguments.split(), code=2)
    assert "Error: " in result.stderr
    assert not result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("portfolio show 2147483647", "There is no such portfolio."),
        ("trade 2147483647 buy AAA 1", "There is no such portfolio."),
        ("factors top --market nope", "There is no such market."),
        ("factors top --market demo", "The market 'demo' has no prices yet"),
        ("portfolio create Late 1000 --since 2030-01-01", "no sessions to replay"),
        ("data import nowhere.parquet", "there is no such file"),
        ("factors regression AAA", "No published factors are there yet"),
        ("data import --published-factors nowhere.csv", "there is no such file"),
        ("data import pyproject.toml", "must end in .csv or .parquet"),
    ],
)
def test_a_failure_is_one_sentence_and_ends_with_1(
    etftrader: Installation, arguments: str, says: str
) -> None:
    assert says in etftrader.failure(*arguments.split())


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"DATABASE_URL": "postgresql://nobody:hidden@127.0.0.1:1/none"}, "DATABASE_URL"),
        ({"DATABASE_URL": "mysql://nobody:hidden@127.0.0.1:1/none"}, "DATABASE_URL"),
        ({"PORT": "high"}, "PORT"),
        ({"DATABASE_URL": "", "DATA_DIR": "/dev/null/here"}, "/dev/null/here"),
    ],
)
def test_a_wrong_setting_is_named(
    etftrader: Installation, setting: dict[str, Any], says: str
) -> None:
    sentence = Installation({**etftrader.environment, **setting}).failure("factors", "top")
    assert says in sentence
    assert "hidden" not in sentence


def test_a_schema_of_another_version_is_refused(empty: Installation, tmp_path: Path) -> None:
    empty("db", "shell", "--", "-qc", "DROP TABLE alembic_version")
    assert "run 'etftrader db upgrade'" in empty.failure("portfolio", "list")
