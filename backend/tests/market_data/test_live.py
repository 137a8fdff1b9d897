"""A market read from a real database: from the tables, from mapped files, and while it changes."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import polars as pl
import pytest

from app.core import calendar
from app.core.database import Sessions, open_engine, open_sessions, reading, unit_of_work
from app.core.errors import NoMarketData, NotFound, Unavailable
from app.market_data.files import BAR_COLUMNS, read_bars
from app.market_data.live import RECHECK_SECONDS, MarketData, load
from app.market_data.panels import PanelFiles
from app.market_data.snapshot import MarketSnapshot
from app.services.arrivals import Arrival, Delivery
from app.services.importing import import_arrival
from tests.shared_data import SHARED, needs_market_data

NOW = datetime(2025, 7, 4, 12, tzinfo=UTC)
DAYS = [day.item() for day in calendar.sessions(date(2025, 6, 2), date(2025, 6, 30))]


def bars(*tickers: str) -> pl.DataFrame:
    """Closes 100, 101, ... ; the ETF BBB has no bar on the third and the last session."""
    rows = [
        (ticker, day, 99.0, 120.0, 98.0, 100.0 + i, 10.0 * i)
        for ticker in tickers
        for i, day in enumerate(DAYS)
        if ticker != "BBB" or i not in {2, len(DAYS) - 1}
    ]
    return pl.DataFrame(rows, schema=list(BAR_COLUMNS), orient="row")


@pytest.fixture
async def sessions(fresh_database_url: str) -> AsyncIterator[Sessions]:
    engine = open_engine(fresh_database_url)
    yield open_sessions(engine)
    await engine.dispose()


async def arrive(sessions: Sessions, market: str, **parts: pl.DataFrame) -> None:
    arrival = Arrival(**{name: Delivery(rows, "test") for name, rows in parts.items()})
    async with unit_of_work(sessions) as session:
        await import_arrival(
            session, market, arrival, now=NOW, data_version=uuid4(), progress=lambda *_: None
        )


async def current(data: MarketData, sessions: Sessions, market: str) -> MarketSnapshot:
    async with reading(sessions) as session:
        return await data.snapshot(session, market)


async def changed_data_is_seen() -> None:
    await asyncio.sleep(2 * RECHECK_SECONDS)


async def test_a_snapshot_is_aligned_to_the_sessions_of_the_exchange(
    sessions: Sessions, tmp_path: Path
) -> None:
    facts = pl.DataFrame(
        {
            "ticker": ["AAA", "BBB", "NOBARS"],
            "expense_ratio": [0.001, None, 0.002],
            "is_leveraged": [None, True, None],
            "asset_class": ["Equity", None, None],
        }
    )
    vix = pl.DataFrame({"date": DAYS[::-1], "close": np.arange(20.0, 20.0 + len(DAYS))})
    await arrive(sessions, "us", bars=bars("BBB", "AAA"), facts=facts, index=vix)

    market = await current(MarketData(tmp_path), sessions, "us")

    assert market.panel.tickers == ("AAA", "BBB")
    assert market.panel.sessions.tolist() == DAYS
    expected = np.array([np.arange(100.0, 100.0 + len(DAYS))] * 2)
    expected[1, [2, -1]] = np.nan
    np.testing.assert_array_equal(market.panel.close, expected)
    np.testing.assert_array_equal(market.panel.volume, (expected - 100.0) * 10.0)
    assert market.panel.adjusted is market.panel.close
    assert market.panel.close.flags.c_contiguous
    np.testing.assert_array_equal(market.facts.expense_ratio, [0.001, np.nan])
    assert market.facts.leveraged.tolist() == [False, True]
    assert market.facts.inverse.tolist() == [False, False]
    assert market.facts.asset_class.tolist() == ["Equity", None]
    assert [market.etfs[row].id for row in (0, 1)] == list(market.row_of_id)
    assert market.row_of == {"AAA": 0, "BBB": 1}
    assert market.vix_as_of(DAYS[0]) == (20.0 + len(DAYS) - 1, DAYS[0])
    assert (market.code, market.adjusted_only, market.simulated) == ("us", True, False)


async def test_splits_and_dividends_adjust_a_market_of_traded_prices(
    sessions: Sessions, tmp_path: Path
) -> None:
    actions = pl.DataFrame(
        {"ticker": ["AAA"], "ex_date": [DAYS[5]], "kind": ["split"], "value": [2.0]}
    )
    await arrive(sessions, "demo", bars=bars("AAA"), actions=actions)
    for source in ("database", "files"):
        market = await current(MarketData(tmp_path), sessions, "demo")
        close, adjusted = market.panel.close[0], market.panel.adjusted[0]
        np.testing.assert_allclose(adjusted[:5], close[:5] / 2.0, err_msg=source)
        np.testing.assert_array_equal(adjusted[5:], close[5:])
    assert [(action.ex_date, float(action.ratio)) for action in market.actions] == [(DAYS[5], 2.0)]


async def test_mapped_files_hold_what_the_database_holds(
    sessions: Sessions, fresh_database_url: str, tmp_path: Path
) -> None:
    await arrive(sessions, "us", bars=bars("AAA", "BBB"))
    cold = load(fresh_database_url, "us", PanelFiles(tmp_path / "panels"))
    warm = load(fresh_database_url, "us", PanelFiles(tmp_path / "panels"))
    for name in ("sessions", "close", "volume"):
        np.testing.assert_array_equal(getattr(cold.panel, name), getattr(warm.panel, name))
    assert warm.panel.adjusted is warm.panel.close
    for market in (cold, warm):
        assert not market.panel.close.flags.writeable
        assert not market.panel.volume.flags.writeable
    assert (cold.etfs, cold.row_of, cold.data_version) == (
        warm.etfs,
        warm.row_of,
        warm.data_version,
    )


async def test_damaged_files_are_replaced(sessions: Sessions, tmp_path: Path) -> None:
    await arrive(sessions, "us", bars=bars("AAA"))
    first = await current(MarketData(tmp_path), sessions, "us")
    kept = tmp_path / "panels" / str(first.data_version)
    for damage in (b"", b"not an array", (kept / "close.npy").read_bytes()[:200]):
        (kept / "close.npy").write_bytes(damage)
        again = await current(MarketData(tmp_path), sessions, "us")
        np.testing.assert_array_equal(again.panel.close, first.panel.close)
        assert np.load(kept / "close.npy").shape == first.panel.close.shape


async def test_a_new_import_is_seen_and_old_files_go_while_old_snapshots_stay(
    sessions: Sessions, tmp_path: Path
) -> None:
    data = MarketData(tmp_path)
    await arrive(sessions, "us", bars=bars("AAA"))
    await arrive(sessions, "demo", bars=bars("AAA"))
    old = await current(MarketData(tmp_path), sessions, "us")
    held = await current(data, sessions, "us")
    demo = await current(data, sessions, "demo")

    await arrive(sessions, "us", bars=bars("AAA").with_columns(close=pl.lit(115.0)))
    await changed_data_is_seen()
    new = await current(data, sessions, "us")

    assert new.data_version != old.data_version
    assert (new.panel.close == 115.0).all()
    assert held.panel.close[0, 0] == old.panel.close[0, 0] == 100.0
    assert {entry.name for entry in (tmp_path / "panels").iterdir()} == {
        str(new.data_version),
        str(demo.data_version),
    }


async def test_requests_at_once_share_one_snapshot(sessions: Sessions, tmp_path: Path) -> None:
    data = MarketData(tmp_path)
    await arrive(sessions, "us", bars=bars("AAA"))
    snapshots = await asyncio.gather(*(current(data, sessions, "us") for _ in range(40)))
    await changed_data_is_seen()
    assert {id(each) for each in snapshots} == {id(await current(data, sessions, "us"))}


async def test_a_request_that_gives_up_does_not_take_the_others_with_it(
    sessions: Sessions, tmp_path: Path
) -> None:
    data = MarketData(tmp_path)
    await arrive(sessions, "us", bars=bars("AAA"))
    first = asyncio.create_task(current(data, sessions, "us"))
    second = asyncio.create_task(current(data, sessions, "us"))
    await asyncio.sleep(0.005)
    first.cancel()
    assert (await second).panel.tickers == ("AAA",)


async def test_without_data_the_default_is_the_demo_market(
    sessions: Sessions, tmp_path: Path
) -> None:
    data = MarketData(tmp_path)
    async with reading(sessions) as session:
        assert await data.default_market(session) == "demo"
        with pytest.raises(NoMarketData):
            await data.snapshot(session, "us")
        for unknown in ("mars", "", "us\0", "US; --", "x" * 1000):
            with pytest.raises(NotFound):
                await data.snapshot(session, unknown)
    facts = pl.DataFrame({"ticker": ["AAA"], "name": ["A fund without bars"]})
    await arrive(sessions, "us", facts=facts)
    await changed_data_is_seen()
    with pytest.raises(NoMarketData):
        await current(data, sessions, "us")

    await arrive(sessions, "us", bars=bars("AAA"))
    await changed_data_is_seen()
    async with reading(sessions) as session:
        assert await data.default_market(session) == "us"


async def test_panels_are_read_without_a_place_to_keep_them(
    sessions: Sessions, tmp_path: Path
) -> None:
    await arrive(sessions, "us", bars=bars("AAA"))
    (tmp_path / "panels").write_text("a file where the folder should be")
    market = await current(MarketData(tmp_path), sessions, "us")
    assert market.panel.close.shape == (1, len(DAYS))


async def test_a_database_that_is_away_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        load("postgresql+psycopg://nobody@127.0.0.1:1/none", "us", PanelFiles(tmp_path))


async def test_half_written_panels_of_killed_processes_are_removed_later(
    sessions: Sessions, tmp_path: Path
) -> None:
    panels = tmp_path / "panels"
    for name, age in ((".unfinished-old", 3600), (".unfinished-new", 0)):
        (panels / name).mkdir(parents=True)
        then = panels.stat().st_mtime - age
        os.utime(panels / name, (then, then))
    await arrive(sessions, "us", bars=bars("AAA"))
    market = await current(MarketData(tmp_path), sessions, "us")
    assert {entry.name for entry in panels.iterdir()} == {
        str(market.data_version),
        ".unfinished-new",
    }


@needs_market_data
async def test_the_panel_of_real_bars_equals_their_file(sessions: Sessions, tmp_path: Path) -> None:
    tickers = ("AAAU", "DIVZ", "SCHD", "SPY")
    frame = read_bars(SHARED / "data" / "etf_prices.parquet").with_columns(
        pl.col("ticker").cast(pl.String)
    )
    frame = frame.filter(pl.col("ticker").is_in(tickers))
    await arrive(sessions, "us", bars=frame)

    panel = (await current(MarketData(tmp_path), sessions, "us")).panel

    assert panel.tickers == tickers
    days = pl.DataFrame({"date": panel.sessions})
    for row, ticker in enumerate(tickers):
        one = frame.filter(pl.col("ticker") == ticker)
        closes = days.join(one, on="date", how="left", maintain_order="left")["close"]
        expected = closes.fill_null(float("nan")).to_numpy()
        np.testing.assert_array_equal(panel.close[row], np.where(expected > 0.0, expected, np.nan))
