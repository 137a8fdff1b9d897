"""Data arriving in a real database: once, again, corrected, interrupted, and two at a time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import polars as pl
import pytest
from sqlalchemy import text

from app.core import calendar
from app.core.database import Sessions, open_engine, open_sessions, unit_of_work
from app.core.errors import BadFile, NotFound, Refused
from app.market_data.files import BAR_COLUMNS, read_bars
from app.services.arrivals import Arrival, Delivery, ImportReport
from app.services.importing import import_arrival, import_files
from app.services.price_kinds import KindsMixed
from tests.shared_data import SHARED, needs_market_data

NOW = datetime(2025, 7, 4, 12, tzinfo=UTC)
DAYS = [day.item() for day in calendar.sessions(date(2025, 6, 24), date(2025, 6, 30))]


class Halted(Exception):
    """The process that imports is gone."""


def bars(*tickers: str, close: float = 101.0) -> pl.DataFrame:
    rows = [(t, day, 100.0, 102.0, 99.0, close, 1000.0) for t in tickers for day in DAYS]
    return pl.DataFrame(rows, schema=list(BAR_COLUMNS), orient="row")


def corrected(frame: pl.DataFrame, ticker: str, day: date, **values: float | None) -> pl.DataFrame:
    hit = (pl.col("ticker") == ticker) & (pl.col("date") == day)
    return frame.with_columns(
        pl.when(hit).then(pl.lit(value)).otherwise(name).alias(name)
        for name, value in values.items()
    )


def delivery(rows: pl.DataFrame) -> Delivery:
    return Delivery(rows, "test")


def ignore_progress(_step: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture
async def sessions(fresh_database_url: str) -> AsyncIterator[Sessions]:
    engine = open_engine(fresh_database_url)
    yield open_sessions(engine)
    await engine.dispose()


async def arrive(
    sessions: Sessions, market: str = "us", *, version: UUID | None = None, **parts: pl.DataFrame
) -> ImportReport:
    arrival = Arrival(**{name: delivery(rows) for name, rows in parts.items()})
    async with unit_of_work(sessions) as session:
        return await import_arrival(
            session,
            market,
            arrival,
            now=NOW,
            data_version=version or uuid4(),
            progress=ignore_progress,
        )


async def rows(sessions: Sessions, query: str) -> list[tuple[Any, ...]]:
    async with unit_of_work(sessions) as session:
        return [tuple(row) for row in await session.execute(text(query))]


async def stored(sessions: Sessions) -> list[tuple[Any, ...]]:
    return await rows(
        sessions,
        "SELECT ticker, session, open, high, low, close, volume FROM etf_prices"
        " JOIN etfs ON etfs.id = etf_id ORDER BY 1, 2",
    )


async def test_bars_arrive_as_they_were_and_name_the_state_of_the_market(
    sessions: Sessions,
) -> None:
    version = uuid4()
    report = await arrive(sessions, version=version, bars=bars("BBB", "AAA"))

    assert await stored(sessions) == bars("AAA", "BBB").rows()
    assert (report.changed, report.data_version) == (True, version)
    assert report.redo_from == DAYS[0]
    assert await rows(
        sessions,
        "SELECT data_version, first_session, latest_session, updated_at FROM markets"
        " WHERE code = 'us'",
    ) == [(version, DAYS[0], DAYS[-1], NOW)]
    assert await rows(
        sessions, "SELECT series, rows_read, rows_added, data_version FROM data_imports"
    ) == [("bars", 10, 10, version)]


async def test_importing_the_same_again_changes_nothing_and_says_so(sessions: Sessions) -> None:
    frame = corrected(bars("AAA", "BBB"), "AAA", DAYS[2], close=None)
    vix = pl.DataFrame({"date": DAYS, "close": [16.0] * 5})
    facts = pl.DataFrame({"ticker": ["AAA", "CCC"], "expense_ratio": [0.001, None]})
    first = await arrive(sessions, bars=frame, index=vix, facts=facts)
    tables = ("etf_prices", "etfs", "index_prices", "quarantined_bars", "markets")
    before = [await rows(sessions, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]

    again = await arrive(sessions, bars=frame.reverse(), index=vix, facts=facts)

    assert before == [
        await rows(sessions, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables
    ]
    assert (again.changed, again.redo_from) == (False, None)
    assert again.data_version == first.data_version
    assert [(s.added, s.changed, s.unchanged, s.quarantined) for s in again.series] == [
        (0, 0, 2, 0),
        (0, 0, 9, 1),
        (0, 0, 5, 0),
    ]


async def test_a_correction_replaces_the_bar_and_says_from_when_to_redo(
    sessions: Sessions,
) -> None:
    await arrive(sessions, bars=bars("AAA", "BBB"))
    better = corrected(bars("AAA", "BBB"), "BBB", DAYS[3], close=100.5)
    version = uuid4()

    report = await arrive(sessions, version=version, bars=better)

    assert await stored(sessions) == better.rows()
    assert (report.changed, report.data_version, report.redo_from) == (True, version, DAYS[3])
    assert [(s.added, s.changed, s.unchanged) for s in report.series] == [(0, 1, 9)]


async def test_a_correction_leaves_bars_alone_that_did_not_arrive_again(
    sessions: Sessions,
) -> None:
    await arrive(sessions, bars=bars("AAA", "BBB"))
    better = corrected(bars("AAA", "BBB"), "BBB", DAYS[3], close=100.5)
    only_this = better.filter((pl.col("ticker") == "BBB") & (pl.col("date") == DAYS[3]))

    report = await arrive(sessions, bars=only_this)

    assert await stored(sessions) == better.rows()
    assert [(s.added, s.changed, s.unchanged) for s in report.series] == [(0, 1, 0)]


async def test_a_refused_bar_never_replaces_a_good_one_and_is_kept_with_its_reason(
    sessions: Sessions,
) -> None:
    await arrive(sessions, bars=bars("AAA"))
    worse = corrected(bars("AAA"), "AAA", DAYS[1], close=0.0)

    reports = [await arrive(sessions, bars=worse) for _ in range(2)]

    assert await stored(sessions) == bars("AAA").rows()
    assert not any(report.changed for report in reports)
    assert await rows(
        sessions, "SELECT market, ticker, session, copy, reason, close FROM quarantined_bars"
    ) == [("us", "AAA", DAYS[1], 0, "zero_price", 0.0)]


async def test_later_bars_and_new_etfs_join_the_stored_ones(sessions: Sessions) -> None:
    early = bars("AAA").filter(pl.col("date") < DAYS[3])
    await arrive(sessions, bars=early)
    report = await arrive(sessions, bars=bars("AAA", "NEW").filter(pl.col("date") >= DAYS[3]))
    assert (report.redo_from, len(await stored(sessions))) == (DAYS[3], 7)
    ends = "SELECT first_session, latest_session FROM markets WHERE code = 'us'"
    assert await rows(sessions, ends) == [(DAYS[0], DAYS[-1])]


async def test_an_import_that_dies_halfway_leaves_nothing(sessions: Sessions) -> None:
    def die_while_storing(step: str, done: int, _total: int) -> None:
        if step == "storing bars" and done:
            raise Halted

    facts = pl.DataFrame({"ticker": ["AAA"], "name": ["A fund"]})
    with pytest.raises(Halted):
        async with unit_of_work(sessions) as session:
            await import_arrival(
                session,
                "us",
                Arrival(bars=delivery(bars("AAA")), facts=delivery(facts)),
                now=NOW,
                data_version=uuid4(),
                progress=die_while_storing,
            )
    for table in ("etfs", "etf_prices", "data_imports", "quarantined_bars"):
        assert await rows(sessions, f"SELECT count(*) FROM {table}") == [(0,)]
    assert (await arrive(sessions, bars=bars("AAA"))).changed


async def test_two_imports_at_once_come_one_after_the_other(sessions: Sessions) -> None:
    reports = await asyncio.gather(*(arrive(sessions, bars=bars("AAA", "BBB")) for _ in range(4)))
    assert sorted(report.changed for report in reports) == [False, False, False, True]
    assert len({report.data_version for report in reports}) == 1
    assert await stored(sessions) == bars("AAA", "BBB").rows()


async def test_facts_fill_in_what_is_unknown_and_correct_what_differs(sessions: Sessions) -> None:
    await arrive(sessions, bars=bars("AAA"))
    await arrive(
        sessions, facts=pl.DataFrame({"ticker": ["AAA"], "name": ["Old"], "is_inverse": [False]})
    )
    update = pl.DataFrame(
        {"ticker": ["AAA", "ZZZ"], "name": ["New", None], "is_inverse": [None, True]},
        schema_overrides={"is_inverse": pl.Boolean},
    )
    report = await arrive(sessions, facts=update)
    assert [(s.added, s.changed) for s in report.series] == [(1, 1)]
    assert report.redo_from == DAYS[0]
    assert await rows(sessions, "SELECT ticker, name, is_inverse FROM etfs ORDER BY 1") == [
        ("AAA", "New", False),
        ("ZZZ", None, True),
    ]


async def test_actions_belong_to_a_market_of_traded_prices(sessions: Sessions) -> None:
    actions = pl.DataFrame(
        {"ticker": ["AAA"], "ex_date": [DAYS[2]], "kind": ["dividend"], "value": [0.1234567]}
    )
    with pytest.raises(Refused, match="already adjusted"):
        await arrive(sessions, "us", actions=actions)

    first = await arrive(sessions, "demo", bars=bars("AAA"), actions=actions)
    again = await arrive(sessions, "demo", bars=bars("AAA"), actions=actions)
    raised = await arrive(sessions, "demo", actions=actions.with_columns(value=pl.lit(0.2)))

    assert [report.changed for report in (first, again, raised)] == [True, False, True]
    assert raised.redo_from == DAYS[2]
    assert await rows(sessions, "SELECT ex_date, kind, value FROM corporate_actions") == [
        (DAYS[2], "dividend", Decimal("0.200000"))
    ]


async def test_actions_of_etfs_that_the_market_does_not_have_are_left_out_and_named(
    sessions: Sessions,
) -> None:
    known = ["AAA", "YYY", "XXX", "XXX", "BBB"]
    actions = pl.DataFrame(
        {
            "ticker": [*known, "QQQ", "RRR", "OLD"],
            "ex_date": [DAYS[2], DAYS[2], DAYS[1], DAYS[2], DAYS[2], DAYS[1], DAYS[2], DAYS[1]],
            "kind": [*["dividend"] * 5, *["ticker_change"] * 3],
            "value": [*[0.1] * 5, None, None, None],
            "new_ticker": [*[None] * 5, "RRR", "BBB", "ODD"],
        }
    )
    first = await arrive(sessions, "demo", bars=bars("AAA", "BBB"), actions=actions)
    (report,) = (each for each in first.series if each.series == "actions")
    assert (report.read, report.added, report.left_out) == (8, 4, 4)
    assert report.unknown_tickers == ("OLD", "XXX", "YYY")
    assert await rows(sessions, "SELECT ticker FROM etfs ORDER BY 1") == [("AAA",), ("BBB",)]

    again = await arrive(sessions, "demo", actions=actions)
    assert not again.changed
    assert (again.series[0].unchanged, again.series[0].left_out) == (4, 4)

    more = await arrive(sessions, "demo", bars=bars("XXX"), actions=actions)
    assert [each.added for each in more.series] == [5, 2]


async def test_prices_of_two_kinds_never_mix_and_the_same_kind_goes_on(
    sessions: Sessions, tmp_path: Path
) -> None:
    path = tmp_path / "prices.csv"
    bars("AAA").write_csv(path)

    async def bring(*, traded: bool) -> ImportReport:
        async with unit_of_work(sessions) as session:
            return await import_files(
                session,
                "us",
                path,
                traded=traded,
                now=NOW,
                data_version=uuid4(),
                progress=ignore_progress,
            )

    await bring(traded=True)
    assert not (await bring(traded=True)).changed
    bars("AAA", close=100.5).write_csv(path)
    with pytest.raises(KindsMixed, match=r"as they were traded.*with --traded"):
        await bring(traded=False)
    assert await stored(sessions) == bars("AAA").rows()


async def test_traded_prices_are_refused_where_adjusted_ones_are(
    sessions: Sessions, tmp_path: Path
) -> None:
    path = tmp_path / "prices.csv"
    useless = bars("AAA").with_columns(close=pl.lit(0.0))
    facts = tmp_path / "facts.csv"
    facts.write_text("ticker,name\nAAA,The first\n")

    async def bring(frame: pl.DataFrame, *, traded: bool, metadata: Path | None = None) -> None:
        frame.write_csv(path)
        async with unit_of_work(sessions) as session:
            await import_files(
                session,
                "us",
                path,
                metadata=metadata,
                traded=traded,
                now=NOW,
                data_version=uuid4(),
                progress=ignore_progress,
            )

    await bring(useless, traded=True, metadata=facts)
    await bring(bars("AAA"), traded=False)
    await bring(bars("AAA", "BBB"), traded=False)
    with pytest.raises(KindsMixed, match=r"adjusted for dividends and splits.*without --traded"):
        await bring(bars("AAA", close=100.5), traded=True)
    assert await stored(sessions) == bars("AAA", "BBB").rows()
    assert await rows(sessions, "SELECT adjusted_only FROM markets WHERE code = 'us'") == [(True,)]


async def test_markets_do_not_touch_each_other(sessions: Sessions) -> None:
    await arrive(sessions, "us", bars=bars("AAA"))
    report = await arrive(sessions, "demo", bars=bars("AAA", close=100.0))
    assert [(s.added, s.changed) for s in report.series] == [(5, 0)]
    with pytest.raises(NotFound):
        await arrive(sessions, "mars", bars=bars("AAA"))


async def test_a_file_with_nothing_usable_leaves_a_market_without_data(sessions: Sessions) -> None:
    useless = bars("AAA").with_columns(close=pl.lit(0.0))
    report = await arrive(sessions, bars=useless)
    assert (report.changed, report.data_version) == (False, None)
    assert report.series[0].quarantined == 5
    assert await rows(sessions, "SELECT count(*) FROM etfs") == [(0,)]


async def test_a_faulty_second_file_keeps_the_first_one_out(
    sessions: Sessions, tmp_path: Path
) -> None:
    bars("AAA").write_csv(tmp_path / "prices.csv")
    (tmp_path / "vix.csv").write_text("date\n2025-06-30\n")
    with pytest.raises(BadFile, match="column close is missing"):
        async with unit_of_work(sessions) as session:
            await import_files(
                session,
                "us",
                tmp_path / "prices.csv",
                vix=tmp_path / "vix.csv",
                now=NOW,
                data_version=uuid4(),
                progress=ignore_progress,
            )
    assert await stored(sessions) == []


@needs_market_data
async def test_real_bars_arrive_bit_for_bit(sessions: Sessions) -> None:
    frame = read_bars(SHARED / "data" / "etf_prices.parquet").with_columns(
        pl.col("ticker").cast(pl.String)
    )
    some = frame.filter(pl.col("ticker").is_in(["DIVZ", "LRNZ", "SPY", "AAAU"]))
    report = await arrive(sessions, bars=some)

    assert {str(reason): count for reason, count in report.series[0].reasons.items()} == {
        "missing_value": 1087,
        "zero_price": 2,
    }
    spy = [row for row in await stored(sessions) if row[0] == "SPY"]
    assert spy == some.filter(pl.col("ticker") == "SPY").rows()
