from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.bootstrap import Resources, open_resources
from app.core.config import Settings
from app.core.database import unit_of_work
from tests.app_fixtures import Clients
from tests.small_market import SmallMarket, write_small_market

DATA_PATHS = ("/api/data/status", "/api/data/quarantine", "/api/data/actions")


@pytest.fixture
async def own(fresh_database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Resources]:
    """The application on a database of its own, without any data."""
    settings = Settings(
        database_url=fresh_database_url, redis_url=redis_url, data_dir=tmp_path, _env_file=None
    )
    async with open_resources(settings) as opened:
        yield opened


@pytest.fixture
async def imported(own: Resources) -> SmallMarket:
    """A market whose second import brought little and was refused three rows."""
    async with unit_of_work(own.sessions) as session:
        market = await write_small_market(session)
        for added in (5000, 1):
            import_id = await session.scalar(
                text("""
                    INSERT INTO data_imports (market, source, series, rows_read, rows_added,
                        rows_changed, rows_unchanged, rows_quarantined, first_session,
                        latest_session, data_version, finished_at)
                    VALUES ('us', 'bars.parquet', 'bars', :added + 3, :added, 0, 0, 3,
                        '2024-04-22', '2025-06-30', NULL, '2025-07-01T06:00Z') RETURNING id
                    """),
                {"added": added},
            )
        await session.execute(
            text("""
                INSERT INTO quarantined_bars (import_id, market, ticker, session, copy, reason,
                                              open, high, low, close, volume)
                VALUES (:import_id, 'us', 'AAA', '2025-06-27', 0, 'zero_price', 1, 1, 0, 1, 5),
                       (:import_id, 'us', 'BBB', '2025-06-28', 0, 'not_a_session', 1, 1, 1, 1, 5),
                       (:import_id, 'us', 'BBB', '2025-06-26', 0, 'missing_value',
                        'NaN', 'Infinity', 1, NULL, 5),
                       (:import_id, 'us', 'BBB', '2025-06-25', 0, 'zero_price', 1, 1, 0, 1, 5)
                """),
            {"import_id": import_id},
        )
    return market


async def asked(clients: Clients, own: Resources, path: str, **query: Any) -> httpx2.Response:
    async with clients(own) as client:
        return await client.get(path, params=query)


async def test_an_installation_without_data_says_so(clients: Clients, own: Resources) -> None:
    response = await asked(clients, own, "/api/data/status")

    assert response.status_code == 200
    answer = response.json()
    assert answer["default_market"] == "demo"
    assert [each["market"] for each in answer["markets"]] == ["demo", "us"]
    for market in answer["markets"]:
        assert market["as_of"] is market["stale"] is market["sessions_behind"] is None
        assert "no prices yet" in market["reason"]
        assert (market["etfs"], market["bars"], market["quarantined"]) == (0, 0, 0)
        assert market["scores"]["latest_session"] is None
        assert [each["series"] for each in market["series"]] == ["bars", "facts", "actions", "VIX"]
        assert market["imports"] == []


async def test_the_status_counts_what_is_stored(
    clients: Clients, own: Resources, imported: SmallMarket
) -> None:
    first = await asked(clients, own, "/api/data/status", market="us")
    [market] = first.json()["markets"]

    sessions = len(imported.sessions)
    assert market["bars"] == sum(len(closes) for closes in imported.closes.values())
    assert market["etfs"] == len(imported.ids)
    assert (market["as_of"], market["reason"]) == ("2025-06-30", None)
    series = {each["series"]: each for each in market["series"]}
    assert series["VIX"]["rows"] == sessions
    assert series["VIX"]["latest_session"] == "2025-06-30"
    assert series["bars"]["sessions_behind"] == market["sessions_behind"] > 0
    assert market["quarantined"] == 4
    assert [(each["reason"], each["rows"]) for each in market["quarantine"]] == [
        ("zero_price", 2),
        ("missing_value", 1),
        ("not_a_session", 1),
    ]
    [last] = market["imports"]
    assert (last["rows_added"], last["rows_read"]) == (1, 4)


async def test_counts_follow_a_new_data_version(
    clients: Clients, own: Resources, imported: SmallMarket
) -> None:
    before = (await asked(clients, own, "/api/data/status", market="us")).json()["markets"][0]
    async with unit_of_work(own.sessions) as session:
        await session.execute(
            text("DELETE FROM etf_prices WHERE session = :last"), {"last": imported.sessions[-1]}
        )
        await session.execute(
            text("UPDATE markets SET data_version = gen_random_uuid() WHERE code = 'us'")
        )

    after = (await asked(clients, own, "/api/data/status", market="us")).json()["markets"][0]

    assert before["bars"] - after["bars"] == 12


