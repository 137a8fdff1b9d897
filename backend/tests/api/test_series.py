"""Series over HTTP: the same rows as JSON, CSV and Parquet, with exact money."""

import csv
import io
from decimal import Decimal

import httpx2
import polars as pl
import pytest

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.market_data.snapshot import MarketSnapshot
from app.services import backtest_running
from app.services.exporting import OF_BACKTESTS, OF_PORTFOLIOS
from tests.api.test_backtests import BODY
from tests.services.past_books import all_in

PARQUET = "application/vnd.apache.parquet"


@pytest.fixture(autouse=True, scope="module")
def engine() -> None:
    """As it is once the server has warmed up: before, attribution waits for it to be compiled."""
    backtest_running.load_engine()


@pytest.fixture
async def portfolio_path(resources: Resources, market: MarketSnapshot) -> str:
    async with unit_of_work(resources.sessions) as session:
        portfolio = await all_in(session, market, resources.owner_id, back=80)
    return f"/api/portfolios/{portfolio.id}"


@pytest.fixture
async def backtest_path(client: httpx2.AsyncClient) -> str:
    run = await client.post("/api/backtests", json=BODY)
    return f"/api/backtests/{run.json()['id']}"


@pytest.mark.parametrize("name", OF_PORTFOLIOS)
async def test_every_series_of_a_portfolio_is_the_same_in_every_form(
    client: httpx2.AsyncClient, portfolio_path: str, name: str
) -> None:
    await assert_same_in_every_form(client, f"{portfolio_path}/series/{name}")


@pytest.mark.parametrize("name", OF_BACKTESTS)
async def test_every_series_of_a_backtest_is_the_same_in_every_form(
    client: httpx2.AsyncClient, backtest_path: str, name: str
) -> None:
    path = f"{backtest_path}/series/{name}"
    if name == "rolling":
        # Its 41 sessions are fewer than a window has.
        assert (await client.get(path)).json() == []
    else:
        await assert_same_in_every_form(client, path)


async def assert_same_in_every_form(client: httpx2.AsyncClient, path: str) -> None:
    rows = (await client.get(path)).json()
    text = await client.get(path, headers={"Accept": "text/csv"})
    packed = await client.get(path, params={"format": "parquet"})
    assert rows
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    assert packed.headers["content-type"] == PARQUET
    lines = list(csv.DictReader(io.StringIO(text.text)))
    table = pl.read_parquet(io.BytesIO(packed.content))
    assert len(rows) == len(lines) == len(table)
    assert list(lines[0]) == table.columns
    for row, line, packed_row in zip(rows, lines, table.iter_rows(named=True), strict=True):
        for column in table.columns:
            assert_same(row[column], line[column], packed_row[column])


def assert_same(told: object, written: str, packed: object) -> None:
    """A value in JSON, in CSV and in Parquet."""
    if told is None:
        assert (written, packed) == ("", None)
    elif isinstance(packed, Decimal):
        assert written == told
        assert packed == Decimal(str(told))
    elif isinstance(told, bool):
        assert written == str(told).lower()
        assert packed is told
    elif isinstance(told, float):
        assert float(written) == packed == told
    else:
        assert written == str(told)
        assert str(packed).removesuffix("+00:00").replace(" ", "T") == str(told).removesuffix(
            "Z"
        ).replace(" ", "T")


async def test_money_is_a_decimal_everywhere(
    client: httpx2.AsyncClient, portfolio_path: str
) -> None:
    path = f"{portfolio_path}/series/values"
    packed = await client.get(path, headers={"Accept": PARQUET})
    table = pl.read_parquet(io.BytesIO(packed.content))
    for column in ("value", "cash", "external_flow"):
        assert isinstance(table.schema[column], pl.Decimal)
    assert table.schema["session"] == pl.Date
    assert table.schema["daily_return"] == pl.Float64


async def test_a_format_that_is_named_wins_over_accept(
    client: httpx2.AsyncClient, portfolio_path: str
) -> None:
    path = f"{portfolio_path}/series/values"
    answer = await client.get(path, params={"format": "csv"}, headers={"Accept": PARQUET})
    assert answer.text.startswith("session,value,cash,")


async def test_series_are_listed_with_their_columns(
    client: httpx2.AsyncClient, portfolio_path: str, backtest_path: str
) -> None:
    of_portfolio = (await client.get(f"{portfolio_path}/series")).json()
    of_backtest = (await client.get(f"{backtest_path}/series")).json()
    assert [each["name"] for each in of_portfolio] == list(OF_PORTFOLIOS)
    assert [each["name"] for each in of_backtest] == list(OF_BACKTESTS)
    assert of_backtest[0]["columns"][:3] == ["session", "value", "cash"]


@pytest.mark.parametrize(
    ("name", "query", "status"),
    [
        ("nothing", {}, 404),
        ("../trades", {}, 404),
        ("A", {}, 422),
        ("values", {"format": "xls"}, 422),
    ],
)
async def test_a_series_or_format_that_there_is_not_is_refused(
    client: httpx2.AsyncClient, portfolio_id: int, name: str, query: dict[str, str], status: int
) -> None:
    path = f"/api/portfolios/{portfolio_id}/series/{name}"
    assert (await client.get(path, params=query)).status_code == status
