"""An ETF under a new ticker, in a real database: what stays, what joins, what is refused."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from sqlalchemy import select, text

from app.core import calendar
from app.core.database import Sessions, open_engine, open_sessions, unit_of_work
from app.core.errors import NoMarketData, Refused
from app.core.progress import silent
from app.market_data.files import BAR_COLUMNS
from app.market_data.live import MarketData
from app.models import Portfolio
from app.schemas.position import PositionList
from app.services import (
    corporate_actions,
    deciding,
    positions,
    rebalance_events,
    rebalancing,
    settling,
    valuation,
)
from app.services.arrivals import Arrival, Delivery, ImportReport
from app.services.importing import import_arrival
from app.services.rebalancing import OutOfDate, body_of
from app.services.ticker_changes import BothTraded, NotYet, OtherChange
from tests.services import lives
from tests.small_market import LATEST, write_small_market

NOW = datetime(2025, 7, 4, 12, tzinfo=UTC)
DAYS = [day.item() for day in calendar.sessions(date(2025, 6, 23), date(2025, 6, 30))]
CHANGED_ON = DAYS[3]


def bars(ticker: str, *days: date, close: float = 101.0) -> pl.DataFrame:
    rows = [(ticker, day, 100.0, 102.0, 99.0, close, 1000.0) for day in days]
    return pl.DataFrame(rows, schema=list(BAR_COLUMNS), orient="row")


def action(kind: str, ticker: str, on: date, **about: object) -> pl.DataFrame:
    return pl.DataFrame([{"ticker": ticker, "ex_date": on, "kind": kind, **about}])


def change(old: str, new: str, on: date = CHANGED_ON) -> pl.DataFrame:
    return action("ticker_change", old, on, new_ticker=new)


@pytest.fixture
async def sessions(fresh_database_url: str) -> AsyncIterator[Sessions]:
    engine = open_engine(fresh_database_url)
    yield open_sessions(engine)
    await engine.dispose()


async def arrive(sessions: Sessions, **parts: pl.DataFrame) -> ImportReport:
    arrival = Arrival(**{name: Delivery(rows, "test.csv") for name, rows in parts.items()})
    async with unit_of_work(sessions) as session:
        return await import_arrival(
            session, "us", arrival, now=NOW, data_version=uuid4(), progress=silent
        )


async def rows(sessions: Sessions, query: str) -> list[tuple[Any, ...]]:
    async with unit_of_work(sessions) as session:
        return [tuple(row) for row in await session.execute(text(query))]


async def etfs(sessions: Sessions) -> dict[str, int]:
    return {
        str(ticker): number
        for ticker, number in await rows(
            sessions, "SELECT ticker, id FROM etfs WHERE market = 'us'"
        )
    }


async def count_bars(sessions: Sessions) -> dict[int, int]:
    return dict(await rows(sessions, "SELECT etf_id, count(*) FROM etf_prices GROUP BY etf_id"))


async def traded(sessions: Sessions, etf_id: int) -> None:
    """A portfolio has the ETF in its ledger, and rules that name AAA."""
    async with unit_of_work(sessions) as session:
        await session.execute(
            text("""
                WITH opened AS (
                    INSERT INTO portfolios (owner_id, market, name, status, initial_capital, cash,
                        last_sequence, settings, opened_on, marked_sequence, created_at)
                    SELECT id, 'us', :name, 'active', 100, 100, 1,
                        '{"benchmark": "AAA", "universe": {"tickers": ["AAA", "CCC"],
                          "excluded": ["AAAA"]}}', '2025-06-23', 0, now()
                    FROM users RETURNING id)
                INSERT INTO ledger_entries (portfolio_id, sequence, kind, etf_id, fee, amount,
                    session, booked_at, reason, source)
                SELECT id, 1, 'dividend', :etf_id, 0, 0, '2025-06-23', now(), 'test', 'test'
                FROM opened
                """),
            {"name": uuid4().hex, "etf_id": etf_id},
        )


async def test_an_etf_keeps_its_id_and_bars_under_its_new_ticker(sessions: Sessions) -> None:
    await arrive(sessions, bars=bars("AAA", *DAYS[:3]))
    known = await etfs(sessions)
    report = await arrive(sessions, actions=change("AAA", "BBB"))
    assert report.changed
    assert await etfs(sessions) == {"BBB": known["AAA"]}
    await arrive(sessions, bars=bars("BBB", *DAYS[3:]))
    assert await count_bars(sessions) == {known["AAA"]: len(DAYS)}
    assert await rows(
        sessions, "SELECT etf_id, ex_date, kind, ticker, value, source FROM corporate_actions"
    ) == [(known["AAA"], CHANGED_ON, "ticker_change", "AAA", None, "test.csv")]


async def test_the_same_change_again_changes_nothing(sessions: Sessions) -> None:
    await arrive(sessions, bars=bars("AAA", *DAYS))
    await arrive(sessions, actions=change("AAA", "BBB"))
    again = await arrive(sessions, actions=change("AAA", "BBB"))
    assert (again.changed, again.series[0].unchanged) == (False, 1)
    with pytest.raises(OtherChange, match="AAA already became BBB"):
        await arrive(sessions, actions=change("AAA", "CCC"))


async def test_a_mistyped_new_ticker_is_corrected_on_its_day(sessions: Sessions) -> None:
    await arrive(sessions, bars=bars("AAA", *DAYS))
    known = await etfs(sessions)
    wrong, right = change("AAA", "BBX"), change("BBX", "BBB")
    await arrive(sessions, actions=wrong)
    assert (await arrive(sessions, actions=right)).changed
    assert await etfs(sessions) == {"BBB": known["AAA"]}
    assert not (await arrive(sessions, actions=right)).changed
    with pytest.raises(OtherChange, match="AAA already became BBB"):
        await arrive(sessions, actions=wrong)
    assert await rows(sessions, "SELECT ticker FROM corporate_actions") == [("AAA",)]


async def test_a_chain_of_changes_in_one_file_is_one_etf(sessions: Sessions) -> None:
    await arrive(sessions, bars=bars("AAA", *DAYS))
    known = await etfs(sessions)
    both = pl.concat([change("BBB", "CCC", DAYS[4]), change("AAA", "BBB", DAYS[2])])
    await arrive(sessions, actions=both)
    assert await etfs(sessions) == {"CCC": known["AAA"]}
    assert not (await arrive(sessions, actions=both)).changed


async def test_what_comes_under_the_old_ticker_for_an_earlier_day_is_the_same_etf(
    sessions: Sessions,
) -> None:
    await arrive(sessions, bars=bars("AAA", *DAYS[1:3]))
    known = await etfs(sessions)
    facts = pl.DataFrame({"ticker": ["AAA"], "name": ["A fund"]})
    mixed = pl.concat([bars("AAA", *DAYS[:3]), bars("BBB", *DAYS[3:])])
    await arrive(sessions, bars=mixed, actions=change("AAA", "BBB"), facts=facts)
    assert await etfs(sessions) == {"BBB": known["AAA"]}
    assert await count_bars(sessions) == {known["AAA"]: len(DAYS)}
    assert await rows(sessions, "SELECT name FROM etfs") == [("A fund",)]
    await arrive(sessions, actions=action("closure", "AAA", DAYS[1], value=1.0))
    assert await etfs(sessions) == {"BBB": known["AAA"]}


async def test_the_old_ticker_is_free_for_another_fund_afterwards(sessions: Sessions) -> None:
    await arrive(sessions, bars=bars("AAA", *DAYS[:3]))
    await arrive(sessions, actions=change("AAA", "BBB"))
    await arrive(sessions, bars=bars("AAA", *DAYS[3:]))
    found = await etfs(sessions)
    assert set(found) == {"AAA", "BBB"}
    assert await count_bars(sessions) == {found["BBB"]: 3, found["AAA"]: len(DAYS) - 3}


async def test_an_etf_that_bears_the_new_ticker_already_joins_the_old_one(
    sessions: Sessions,
) -> None:
    await arrive(sessions, bars=pl.concat([bars("AAA", *DAYS[:4]), bars("CCC", DAYS[0])]))
    await arrive(
        sessions,
        bars=bars("BBB", *DAYS[2:], close=100.5),
        facts=pl.DataFrame({"ticker": ["BBB"], "issuer": ["B Funds"]}),
    )
    before = await etfs(sessions)
    await traded(sessions, before["AAA"])
    await rows(
        sessions,
        f"""
        INSERT INTO factor_scores (market, session, etf_id, exclusion, formula_version,
                                   data_version)
        VALUES ('us', '{DAYS[4]}', {before["BBB"]}, 'test', '1', '{uuid4()}') RETURNING 1
        """,
    )

    report = await arrive(sessions, actions=change("AAA", "BBB"))

    kept = before["AAA"]
    assert await etfs(sessions) == {"BBB": kept, "CCC": before["CCC"]}
    closes = "SELECT session, close FROM etf_prices WHERE etf_id = {} ORDER BY session"
    assert await rows(sessions, closes.format(kept)) == [
        (day, 101.0 if day in DAYS[:4] else 100.5) for day in DAYS
    ]
    assert await rows(sessions, "SELECT count(*) FROM factor_scores") == [(0,)]
    assert await rows(sessions, f"SELECT issuer FROM etfs WHERE id = {kept}") == [("B Funds",)]
    assert report.redo_from == DAYS[2]


async def test_rules_that_name_the_etf_go_on_naming_it(sessions: Sessions) -> None:
    await arrive(sessions, bars=bars("AAA", *DAYS))
    await traded(sessions, (await etfs(sessions))["AAA"])
    await rows(sessions, "UPDATE markets SET benchmark = 'AAA' WHERE code = 'us' RETURNING 1")
    await arrive(sessions, actions=change("AAA", "BBB"))
    assert await rows(sessions, "SELECT settings FROM portfolios") == [
        ({"benchmark": "BBB", "universe": {"tickers": ["BBB", "CCC"], "excluded": ["AAAA"]}},)
    ]
    assert await rows(sessions, "SELECT benchmark FROM markets WHERE code = 'us'") == [("BBB",)]


async def small(sessions: Sessions) -> int:
    """The small market; the id of who owns its portfolios."""
    async with unit_of_work(sessions) as session:
        await write_small_market(session)
        found = await session.execute(text("SELECT min(id) FROM users"))
        return int(found.scalar_one())


async def test_targets_and_stored_proposals_go_on_naming_the_etf(
    sessions: Sessions, tmp_path: Path
) -> None:
    owner, data = await small(sessions), MarketData(tmp_path)
    async with unit_of_work(sessions) as session:
        market = await data.snapshot(session, "us", recheck=True)
        investor = await lives.invested(session, market, owner)
        planner = await lives.opened(session, market, owner)
        plan = await rebalancing.propose(session, market, planner, now=lives.NOW)
        before = await deciding.drift(session, market, investor, now=lives.NOW)
    old = body_of(plan).orders[0].ticker

    await arrive(sessions, actions=change(old, "ZNEW", LATEST))

    async with unit_of_work(sessions) as session:
        market = await data.snapshot(session, "us", recheck=True)
        mine = (await session.scalars(select(Portfolio).order_by(Portfolio.id))).all()
        after = await deciding.drift(session, market, mine[0], now=lives.NOW)
        assert (after.needs_rebalancing, after.entered, after.left) == (False, [], [])
        assert after.max_drift == before.max_drift
        shown = await positions.answer(
            session, data, owner_id=owner, portfolio_id=investor.id, now=lives.NOW
        )
        held = PositionList.model_validate_json(shown).positions
        assert [line.target_weight for line in held] == pytest.approx([0.196] * 5)
        stored = await rebalance_events.find(session, mine[1], plan.id)
        outcomes = await rebalancing.execute(session, market, mine[1], stored, now=lives.NOW)
    assert [line.status for line in outcomes] == ["filled"] * 5
    assert outcomes[0].order.ticker == "ZNEW"


async def test_a_proposal_that_names_two_etfs_that_become_one_is_out_of_date(
    sessions: Sessions, tmp_path: Path
) -> None:
    owner, data = await small(sessions), MarketData(tmp_path)
    async with unit_of_work(sessions) as session:
        market = await data.snapshot(session, "us", recheck=True)
        planner = await lives.opened(session, market, owner)
        plan = await rebalancing.propose(session, market, planner, now=lives.NOW)
    one, other, *rest = sorted(plan.targets)

    await arrive(sessions, actions=change(one, other, LATEST))

    async with unit_of_work(sessions) as session:
        market = await data.snapshot(session, "us", recheck=True)
        mine = (await session.scalars(select(Portfolio))).one()
        stored = await rebalance_events.find(session, mine, plan.id)
        weights = {**dict.fromkeys(rest, 0.196), other: 0.392}
        assert stored.targets == pytest.approx(weights)
        with pytest.raises(OutOfDate):
            await rebalancing.execute(session, market, mine, stored, now=lives.NOW)


async def test_where_only_the_new_one_is_traded_it_is_kept(sessions: Sessions) -> None:
    await arrive(sessions, bars=pl.concat([bars("AAA", *DAYS[:3]), bars("BBB", *DAYS[3:])]))
    before = await etfs(sessions)
    await traded(sessions, before["BBB"])
    await arrive(sessions, actions=change("AAA", "BBB"))
    assert await etfs(sessions) == {"BBB": before["BBB"]}
    assert await count_bars(sessions) == {before["BBB"]: len(DAYS)}


async def test_two_etfs_that_were_both_traded_are_not_one(sessions: Sessions) -> None:
    await arrive(sessions, bars=pl.concat([bars("AAA", *DAYS), bars("BBB", *DAYS)]))
    before = await etfs(sessions)
    for etf_id in before.values():
        await traded(sessions, etf_id)
    good = action("closure", "AAA", DAYS[5])
    with pytest.raises(BothTraded, match="have traded both"):
        await arrive(sessions, actions=pl.concat([good, change("AAA", "BBB")], how="diagonal"))
    assert await etfs(sessions) == before
    assert await rows(sessions, "SELECT count(*) FROM corporate_actions") == [(0,)]


@pytest.mark.parametrize("how", ["postponed", "renamed"])
async def test_a_closure_that_is_off_pays_out_nothing_that_is_bought_afterwards(
    sessions: Sessions, tmp_path: Path, how: str
) -> None:
    owner, data = await small(sessions), MarketData(tmp_path)
    off = date(2025, 6, 24)
    await arrive(sessions, actions=action("closure", "AAA", off, value=7.0))
    facts = pl.DataFrame({"ticker": ["AAA"], "closed_on": [date(2025, 6, 20)]})
    await arrive(sessions, facts=facts)
    assert await rows(sessions, "SELECT closed_on FROM etfs WHERE ticker = 'AAA'") == [(off,)]
    if how == "postponed":
        later = action("closure", "AAA", date(2199, 12, 31))
        assert (await arrive(sessions, actions=later)).changed
    else:
        await arrive(sessions, actions=change("AAA", "ZNEW", LATEST))

    async with unit_of_work(sessions) as session:
        market = await data.snapshot(session, "us", recheck=True)
        portfolio = await lives.opened(session, market, owner, on=date(2025, 6, 20))
        ticker = "AAA" if how == "postponed" else "ZNEW"
        assert valuation.trades_on(market, ticker, LATEST)
        await lives.bought(session, market, portfolio, LATEST, **{ticker: 10})
        ids = [portfolio.id]
        if how == "postponed":
            assert await corporate_actions.due_for(session, market, ids) == {}
        booked = await settling.settle(session, market, portfolio, now=lives.NOW)
        assert [each.entry.kind for each in booked if each.entry.amount] == []


async def test_a_closure_is_on_again_where_its_day_is_given_again(sessions: Sessions) -> None:
    await arrive(sessions, bars=bars("AAA", *DAYS))
    first, later = (action("closure", "AAA", day, value=7.0) for day in DAYS[3:5])
    for each, day in ((first, DAYS[3]), (later, DAYS[4]), (first, DAYS[3])):
        report = await arrive(sessions, actions=each)
        assert report.changed
        assert report.redo_from is not None
        assert await rows(sessions, "SELECT closed_on FROM etfs") == [(day,)]
    assert not (await arrive(sessions, actions=first)).changed


async def test_a_change_to_come_waits_for_its_day(sessions: Sessions) -> None:
    await arrive(sessions, bars=bars("AAA", *DAYS))
    with pytest.raises(NotYet, match="becomes BBB on 2025-07-05"):
        await arrive(sessions, actions=change("AAA", "BBB", date(2025, 7, 5)))


async def test_a_closure_closes_the_etf_and_is_taken_where_prices_come_adjusted(
    sessions: Sessions,
) -> None:
    await arrive(sessions, bars=bars("AAA", *DAYS))
    report = await arrive(sessions, actions=action("closure", "AAA", DAYS[4]))
    assert report.redo_from == DAYS[4]
    assert await rows(sessions, "SELECT closed_on FROM etfs") == [(DAYS[4],)]
    raised = await arrive(sessions, actions=action("closure", "AAA", DAYS[4], value=99.5))
    assert (raised.series[0].changed, raised.series[0].unchanged) == (1, 0)


async def test_dividends_for_adjusted_prices_are_refused_by_name(sessions: Sessions) -> None:
    await arrive(sessions, bars=bars("AAA", *DAYS))
    several = pl.concat(
        [change("AAA", "BBB"), action("dividend", "AAA", DAYS[1], value=0.5)], how="diagonal"
    )
    with pytest.raises(Refused, match=f"a dividend of AAA on {DAYS[1]}"):
        await arrive(sessions, actions=several)
    assert set(await etfs(sessions)) == {"AAA"}


async def test_actions_alone_need_a_market_with_prices(sessions: Sessions) -> None:
    with pytest.raises(NoMarketData):
        await arrive(sessions, actions=change("AAA", "BBB"))


async def test_the_same_change_in_two_imports_at_once_is_made_once(sessions: Sessions) -> None:
    await arrive(sessions, bars=bars("AAA", *DAYS))
    reports = await asyncio.gather(
        *(arrive(sessions, actions=change("AAA", "BBB")) for _ in range(3))
    )
    assert sorted(report.changed for report in reports) == [False, False, True]


async def test_a_trade_under_way_and_a_change_of_its_ticker_take_turns(sessions: Sessions) -> None:
    """A trade locks its portfolio first and its ETF, by a foreign key, last."""
    await arrive(sessions, bars=bars("AAA", *DAYS))
    etf_id = (await etfs(sessions))["AAA"]
    await traded(sessions, etf_id)
    async with unit_of_work(sessions) as session:
        await session.execute(text("SELECT FROM portfolios FOR UPDATE"))
        renaming = asyncio.create_task(arrive(sessions, actions=change("AAA", "BBB")))
        await _until_somebody_waits(sessions)
        await session.execute(text("SELECT FROM etfs WHERE id = :id FOR KEY SHARE"), {"id": etf_id})
    await renaming
    assert await etfs(sessions) == {"BBB": etf_id}


async def _until_somebody_waits(sessions: Sessions) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(20):
        while not (await rows(sessions, waiting))[0][0]:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.02)
