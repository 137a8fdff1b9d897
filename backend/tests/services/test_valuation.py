from datetime import date
from decimal import Decimal

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio, PortfolioValue
from app.schemas.cash import CashCreate
from app.services import cash_flows, ledger, marking, valuation
from app.services.projection import Holding
from tests.services import lives
from tests.services.lives import NOW


async def stored(session: AsyncSession, portfolio: Portfolio) -> dict[date, PortfolioValue]:
    query = (
        select(PortfolioValue)
        .where(PortfolioValue.portfolio_id == portfolio.id)
        .order_by(PortfolioValue.session)
        .execution_options(populate_existing=True)
    )
    return {value.session: value for value in await session.scalars(query)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(quantity=st.decimals("0.000001", "1000000", places=6), cents=st.integers(0, 10**12))
async def test_the_total_is_cash_and_lines_to_the_cent(
    market: MarketSnapshot, quantity: Decimal, cents: int
) -> None:
    day = market.latest_session
    cash = Decimal(cents).scaleb(-2)
    held = [
        Holding(lives.etf_id(market, ticker), quantity, Decimal("1.00"), day)
        for ticker in ("AAA", "BBB")
    ]
    worth = valuation.value(market, cash, held, day)
    lines = [(quantity * line.last.price).quantize(Decimal("0.01")) for line in worth.lines]
    assert [line.value for line in worth.lines] == lines
    assert worth.total == cash + sum(lines)


def test_a_gap_is_carried_and_a_longer_silence_is_halted(market: MarketSnapshot) -> None:
    gap = valuation.last_price(market, market.row("GAPS"), market.latest_session)
    mute = valuation.last_price(market, market.row("MUTE"), market.latest_session)
    assert gap is not None
    assert mute is not None
    assert (gap.carried, gap.halted, gap.session) == (True, False, lives.day(market, 2))
    assert (mute.carried, mute.halted, mute.session) == (True, True, lives.day(market, 20))


def test_an_etf_whose_closes_were_all_withdrawn_is_worth_what_was_paid(
    market: MarketSnapshot,
) -> None:
    closes = market.panel.close.copy()
    closes[market.row("AAA")] = np.nan
    empty = lives.with_closes(market, closes)
    held = Holding(lives.etf_id(market, "AAA"), Decimal(4), Decimal("100.00"), lives.day(market, 9))
    (line,) = valuation.value(empty, Decimal(0), [held], market.latest_session).lines
    assert line.value == Decimal("100.00")
    assert line.last.halted


async def test_a_closed_etf_does_not_stop_the_marking_of_anything(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    on = lives.day(market, 130)
    stuck = await lives.opened(session, market, resources.owner_id, on=on)
    await lives.bought(session, market, stuck, GONE=10, MUTE=10)
    other = await lives.opened(session, market, resources.owner_id, on=lives.day(market, 3))
    await lives.bought(session, market, other, AAA=10)

    await marking.mark_portfolios(session, market, [stuck, other], now=NOW)

    values = await stored(session, stuck)
    assert len(values) == 131
    assert values[market.latest_session].carried
    assert not values[on].carried
    last_gone = lives.close(market, "GONE", lives.day(market, 100))
    last_mute = lives.close(market, "MUTE", lives.day(market, 20))
    assert values[market.latest_session].positions_value == 10 * last_gone + 10 * last_mute
    assert len(await stored(session, other)) == 4


async def test_marking_again_changes_nothing(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id, on=lives.day(market, 9))
    await lives.bought(session, market, portfolio, AAA=10, BBB=20)

    first = await marking.mark_portfolios(session, market, [portfolio], now=NOW)
    before = {
        day: (v.cash, v.positions_value) for day, v in (await stored(session, portfolio)).items()
    }
    again = await marking.mark_portfolios(session, market, [portfolio], now=NOW)
    whole = await marking.mark_portfolios(
        session, market, [portfolio], since=date(2020, 1, 1), now=NOW
    )

    after = {
        day: (v.cash, v.positions_value) for day, v in (await stored(session, portfolio)).items()
    }
    assert after == before
    assert (first.values, again.values, whole.values) == (10, 0, 10)


async def test_a_corrected_day_is_marked_again_from_there(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id, on=lives.day(market, 9))
    await lives.bought(session, market, portfolio, AAA=10)
    await marking.mark_portfolios(session, market, [portfolio], now=NOW)
    wrong = lives.day(market, 4)
    corrected = lives.falling(market, "AAA", wrong, by=0.5, days=1)

    marked = await marking.mark_portfolios(session, corrected, [portfolio], since=wrong, now=NOW)

    values = await stored(session, portfolio)
    assert marked.values == 5
    assert values[wrong].positions_value == 10 * lives.close(corrected, "AAA", wrong)
    assert values[wrong].data_version == corrected.data_version
    assert values[lives.day(market, 5)].data_version == market.data_version


async def test_flows_and_costs_of_a_day_are_told_apart(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)
    await cash_flows.move_cash(
        session, market, portfolio, CashCreate(amount=Decimal("-500.00")), now=NOW
    )
    outcomes = await lives.rebalanced(session, market, portfolio)
    value = (await stored(session, portfolio))[market.latest_session]

    assert value.external_flow == Decimal("99500.00")
    assert value.cash + value.positions_value + value.costs == value.external_flow
    assert value.costs > len(outcomes)
    assert len(await ledger.read_holdings(session, portfolio.id)) == len(outcomes)
