"""Marking by what is held gives the rows that the whole ledger gives, in whatever order it came."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.errors import InsufficientCash
from app.core.money import to_cents
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.services import derived, ledger, marking, valuation
from app.services.marking import Marked
from app.services.projection import Holding
from app.services.stored_values import DayValue
from app.services.valuation import Closes
from tests.services import lives, past_books
from tests.services.lives import NOW

FIRST = 5
"""How many sessions before the latest the portfolios of these tests are opened."""


@dataclass(frozen=True)
class Event:
    """Something booked on a day; `late` says for how many sessions before it counts."""

    kind: str
    ticker: str
    size: int
    late: int = 0


EVENTS = st.builds(
    Event,
    kind=st.sampled_from(["buy", "sell", "deposit", "withdraw", "dividend"]),
    ticker=st.sampled_from(["AAA", "BBB", "GAPS", "MUTE", "GONE"]),
    size=st.integers(1, 50),
    late=st.sampled_from([0, 0, 0, 1, 3]),
)
LIVES = st.lists(st.lists(EVENTS, max_size=3), min_size=FIRST + 1, max_size=FIRST + 1)


async def happen(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, event: Event, on: date
) -> None:
    """Trades count for the day they are made on; money may be told of late."""
    late = market.panel.sessions[market.column(on) - event.late].item()
    paid_on = max(late, portfolio.opened_on)
    amount = Decimal(event.size) + Decimal("0.37")
    if event.kind == "buy":
        entry = past_books.trade(market, event.ticker, event.size, on, slipped="0.0125")
    elif event.kind == "sell":
        held = await ledger.read_holdings(session, portfolio.id)
        owned = held.get(lives.etf_id(market, event.ticker))
        if owned is None:
            return
        sold = min(event.size, int(owned.quantity))
        entry = past_books.trade(market, event.ticker, -sold, on, slipped="0.0075")
    elif event.kind == "dividend":
        entry = past_books.dividend(market, event.ticker, str(amount), paid_on)
    else:
        sign = "" if event.kind == "deposit" else "-"
        entry = past_books.deposit(f"{sign}{amount}", paid_on)
    await past_books.book(session, portfolio, entry)


async def stored(session: AsyncSession, portfolio: Portfolio) -> list[DayValue]:
    rows = await session.execute(
        text("""
            SELECT session, cash, positions_value, external_flow, closing_flow, costs, carried
            FROM portfolio_values WHERE portfolio_id = :id ORDER BY session
            """),
        {"id": portfolio.id},
    )
    return [DayValue(*row) for row in rows]


async def from_the_ledger(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> Sequence[DayValue]:
    entries = (await marking.read_entries(session, [portfolio.id]))[portfolio.id]
    return list(marking.values(market, entries, first=portfolio.opened_on))


async def opened(session: AsyncSession, market: MarketSnapshot, resources: Resources) -> Portfolio:
    on, capital = lives.day(market, FIRST), Decimal(1_000_000)
    return await past_books.opened(session, market, resources.owner_id, on=on, capital=capital)


async def marked(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    since: date | None = None,
) -> Marked:
    return await marking.mark_portfolios(session, market, [portfolio], since=since, now=NOW)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(days=LIVES, twice=st.booleans())
async def test_rows_marked_day_by_day_are_those_of_the_whole_ledger(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    days: list[list[Event]],
    *,
    twice: bool,
) -> None:
    portfolio = await opened(session, market, resources)
    for number, events in enumerate(days):
        on = lives.day(market, FIRST - number)
        known = lives.until(market, on)
        if twice:
            await marked(session, known, portfolio)
        for event in events:
            await happen(session, known, portfolio, event, on)
        await marked(session, known, portfolio)

    assert await stored(session, portfolio) == await from_the_ledger(session, market, portfolio)
    assert portfolio.marked_sequence == portfolio.last_sequence

    quick = await stored(session, portfolio)
    await marked(session, market, portfolio, since=portfolio.opened_on)
    assert await stored(session, portfolio) == quick


async def test_a_day_without_late_entries_is_marked_without_its_ledger(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await opened(session, market, resources)
    for back in range(FIRST, -1, -1):
        on = lives.day(market, back)
        known = lives.until(market, on)
        await happen(session, known, portfolio, Event("buy", "AAA", 10), on)
        outcome = await marking.mark(session, Closes(known, on), [portfolio])
        assert (outcome.values, outcome.revised) == (1, frozenset())


async def test_an_entry_that_comes_late_corrects_the_days_from_its_own_on(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await opened(session, market, resources)
    await marked(session, market, portfolio)
    before = await stored(session, portfolio)

    await past_books.book(session, portfolio, past_books.deposit("500", lives.day(market, 2)))
    again = await marked(session, market, portfolio)

    after = await stored(session, portfolio)
    more = [now.total - then.total for now, then in zip(after, before, strict=True)]
    assert more == [0, 0, 0, 500, 500, 500]
    assert [day.external_flow for day in after] == [1_000_000, 0, 0, 500, 0, 0]
    assert again.values == 3


async def test_money_of_a_day_whose_values_were_dropped_is_counted_again(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await opened(session, market, resources)
    latest = market.latest_session
    await past_books.book(
        session,
        portfolio,
        past_books.trade(market, "AAA", 3, latest, slipped="0.25"),
        past_books.deposit("12.34", latest),
    )
    await marked(session, market, portfolio)
    before = await stored(session, portfolio)

    await derived.forget_since(session, market.code, latest)
    assert len(await stored(session, portfolio)) == FIRST
    await session.refresh(portfolio)
    await marked(session, market, portfolio)

    assert await stored(session, portfolio) == before
    assert (before[-1].external_flow, before[-1].costs) == (Decimal("12.34"), Decimal("0.75"))


async def test_one_that_cannot_be_valued_is_named_and_the_others_are_marked(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    stuck, fine = [await opened(session, market, resources) for _ in range(2)]
    on = lives.day(market, FIRST)
    await past_books.book(session, stuck, past_books.trade(market, "BBB", 1, on))
    unknown = lives.etf_id(market, "BBB")
    rows = {etf_id: row for etf_id, row in market.row_of_id.items() if etf_id != unknown}
    closes = Closes(replace(market, row_of_id=rows), market.latest_session)

    outcome = await marking.mark(session, closes, [stuck, fine])

    assert list(outcome.faults) == [stuck.id]
    assert list(outcome.worth) == [fine.id]
    assert await stored(session, stuck) == []
    assert len(await stored(session, fine)) == FIRST + 1


async def test_an_impossible_ledger_stops_no_other(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    broken, fine = [await opened(session, market, resources) for _ in range(2)]
    async with session.begin_nested() as scene:
        await session.execute(
            text("""
                INSERT INTO ledger_entries (portfolio_id, sequence, kind, fee, amount, session,
                                            booked_at, reason, source)
                SELECT :id, 2, 'withdrawal', 0, -2000000, :day, now(), 'impossible', 'test'
                """),
            {"id": broken.id, "day": lives.day(market, 1)},
        )
        closes = Closes(market, market.latest_session)
        outcome = await marking.mark(session, closes, [broken, fine])
        with pytest.raises(InsufficientCash):
            await marked(session, market, broken)
        assert [type(each) for each in outcome.faults.values()] == [InsufficientCash]
        assert list(outcome.faults) == [broken.id]
        assert list(outcome.worth) == [fine.id]
        await scene.rollback()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    shares=st.lists(st.decimals("0.000001", "1000000", places=6), min_size=4, max_size=4),
    back=st.integers(0, 30),
)
async def test_closes_that_are_shared_value_as_those_looked_up_each_time(
    market: MarketSnapshot, shares: list[Decimal], back: int
) -> None:
    on = lives.day(market, back)
    tickers = ("AAA", "GAPS", "MUTE", "GONE")
    held = [
        holding(market, ticker, quantity) for ticker, quantity in zip(tickers, shares, strict=True)
    ]
    closes = Closes(market, on)
    for _ in range(2):
        worth = valuation.value_at(closes, Decimal(0), held)
        assert worth == valuation.value(market, Decimal(0), held, on)
        each = [
            to_cents(line.quantity * lives.close(market, line.ticker, on)) for line in worth.lines
        ]
        assert worth.positions_value == sum(each)


def holding(market: MarketSnapshot, ticker: str, quantity: Decimal) -> Holding:
    return Holding(lives.etf_id(market, ticker), quantity, Decimal(1), lives.day(market, 99))
