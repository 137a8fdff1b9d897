from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core import calendar
from app.core.errors import Conflict, Refused
from app.market_data.snapshot import MarketSnapshot
from app.models import LedgerEntry, Portfolio, PortfolioValue, RebalanceEvent
from app.quant.errors import QuantError
from app.schemas.settings import OptimizerName, PortfolioSettings
from app.services import deciding, ledger, marking, rebalancing, replay
from app.services.replay import Replayed
from tests.services import lives
from tests.services.lives import NOW
from tests.small_market import TICKERS


async def lived(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    settings: PortfolioSettings | None = None,
    *,
    since: date | None = None,
) -> tuple[Portfolio, Replayed]:
    return await replay.open_replayed(
        session,
        market,
        owner_id=resources.owner_id,
        name=uuid4().hex,
        initial_capital=Decimal("100000.00"),
        settings=settings or lives.rules(),
        since=since or lives.day(market, 30),
        now=NOW,
    )


KEEPS_ALL = lives.rules(hold_buffer=2.5)
"""With twelve candidates for five places, a held name never falls out of the buffer."""


async def always_held(session: AsyncSession, market: MarketSnapshot, resources: Resources) -> str:
    """A name that is bought at the first fill and kept, while nothing happens to it."""
    portfolio, _ = await lived(session, market, resources, KEEPS_ALL)
    rows = await lives.entries(session, portfolio)
    bought = {row[2] for row in rows if row[7] == lives.day(market, 29)}
    kept = bought & (await ledger.read_holdings(session, portfolio.id)).keys()
    return min({etf.ticker for etf in market.etfs if etf.id in kept}.intersection(TICKERS))


async def test_a_replayed_portfolio_says_so_and_holds_what_its_rules_want(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, replayed = await lived(session, market, resources)

    assert portfolio.replayed_until == market.latest_session
    assert portfolio.opened_on == lives.day(market, 30)
    assert replayed.sessions == 31
    assert replayed.rebalances >= 1
    assert len(await ledger.read_holdings(session, portfolio.id)) >= 5


async def test_what_is_decided_at_a_close_is_filled_at_the_next(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, _ = await lived(session, market, resources)
    decided = {event.id: event.as_of for event in await lives.events(session, portfolio)}
    query = select(LedgerEntry).where(
        LedgerEntry.portfolio_id == portfolio.id, LedgerEntry.rebalance_event_id.is_not(None)
    )
    for entry in await session.scalars(query):
        assert entry.rebalance_event_id is not None
        assert entry.session == calendar.next_session(decided[entry.rebalance_event_id])
        assert entry.booked_at == calendar.session_close(entry.session)


async def test_the_past_is_the_same_whatever_follows(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    middle = lives.day(market, 12)
    since = lives.day(market, 40)
    settings = lives.rules(optimizer=OptimizerName.MVO)
    whole, _ = await lived(session, market, resources, settings, since=since)
    prefix, _ = await lived(session, lives.until(market, middle), resources, settings, since=since)
    other, _ = await lived(
        session, lives.scrambled(market, middle), resources, settings, since=since
    )

    expected = [row for row in await lives.entries(session, whole) if row[7] <= middle]  # type: ignore[operator]
    assert len(expected) > 5
    assert await lives.entries(session, prefix) == expected
    shocked = await lives.entries(session, other)
    assert shocked[: len(expected)] == expected
    assert shocked != await lives.entries(session, whole)


async def test_a_replay_gives_what_living_day_by_day_gives(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    since = lives.day(market, 16)
    settings = lives.rules(optimizer=OptimizerName.MVO, drift_threshold=0.02)
    replayed, _ = await lived(session, market, resources, settings, since=since)
    days: list[date] = market.panel.sessions[market.column(since) :].tolist()
    weeks = calendar.first_session_of_each(calendar.Period.WEEK, market.panel.sessions).tolist()
    live = await lives.opened(session, market, resources.owner_id, settings=settings, on=since)
    pending: RebalanceEvent | None = None
    for today in days:
        known, now = lives.until(market, today), calendar.session_close(today)
        if pending is not None:
            await rebalancing.fill(
                session, known, live, pending, as_of=today, now=now, unattended=True
            )
            pending = None
        await marking.mark_portfolios(session, known, [live], now=now)
        if today == since or today in weeks:
            decision = await deciding.decide(session, known, live)
            if decision.drift.needs_rebalancing:
                pending = await rebalancing.record(session, known, live, decision, now=now)

    mine, theirs = await lives.entries(session, live), await lives.entries(session, replayed)
    assert len(mine) > 5
    assert mine[1:] == theirs[1:]


async def test_every_session_has_a_value_that_adds_up(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, _ = await lived(session, market, resources)
    query = (
        select(PortfolioValue)
        .where(PortfolioValue.portfolio_id == portfolio.id)
        .order_by(PortfolioValue.session)
    )
    values = (await session.scalars(query)).all()

    assert [value.session for value in values] == market.panel.sessions[-31:].tolist()
    assert values[0].external_flow == Decimal("100000.00")
    assert values[-1].cash == portfolio.cash
    fees = sum(value.costs for value in values)
    assert fees > 0
    await marking.mark_portfolios(session, market, [portfolio], since=portfolio.opened_on, now=NOW)
    again = (await session.scalars(query.execution_options(populate_existing=True))).all()
    assert [value.cash + value.positions_value for value in again] == [
        value.cash + value.positions_value for value in values
    ]


async def test_a_stop_sells_once_at_the_next_close_and_bars_re_entry(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    ticker = await always_held(session, market, resources)
    crash = lives.day(market, 20)
    fallen = lives.falling(market, ticker, crash)

    portfolio, replayed = await lived(session, fallen, resources, KEEPS_ALL)

    own = [
        row
        for row in await lives.entries(session, portfolio)
        if row[2] == lives.etf_id(market, ticker)
    ]
    stopped = [row for row in own if str(row[9]).endswith("the stop is 12.0%.")]
    assert len(stopped) == 1
    assert replayed.stops == 1
    assert stopped[0][7] == calendar.next_session(crash)
    assert [row for row in own if row[0] > stopped[0][0]] == []  # type: ignore[operator]


async def test_a_price_that_is_missing_fires_no_stop_and_is_not_traded(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    ticker = await always_held(session, market, resources)
    quiet = lives.silent(market, ticker, lives.day(market, 20))

    portfolio, replayed = await lived(session, quiet, resources, KEEPS_ALL)

    assert replayed.stops == 0
    late = [
        row
        for row in await lives.entries(session, portfolio)
        if row[2] == lives.etf_id(market, ticker) and row[7] >= lives.day(market, 20)  # type: ignore[operator]
    ]
    assert late == []
    assert lives.etf_id(market, ticker) in await ledger.read_holdings(session, portfolio.id)


async def test_a_portfolio_with_a_past_cannot_be_replayed(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.invested(session, market, resources.owner_id)
    with pytest.raises(Conflict, match="without a past"):
        await replay.replay(session, market, portfolio, since=lives.day(market, 5), now=NOW)


async def test_rules_that_never_have_an_answer_open_nothing(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    settings = lives.rules(lookback=2000)
    with pytest.raises(QuantError):
        await lived(session, market, resources, settings)


async def test_there_is_nothing_to_replay_after_the_latest_session(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    with pytest.raises(Refused, match="the latest is 2025-06-30"):
        await lived(session, market, resources, since=date(2025, 7, 1))
