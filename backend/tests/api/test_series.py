"""Series over HTTP: the same rows as JSON, CSV and Parquet, with exact money."""

import csv
import io
import math
from decimal import Decimal

import httpx2
import polars as pl
import pytest
from sqlalchemy import text

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.market_data.snapshot import MarketSnapshot
from app.services import backtest_running
from app.services.exporting import OF_BACKTESTS, OF_PORTFOLIOS
from tests.api.test_backtests import BODY
from tests.services.past_books import all_in

AS_IF_ON_OLDER_PRICES = """
    INSERT INTO backtests (owner_id, market, source, spec, settings_hash, data_version,
        code_version, first_session, last_session, returns, headline, report, details, created_at)
    SELECT owner_id, market, source, spec, settings_hash, gen_random_uuid(),
        code_version, first_session, last_session, returns, headline, report, details, created_at
    FROM backtests WHERE id = :id RETURNING id
"""
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
        require_none(
            await client.get(path), "the period has 40 sessions, fewer than the 63 of a window"
        )
    else:
        await assert_same_in_every_form(client, path)


@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
async def test_what_cannot_be_told_of_a_run_on_older_prices_is_no_empty_file(
    client: httpx2.AsyncClient, backtest_path: str, resources: Resources, form: str
) -> None:
    async with unit_of_work(resources.sessions) as session:
        made = int(backtest_path.rsplit("/", 1)[1])
        older = await session.scalar(text(AS_IF_ON_OLDER_PRICES), {"id": made})
    backtest_path = f"/api/backtests/{older}"
    for name in OF_BACKTESTS:
        answer = await client.get(f"{backtest_path}/series/{name}", params={"format": form})
        if name.startswith("attribution") or name in {"factor_exposures", "class_weights"}:
            require_none(answer, "the run was made on other prices than the market has now")
        elif name != "rolling":
            assert answer.status_code == 200, name


async def test_of_a_member_of_a_sweep_only_the_returns_can_be_told(
    client: httpx2.AsyncClient, backtest_path: str, resources: Resources
) -> None:
    kept, forgotten = "report, details, created_at\n    FROM", "NULL, NULL, created_at\n    FROM"
    as_a_member = AS_IF_ON_OLDER_PRICES.replace(kept, forgotten)
    async with unit_of_work(resources.sessions) as session:
        made = int(backtest_path.rsplit("/", 1)[1])
        member = await session.scalar(text(as_a_member), {"id": made})
    for name in ("curve", "trades", "positions", "exposures"):
        answer = await client.get(f"/api/backtests/{member}/series/{name}")
        require_none(answer, "a member of a sweep keeps only its returns")
    for name in ("risk_contributions", "replays", "tails"):
        answer = await client.get(f"/api/backtests/{member}/series/{name}")
        require_none(answer, "a member of a sweep keeps no positions")
    values = await client.get(f"/api/backtests/{member}/series/values")
    assert len(values.json()) == 40


def require_none(answer: httpx2.Response, why: str) -> None:
    assert answer.status_code == 409, answer.text
    problem = answer.json()
    assert problem["type"] == "urn:etftrader:no-such-rows"
    assert why in problem["detail"]


async def test_every_account_of_a_return_adds_up(
    client: httpx2.AsyncClient, portfolio_path: str, backtest_path: str
) -> None:
    for path, whole in (
        (portfolio_path, portfolio_path.replace("portfolios", "performance")),
        (backtest_path, backtest_path),
    ):
        told = (await client.get(f"{whole}/attribution")).json()
        rows = (await client.get(f"{path}/series/attribution")).json()
        for account, total in (
            ("positions", told["total"]),
            ("factors", told["total"]),
            ("asset_classes", told["asset_classes"]["active"]),
        ):
            parts = [each["contribution"] for each in rows if each["account"] == account]
            assert math.fsum(parts) == pytest.approx(total, abs=1e-10)


async def assert_same_in_every_form(client: httpx2.AsyncClient, path: str) -> None:
    rows = (await client.get(path)).json()
    plain = await client.get(path, headers={"Accept": "text/csv"})
    packed = await client.get(path, params={"format": "parquet"})
    assert rows
    assert plain.headers["content-type"] == "text/csv; charset=utf-8"
    assert packed.headers["content-type"] == PARQUET
    lines = list(csv.DictReader(io.StringIO(plain.text)))
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