async def test_refused_rows_are_listed_as_they_came(
    clients: Clients, own: Resources, imported: SmallMarket
) -> None:
    response = await asked(clients, own, "/api/data/quarantine")

    answer = response.json()
    assert (answer["market"], answer["total"]) == ("us", 4)
    assert [(bar["ticker"], bar["session"]) for bar in answer["bars"]] == [
        ("AAA", "2025-06-27"),
        ("BBB", "2025-06-25"),
        ("BBB", "2025-06-26"),
        ("BBB", "2025-06-28"),
    ]
    broken = answer["bars"][2]
    assert [broken[name] for name in ("open", "high", "low", "close")] == [None, None, 1.0, None]
    assert broken["sentence"] == "A price or the volume is missing or not a finite number."
    assert broken["source"] == "bars.parquet"


@pytest.mark.parametrize(
    ("query", "total", "shown"),
    [
        ({"ticker": "bbb"}, 3, 3),
        ({"reason": "zero_price"}, 2, 2),
        ({"ticker": "BBB", "reason": "zero_price"}, 1, 1),
        ({"limit": 1, "offset": 3}, 4, 1),
        ({"offset": 2**31 - 1}, 4, 0),
        ({"market": "demo"}, 0, 0),
        ({"ticker": "NOPE"}, 0, 0),
    ],
)
async def test_refused_rows_are_filtered_and_paged(
    clients: Clients,
    own: Resources,
    imported: SmallMarket,
    *,
    query: dict[str, Any],
    total: int,
    shown: int,
) -> None:
    answer = (await asked(clients, own, "/api/data/quarantine", **query)).json()

    assert (answer["total"], len(answer["bars"])) == (total, shown)


@pytest.mark.parametrize("path", DATA_PATHS)
async def test_an_unknown_market_is_absent(client: httpx2.AsyncClient, path: str) -> None:
    response = await client.get(path, params={"market": "nowhere"})

    assert response.status_code == 404
    assert response.json()["type"] == "urn:etftrader:not-found"


@pytest.mark.parametrize(
    "query", [{"market": "US!"}, {"limit": 0}, {"limit": 1001}, {"offset": -1}, {"reason": "x"}]
)
async def test_a_filter_out_of_bounds_is_refused(
    client: httpx2.AsyncClient, query: dict[str, Any]
) -> None:
    assert (await client.get("/api/data/quarantine", params=query)).status_code == 422


@pytest.fixture
async def acting(own: Resources, imported: SmallMarket) -> SmallMarket:
    """AAA paid and split; BBB was called OLD."""
    rows = (
        ("AAA", "2025-03-03", "dividend", "0.52", "2025-03-10", None),
        ("AAA", "2025-06-02", "split", "2", None, None),
        ("BBB", "2025-06-02", "ticker_change", None, None, "OLD"),
    )
    async with unit_of_work(own.sessions) as session:
        for ticker, day, kind, value, pay_date, former in rows:
            await session.execute(
                text("""
                    INSERT INTO corporate_actions
                        (etf_id, ex_date, kind, value, pay_date, ticker, source)
                    VALUES (:etf_id, CAST(:day AS date), :kind, CAST(:value AS numeric),
                            CAST(:pay_date AS date), :former, 'issuer.csv')
                    """),
                {
                    "etf_id": imported.ids[ticker],
                    "day": date.fromisoformat(day),
                    "kind": kind,
                    "value": value and Decimal(value),
                    "pay_date": pay_date and date.fromisoformat(pay_date),
                    "former": former,
                },
            )
    return imported


async def test_the_stored_actions_are_listed_newest_first(
    clients: Clients, own: Resources, acting: SmallMarket
) -> None:
    answer = (await asked(clients, own, "/api/data/actions", market="us")).json()

    assert (answer["market"], answer["total"]) == ("us", 3)
    assert [list(action.values()) for action in answer["actions"]] == [
        ["AAA", "split", "2025-06-02", "2.000000", None, None, "issuer.csv"],
        ["BBB", "ticker_change", "2025-06-02", None, None, "OLD", "issuer.csv"],
        ["AAA", "dividend", "2025-03-03", "0.520000", "2025-03-10", None, "issuer.csv"],
    ]


@pytest.mark.parametrize(
    ("query", "total", "shown"),
    [
        ({"ticker": "aaa"}, 2, ["split", "dividend"]),
        ({"ticker": "OLD"}, 1, ["ticker_change"]),
        ({"ticker": "NOPE"}, 0, []),
        ({"limit": 1, "offset": 1}, 3, ["ticker_change"]),
        ({"market": "demo"}, 0, []),
    ],
)
async def test_the_stored_actions_are_filtered_and_paged(
    clients: Clients,
    own: Resources,
    acting: SmallMarket,
    *,
    query: dict[str, Any],
    total: int,
    shown: list[str],
) -> None:
    answer = (await asked(clients, own, "/api/data/actions", **query)).json()
    assert (answer["total"], [each["kind"] for each in answer["actions"]]) == (total, shown)
