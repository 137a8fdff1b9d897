"""After a session every portfolio is settled, marked and checked, once, whatever happens."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.database import Sessions, open_engine, open_sessions, unit_of_work
from app.core.progress import Progress, silent
from app.market_data.live import MarketData
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind, Portfolio
from app.quant.lots import LotMethod
from app.quant.stop_loss import StopPolicy
from app.schemas.settings import DividendDay, PortfolioSettings
from app.services import (
    checking,
    exposure,
    ledger,
    portfolios,
    session_close,
    settling,
    stops,
    valuation,
)
from app.services.portfolio_checks import Sieve
from app.services.projection import Holding
from app.services.session_close import Closed
from app.services.valuation import Closes
from tests.faults.statements import Statement, hooked, watched
from tests.services import lives, past_books
from tests.small_market import write_small_market


@dataclass(frozen=True)
class Installation:
    """A database of its own with the small market, to which sessions are added."""

    sessions: Sessions
    market_data: MarketData
    owner_id: int

    async def market(self) -> MarketSnapshot:
        async with unit_of_work(self.sessions) as session:
            return await self.market_data.snapshot(session, "us", recheck=True)

    async def holding(self, rules: PortfolioSettings | None = None, **shares: int) -> int:
        """A portfolio opened at the latest session with some shares bought at its close."""
        market = await self.market()
        async with unit_of_work(self.sessions) as session:
            portfolio = await lives.opened(session, market, self.owner_id, settings=rules)
            await lives.bought(session, market, portfolio, **shares)
            return portfolio.id

    async def next_session(self, **factors: float) -> None:
        """One more session: the closes of before, those that are named times a factor."""
        day = calendar.next_session((await self.market()).latest_session)
        async with unit_of_work(self.sessions) as session:
            await session.execute(
                text("""
                    INSERT INTO etf_prices (etf_id, session, open, high, low, close, volume)
                    SELECT etf_id, :day, price, price, price, price, 500000 FROM (
                        SELECT p.etf_id, p.close * coalesce(
                            CAST(CAST(:factors AS jsonb) ->> e.ticker AS float8), 1) AS price
                        FROM etf_prices p JOIN etfs e ON e.id = p.etf_id
                        WHERE p.session = (SELECT latest_session FROM markets WHERE code = 'us')
                    ) AS moved
                    """),
                {"day": day, "factors": str(factors).replace("'", '"')},
            )
            await self.changed(session, day=day)

    async def acts(self, ticker: str, kind: ActionKind, value: str, on: date) -> None:
        """An action that is learned of, or its new value, in a market of traded prices."""
        async with unit_of_work(self.sessions) as session:
            await session.execute(
                text("""
                    INSERT INTO corporate_actions (etf_id, ex_date, kind, value, pay_date, source)
                    SELECT id, :on, :kind, CAST(:value AS numeric), CAST(:paid AS date), 'test'
                    FROM etfs WHERE market = 'us' AND ticker = :ticker
                    ON CONFLICT (etf_id, ex_date, kind) DO UPDATE SET value = excluded.value
                    """),
                {
                    "on": on,
                    "kind": str(kind),
                    "value": value,
                    "paid": calendar.next_session(on) if kind == "dividend" else None,
                    "ticker": ticker,
                },
            )
            if kind == "closure":
                about = {"on": on, "ticker": ticker}
                await session.execute(
                    text("UPDATE etfs SET closed_on = :on WHERE ticker = :ticker"), about
                )
            await session.execute(text("UPDATE markets SET adjusted_only = false"))
            await self.changed(session)

    async def changed(self, session: AsyncSession, **about: Any) -> None:
        await session.execute(
            text("""
                UPDATE markets SET data_version = :version,
                    latest_session = coalesce(:day, latest_session) WHERE code = 'us'
                """),
            {"version": uuid4(), "day": None, **about},
        )

    async def close(
        self, *, late: timedelta = timedelta(hours=1), progress: Progress = silent, at_once: int = 2
    ) -> Closed:
        latest = (await self.market()).latest_session
        return await session_close.close(
            self.sessions,
            self.market_data,
            "us",
            now=calendar.session_close(latest) + late,
            progress=progress,
            at_once=at_once,
        )

    async def rows(self, query: str) -> list[Any]:
        async with unit_of_work(self.sessions) as session:
            return list((await session.execute(text(query))).all())


@pytest.fixture
async def installation(fresh_database_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    engine = open_engine(fresh_database_url)
    sessions = open_sessions(engine)
    async with unit_of_work(sessions) as session:
        await write_small_market(session)
        owner = await session.scalar(
            text("INSERT INTO users (name, created_at) VALUES ('me', now()) RETURNING id")
        )
    yield Installation(sessions, MarketData(tmp_path), int(owner or 0))
    await engine.dispose()


CHECKS = "SELECT portfolio_id, session, at_risk, breached, note FROM portfolio_checks ORDER BY 1, 2"
VALUES = """
    SELECT portfolio_id, session, cash, positions_value, external_flow, costs, carried
    FROM portfolio_values ORDER BY 1, 2
    """
ORDERS = "SELECT portfolio_id, origin, state FROM orders WHERE origin = 'stop' ORDER BY created_at"


async def test_every_active_portfolio_is_marked_and_checked(installation: Installation) -> None:
    open_ones = [await installation.holding(AAA=10, BBB=5) for _ in range(5)]
    closed = await installation.holding()
    async with unit_of_work(installation.sessions) as session:
        portfolio = await session.get_one(Portfolio, closed)
        await portfolios.close(
            session, await installation.market(), portfolio, liquidate=False, now=lives.NOW
        )

    done = await installation.close()

    assert (done.portfolios, done.values, done.failures) == (5, 5, ())
    assert [row.portfolio_id for row in await installation.rows(CHECKS)] == open_ones
    assert [row.portfolio_id for row in await installation.rows(VALUES)] == open_ones


async def test_repeating_a_close_does_nothing_twice(installation: Installation) -> None:
    for _ in range(3):
        await installation.holding(AAA=10)
    await installation.close()
    await installation.next_session(AAA=0.8)
    first = await installation.close()
    before = [await installation.rows(query) for query in (VALUES, CHECKS, ORDERS)]
    again = await installation.close()

    assert (first.values, first.stops) == (3, 3)
    assert (again.portfolios, again.values, again.stops, again.fills) == (3, 0, 0, 0)
    assert [await installation.rows(query) for query in (VALUES, CHECKS, ORDERS)] == before


async def test_a_stop_rests_until_the_next_open_and_is_filled_by_the_next_close(
    installation: Installation,
) -> None:
    stopped = await installation.holding(AAA=10, BBB=5)
    kept = await installation.holding(BBB=5)
    await installation.close()
    await installation.next_session(AAA=0.8)
    fallen = await installation.close()
    assert (fallen.stops, fallen.fills) == (1, 0)
    assert await installation.rows(ORDERS) == [(stopped, "stop", "accepted")]

    await installation.next_session()
    after = await installation.close()
    assert (after.stops, after.fills, after.booked) == (0, 1, 1)
    assert await installation.rows(ORDERS) == [(stopped, "stop", "filled")]
    async with unit_of_work(installation.sessions) as session:
        assert len(await ledger.read_holdings(session, stopped)) == 1
        assert len(await ledger.read_holdings(session, kept)) == 1
    breached = [(row.portfolio_id, row.breached) for row in await installation.rows(CHECKS)]
    assert breached == [(stopped, 0), (stopped, 1), (stopped, 0), *[(kept, 0)] * 3]


async def test_stops_are_paused_while_prices_are_old_and_the_note_says_so(
    installation: Installation,
) -> None:
    await installation.holding(AAA=10)
    await installation.close()
    await installation.next_session(AAA=0.8)
    done = await installation.close(late=timedelta(days=7))

    assert (done.stops, done.paused) == (0, 1)
    assert await installation.rows(ORDERS) == []
    last = (await installation.rows(CHECKS))[-1]
    assert (last.breached, last.at_risk) == (1, 1)
    # The 4th of July is no session.
    assert last.note == "Stops are paused: the prices are 4 sessions old."


class Killed(Exception):
    pass


async def test_killed_between_two_batches_the_next_close_does_the_rest(
    installation: Installation,
) -> None:
    ids = [await installation.holding(AAA=10) for _ in range(5)]

    def kill(_step: str, done: int, _total: int) -> None:
        if done >= 2:
            raise Killed

    with pytest.raises(Killed):
        await installation.close(progress=kill)
    assert [row.portfolio_id for row in await installation.rows(CHECKS)] == ids[:2]

    rest = await installation.close()
    assert (rest.portfolios, rest.values) == (5, 3)
    assert [row.portfolio_id for row in await installation.rows(VALUES)] == ids


@dataclass
class FailingAt:
    """Raises instead of sending the statement with a number, counted from 0."""

    number: int
    seen: int = 0

    async def before(self, statement: Statement) -> None:
        self.seen += 1
        if self.seen == self.number + 1:
            raise Killed

    async def after(self, statement: Statement) -> None:
        pass


WHOLE = """
    SELECT p.id, v.session IS NOT NULL, c.session IS NOT NULL,
           p.settled_version = m.data_version, o.id IS NOT NULL
    FROM portfolios p JOIN markets m ON m.code = p.market
    LEFT JOIN portfolio_values v ON v.portfolio_id = p.id AND v.session = m.latest_session
    LEFT JOIN portfolio_checks c ON c.portfolio_id = p.id AND c.session = m.latest_session
    LEFT JOIN orders o ON o.portfolio_id = p.id AND o.session = m.latest_session
        AND o.origin = 'stop'
    """


async def test_failing_at_any_statement_leaves_each_batch_done_or_as_it_was(
    installation: Installation,
) -> None:
    tickers = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH", "III", "JJJ", "KKK", "LLL"]
    each = dict.fromkeys(tickers, 10)
    count = len([await installation.holding(None, **each) for _ in range(3)])
    await installation.close()
    failed, number, sessions = True, 0, 1
    while failed:
        # Every session another ETF falls, so that stops act and their orders fill all the way.
        ticker = tickers[number % len(tickers)]
        await installation.next_session(**{ticker: 0.99 if number >= len(tickers) else 0.8})
        sessions += 1
        watcher = FailingAt(number)
        try:
            with hooked(), watched(watcher):
                await installation.close()
            failed = False
        except Killed:
            pass
        for _, *parts in await installation.rows(WHOLE):
            marked, checked, settled, stopped = parts
            assert marked == checked == settled
            assert not stopped or checked
        await installation.close()
        assert len(await installation.rows(CHECKS)) == len(await installation.rows(VALUES))
        assert len(await installation.rows(CHECKS)) == count * sessions
        number += 1
    assert number > 20
    stopped = await installation.rows(ORDERS)
    assert len(stopped) == count * min(number, len(tickers))
    async with unit_of_work(installation.sessions) as session:
        assert (await checking.check(session)).findings == ()


TWINS = (
    {},
    {"fractional_shares": True, "lot_method": LotMethod.HIFO},
    {"dividends_on": DividendDay.PAY_DATE},
    {"dividend_withholding": 0.15, "lot_method": LotMethod.LIFO},
    {"reinvest_dividends": True, "fractional_shares": True},
)
"""Rules, each of two portfolios."""
NO_STOPS = {"use_vix_adjustment": False, "stop_loss_pct": 0.99}
ROUNDS = (
    {"AAA": (ActionKind.DIVIDEND, "0.37"), "BBB": (ActionKind.SPLIT, "0.333333")},
    {"AAA": (ActionKind.SPLIT, "3"), "CCC": (ActionKind.DIVIDEND, "1.005")},
    {"DDD": (ActionKind.CLOSURE, "12.345678")},
    # Corrected, one of them to less than was paid.
    {"AAA": (ActionKind.DIVIDEND, "0.40"), "CCC": (ActionKind.DIVIDEND, "0.9")},
    {"BBB": (ActionKind.SPLIT, "0.5")},
)
BOOK = """
    SELECT kind, sequence, etf_id, quantity, price, fee, amount, session, reason, action_value,
        revision, closed_lots::text FROM ledger_entries WHERE portfolio_id = {0}
    UNION ALL SELECT 'position', 0, etf_id, quantity, cost_basis, 0, 0, opened_on, '', 0, 0, ''
        FROM positions WHERE portfolio_id = {0}
    UNION ALL SELECT 'lot', number, etf_id, quantity, cost, 0, 0, acquired_on, '', 0, 0, ''
        FROM tax_lots WHERE portfolio_id = {0}
    UNION ALL SELECT 'cash', last_sequence, 0, cash, 0, 0, 0, opened_on, '', 0, 0, ''
        FROM portfolios WHERE id = {0}
    ORDER BY 1, 2, 3
    """


async def test_actions_of_many_portfolios_do_to_each_book_what_they_do_to_it_alone(
    installation: Installation,
) -> None:
    shares = {"AAA": 10, "BBB": 100, "CCC": 7, "DDD": 3}
    twins = [
        [await installation.holding(lives.rules(**NO_STOPS, **rules), **shares) for _ in range(2)]
        for rules in TWINS
    ]
    ex_dates: dict[tuple[str, ActionKind], date] = {}
    for actions in ROUNDS:
        await installation.next_session()
        latest = (await installation.market()).latest_session
        for ticker, (kind, value) in actions.items():
            on = ex_dates.setdefault((ticker, kind), latest)
            await installation.acts(ticker, kind, value, on)
        market = await installation.market()
        async with unit_of_work(installation.sessions) as session:
            for _, alone in twins:
                portfolio = await session.get_one(Portfolio, alone, with_for_update=True)
                await settling.settle(session, market, portfolio, now=lives.NOW)
        done = await installation.close(at_once=10)
        assert done.failures == ()
        for together, alone in twins:
            books = [await installation.rows(BOOK.format(each)) for each in (together, alone)]
            assert books[0] == books[1]
    kinds = {row.kind for row in await installation.rows(BOOK.format(twins[1][0]))}
    assert {"dividend", "split", "closure", "lot", "position"} <= kinds


@dataclass
class Counting:
    seen: int = 0

    async def before(self, statement: Statement) -> None:
        self.seen += 1

    async def after(self, statement: Statement) -> None:
        pass


async def test_a_dividend_of_many_portfolios_takes_no_more_statements_than_of_few(
    installation: Installation,
) -> None:
    taken = []
    for count in (2, 6):
        for _ in range(count):
            await installation.holding(AAA=10, BBB=5)
        await installation.close(at_once=20)
        await installation.next_session()
        latest = (await installation.market()).latest_session
        for ticker in ("AAA", "BBB"):
            await installation.acts(ticker, ActionKind.DIVIDEND, "0.5", latest)
        counting = Counting()
        with hooked(), watched(counting):
            done = await installation.close(at_once=20)
        assert done.actions == 2 * done.portfolios
        taken.append(counting.seen)
    assert taken[0] == taken[1]


async def test_a_portfolio_that_cannot_be_worked_on_is_named_and_stops_no_other(
    installation: Installation,
) -> None:
    ids = [await installation.holding(AAA=10) for _ in range(4)]
    await installation.rows("""
        UPDATE portfolios SET settings = '{"num_positions": "none"}'
        WHERE id = (SELECT min(id) + 1 FROM portfolios) RETURNING id
        """)
    await installation.next_session(AAA=0.8)
    done = await installation.close()
    assert [failure.portfolio_id for failure in done.failures] == [ids[1]]
    assert (done.portfolios, done.stops) == (3, 3)
    assert [row.portfolio_id for row in await installation.rows(CHECKS)] == [ids[0], *ids[2:]]


async def test_one_that_fails_while_orders_fill_leaves_the_fills_of_the_others(
    installation: Installation,
) -> None:
    ids = [await installation.holding(AAA=10) for _ in range(4)]
    await installation.close()
    await installation.next_session(AAA=0.8)
    assert (await installation.close()).stops == 4
    await installation.rows("""
        UPDATE portfolios SET settings = '{}' WHERE id = (SELECT min(id) FROM portfolios)
        RETURNING id
        """)
    await installation.next_session()
    done = await installation.close(at_once=4)

    assert [failure.portfolio_id for failure in done.failures] == [ids[0]]
    assert (done.portfolios, done.fills) == (3, 3)
    states = await installation.rows("SELECT state FROM orders WHERE origin = 'stop' ORDER BY 1")
    assert [state for (state,) in states] == ["accepted", "filled", "filled", "filled"]
    last = await installation.rows("""
        SELECT portfolio_id FROM portfolio_values
        WHERE session = (SELECT latest_session FROM markets WHERE code = 'us') ORDER BY 1
        """)
    assert [row.portfolio_id for row in last] == ids[1:]


async def test_a_portfolio_of_etfs_without_prices_is_marked_and_never_stopped(
    installation: Installation,
) -> None:
    async with unit_of_work(installation.sessions) as session:
        market = await installation.market()
        portfolio = await lives.opened(
            session, market, installation.owner_id, on=lives.day(market, 130)
        )
        await lives.bought(session, market, portfolio, GONE=10, MUTE=10)
    other = await installation.holding(AAA=10)
    done = await installation.close()
    assert (done.portfolios, done.values, done.stops, done.failures) == (2, 132, 0, ())
    checks = await installation.rows(CHECKS)
    assert [(row.portfolio_id, row.breached) for row in checks] == [(portfolio.id, 0), (other, 0)]


async def test_drift_is_measured_against_the_last_executed_targets(
    installation: Installation,
) -> None:
    market = await installation.market()
    async with unit_of_work(installation.sessions) as session:
        portfolio = await lives.invested(session, market, installation.owner_id)
        (event,) = await lives.events(session, portfolio)
    await installation.close()
    moved = max(event.targets, key=lambda ticker: event.targets[ticker])
    await installation.next_session(**{moved: 1.3})
    await installation.close()

    after = await installation.market()
    async with unit_of_work(installation.sessions) as session:
        holdings = await ledger.read_holdings(session, portfolio.id)
    worth = {
        after.panel.tickers[after.row_of_id[each.etf_id]]: float(
            each.quantity * lives.close(after, ticker_of(after, each), after.latest_session)
        )
        for each in holdings.values()
    }
    total = sum(worth.values()) + float(portfolio.cash)
    apart = [abs(worth.get(name, 0.0) / total - target) for name, target in event.targets.items()]
    ((largest, turnover),) = await installation.rows("""
        SELECT max_drift, turnover FROM portfolio_checks ORDER BY session DESC LIMIT 1
        """)
    assert largest == pytest.approx(max(apart), abs=1e-6)
    assert turnover == pytest.approx(sum(apart) / 2, abs=1e-6)


def ticker_of(market: MarketSnapshot, held: Holding) -> str:
    return market.panel.tickers[market.row_of_id[held.etf_id]]


async def test_a_deep_fall_is_told_once_and_exposure_is_written_down(
    installation: Installation,
) -> None:
    rules = lives.rules(stop_loss_pct=0.99, use_vix_adjustment=False)
    deep = await installation.holding(rules, AAA=900)
    await installation.holding(rules, BBB=900)
    paid_in = await installation.holding(rules, AAA=900)
    await installation.close()
    async with unit_of_work(installation.sessions) as session:
        portfolio = await session.get_one(Portfolio, paid_in)
        market = await installation.market()
        paid = past_books.deposit("900000", market.latest_session)
        await past_books.book(session, portfolio, paid)
    told = 0
    for factor in (0.9, 0.3, 1.0):
        await installation.next_session(AAA=factor)
        told += (await installation.close()).alerts
    parts = await installation.rows("""
        SELECT portfolio_id, exposure FROM portfolio_checks ORDER BY session DESC, portfolio_id
        """)
    async with unit_of_work(installation.sessions) as session:
        day = (await installation.market()).latest_session
        for portfolio_id, part in parts[:3]:
            portfolio = await session.get_one(Portfolio, portfolio_id)
            assert part == await exposure.at(session, portfolio, day)
    assert dict(tuple(row) for row in parts[:3])[deep] == 0.5
    assert told == sum(part < 1 for _, part in parts[:3])


POLICIES = st.builds(
    StopPolicy,
    use_vix_adjustment=st.booleans(),
    trailing=st.booleans(),
    fixed=st.sampled_from([0.01, 0.12, 0.3]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    policy=POLICIES,
    held=st.lists(
        st.tuples(
            st.sampled_from(["AAA", "BBB", "CCC", "GAPS", "MUTE", "GONE"]),
            st.decimals("0.000001", "10000", places=6),
            st.floats(0.5, 1.6),
            st.integers(0, 60),
        ),
        max_size=6,
        unique_by=lambda each: each[0],
    ),
)
async def test_the_sieve_keeps_every_position_that_a_watch_over_all_would_name(
    market: MarketSnapshot,
    policy: StopPolicy,
    held: list[tuple[str, Decimal, float, int]],
) -> None:
    holdings = [at_its_stop(market, policy, each) for each in held]
    worth = valuation.value(market, Decimal(0), holdings, market.latest_session)
    near = Sieve(Closes(market, market.latest_session)).near(worth, policy)
    assert _named(near) == _named(stops.watch(market, worth, policy))


def at_its_stop(
    market: MarketSnapshot, policy: StopPolicy, about: tuple[str, Decimal, float, int]
) -> Holding:
    """Bought so dear that the price stands at the stop, but for a factor that is often 1."""
    ticker, quantity, off, back = about
    fall = stops.threshold_at(market, policy, market.latest_session).fall
    price = lives.close(market, ticker, market.latest_session)
    factor = Decimal(1) if 0.9 < off < 1.1 else Decimal(repr(off))
    basis = quantity * price / (1 - Decimal(repr(fall))) * factor
    cents = basis.quantize(Decimal("0.01")) or Decimal("0.01")
    return Holding(lives.etf_id(market, ticker), quantity, cents, lives.day(market, back))


def _named(watch: stops.Watch) -> Mapping[str, tuple[bool, bool]]:
    found = {each.line.ticker: (each.breached, each.status.at_risk) for each in watch.lines}
    return {ticker: said for ticker, said in found.items() if any(said)}
