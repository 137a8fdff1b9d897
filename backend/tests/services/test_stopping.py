"""Stops that act: one order per breach, and none where a stop must not act."""

import asyncio
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core import calendar
from app.core.database import unit_of_work
from app.core.errors import PortfolioClosed
from app.market_data.snapshot import MarketSnapshot
from app.models import (
    ActionKind,
    Alert,
    AlertKind,
    FillAt,
    Order,
    OrderOrigin,
    OrderState,
    OrderType,
    Portfolio,
    PortfolioStatus,
    TimeInForce,
    owned_portfolio,
)
from app.quant.costs import Side
from app.schemas.settings import StopAction
from app.services import (
    cooldowns,
    deciding,
    ledger,
    marking,
    open_orders,
    orders,
    rebalancing,
    settling,
    stop_report,
    stopping,
    strategy,
)
from app.services.order_life import OrderLife, ReasonCode
from app.services.stopping import Checked
from app.services.verdicts import Block
from tests.services import lives, stopped
from tests.services.lives import NOW

LATER = NOW + timedelta(days=3)
"""When a session has closed that the small market has no prices of."""


async def checked(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    unattended: bool = True,
    now: datetime = NOW,
) -> Checked:
    return await stopping.check(
        session, market, portfolio, at=market.latest_session, now=now, unattended=unattended
    )


def blocks(found: Checked) -> dict[str, Block | None]:
    return {each.line.ticker: each.block for each in found.judged.verdicts}


async def fallen(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, **changes: object
) -> tuple[Portfolio, MarketSnapshot]:
    """100 shares of AAA bought at 100, closing at 87 now: a fall of 13 %."""
    portfolio = await stopped.holding(
        session, market, resources.owner_id, settings=stopped.rules(**changes), AAA="100"
    )
    return portfolio, stopped.closing(market, "AAA", 99.0, 87.0)


async def test_on_demand_a_breach_sells_the_whole_position_at_the_close(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, known = await fallen(session, market, resources)

    found = await checked(session, known, portfolio, unattended=False)

    assert [each.order.state for each in found.acted] == [OrderState.FILLED]
    assert await ledger.read_holdings(session, portfolio.id) == {}
    (sale,) = await stopped.sales(session, portfolio)
    assert (sale.quantity, sale.price) == (Decimal(100), Decimal(87))
    assert sale.amount == Decimal("8700.00")
    assert portfolio.cash == Decimal("100000.00") - 10_000 + 8_700
    (order,) = await stopped.stop_orders(session, portfolio)
    assert (order.id, order.state) == (sale.order_id, OrderState.FILLED)
    assert order.reason == "AAA at 87 is 13.0% below the entry price of 100; the stop is 12.0%."


async def test_unattended_the_order_rests_and_fills_at_the_next_open(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await stopped.holding(session, market, resources.owner_id, AAA="100")
    yesterday = lives.until(market, lives.day(market, 1))
    known = stopped.closing(yesterday, "AAA", 87.0)
    then = calendar.session_close(known.latest_session)

    found = await checked(session, known, portfolio, now=then)

    (resting,) = (each.order for each in found.acted)
    assert (resting.state, resting.fill_at) == (OrderState.ACCEPTED, FillAt.NEXT_OPEN)
    assert resting.session == known.latest_session
    assert await stopped.sales(session, portfolio) == []

    await settling.settle(session, market, portfolio, now=NOW)
    (sale,) = await stopped.sales(session, portfolio)
    # The small market's bars open where they close.
    assert sale.price == lives.close(market, "AAA", market.latest_session)
    assert (sale.session, sale.quantity) == (market.latest_session, Decimal(100))
    (order,) = await stopped.stop_orders(session, portfolio)
    assert order.state == OrderState.FILLED


@pytest.mark.parametrize(("close", "sold"), [(88.000001, 0), (88.0, 1)])
async def test_a_close_at_the_stop_acts_and_one_a_millionth_above_does_not(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, close: float, sold: int
) -> None:
    portfolio, _ = await fallen(session, market, resources)
    await checked(session, stopped.closing(market, "AAA", close), portfolio)
    assert len(await stopped.stop_orders(session, portfolio)) == sold


@pytest.mark.parametrize(("unattended", "repeats"), [(True, 1_000), (False, 200)])
async def test_a_thousand_repeats_make_one_order(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    *,
    unattended: bool,
    repeats: int,
) -> None:
    portfolio, known = await fallen(session, market, resources)
    for _ in range(repeats):
        await checked(session, known, portfolio, unattended=unattended)

    assert len(await stopped.stop_orders(session, portfolio)) == 1
    assert len(await stopped.sales(session, portfolio)) == (0 if unattended else 1)


async def test_fifty_restarts_with_an_open_stop_make_no_order(
    resources: Resources, market: MarketSnapshot
) -> None:
    async with unit_of_work(resources.sessions) as session:
        portfolio, known = await fallen(session, market, resources)
    for _ in range(50):
        async with unit_of_work(resources.sessions) as session:
            locked = await _locked(session, resources, portfolio.id)
            await checked(session, replace(known, data_version=uuid4()), locked)
    async with unit_of_work(resources.sessions) as session:
        assert len(await stopped.stop_orders(session, portfolio)) == 1


async def test_checks_at_the_same_time_make_one_order(
    resources: Resources, market: MarketSnapshot
) -> None:
    async with unit_of_work(resources.sessions) as session:
        portfolio, known = await fallen(session, market, resources)

    async def look(number: int) -> None:
        async with unit_of_work(resources.sessions) as session:
            locked = await _locked(session, resources, portfolio.id)
            await checked(session, known, locked, unattended=number % 2 == 0)

    await asyncio.gather(*(look(number) for number in range(8)))
    async with unit_of_work(resources.sessions) as session:
        assert len(await stopped.stop_orders(session, portfolio)) == 1


async def _locked(session: AsyncSession, resources: Resources, portfolio_id: int) -> Portfolio:
    query = owned_portfolio(resources.owner_id, portfolio_id).with_for_update()
    return (await session.scalars(query)).one()


async def test_a_price_that_is_not_of_the_session_never_sells(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, _ = await fallen(session, market, resources)
    known = stopped.closing(market, "AAA", 50.0, None)

    attended = await checked(session, known, portfolio, unattended=False)
    unattended = await checked(session, known, portfolio)

    assert blocks(attended) == blocks(unattended) == {"AAA": Block.PRICE_STALE}
    assert await stopped.stop_orders(session, portfolio) == []


async def test_a_refused_bar_never_sells_and_is_named_as_the_cause(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, _ = await fallen(session, market, resources)
    known = stopped.closing(market, "AAA", 99.0, None)
    await _refuse(session, "AAA", market.latest_session)
    try:
        found = await checked(session, known, portfolio, unattended=False)
        shown = await stop_report.preview(session, known, portfolio, now=NOW)
    finally:
        await session.execute(text("DELETE FROM quarantined_bars WHERE reason = 'test_of_stops'"))

    assert blocks(found) == {"AAA": Block.PRICE_QUARANTINED}
    assert await stopped.stop_orders(session, portfolio) == []
    (position,) = shown.positions
    assert position.reason == (
        f"Its bar of {market.latest_session} was refused: the last good price is of "
        f"{lives.day(market, 1)}."
    )


async def _refuse(session: AsyncSession, ticker: str, on: date) -> None:
    await session.execute(
        text("""
            WITH arrival AS (
                INSERT INTO data_imports (market, source, series, rows_read, rows_added,
                    rows_changed, rows_unchanged, rows_quarantined, finished_at)
                VALUES ('us', 'test', 'bars', 1, 0, 0, 0, 1, :now) RETURNING id
            )
            INSERT INTO quarantined_bars (import_id, market, ticker, session, copy, reason, close)
            SELECT id, 'us', :ticker, :day, 0, 'test_of_stops', 1.0 FROM arrival
            """),
        {"now": NOW, "ticker": ticker, "day": on},
    )


async def test_a_position_without_any_price_never_sells(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, _ = await fallen(session, market, resources)
    known = stopped.closing(market, "AAA", *[None] * len(market.panel))
    found = await checked(session, known, portfolio, unattended=False)
    assert blocks(found) == {"AAA": Block.PRICE_MISSING}
    assert await stopped.stop_orders(session, portfolio) == []


async def test_on_the_ex_date_of_a_split_no_stop_acts_and_on_the_next_session_it_does(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, known = await fallen(session, market, resources)
    ex_date = market.latest_session
    split = await lives.with_action(
        session, known, "AAA", ActionKind.SPLIT, ex_date=ex_date, value="2"
    )
    try:
        # The book has the old shares still, and the price is of the new ones.
        found = await checked(session, split, portfolio, unattended=False)
        assert blocks(found) == {"AAA": Block.SPLIT}
        assert await stopped.stop_orders(session, portfolio) == []

        earlier = replace(
            split, actions=(replace(split.actions[-1], ex_date=lives.day(market, 1)),)
        )
        assert blocks(await checked(session, earlier, portfolio)) == {"AAA": None}
    finally:
        await session.execute(
            text("DELETE FROM corporate_actions WHERE ex_date = :day"), {"day": ex_date}
        )


async def test_an_etf_that_was_closed_is_not_sold(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, known = await fallen(session, market, resources)
    gone = stopped.closed(known, "AAA", market.latest_session)
    assert blocks(await checked(session, gone, portfolio)) == {"AAA": Block.ETF_CLOSED}
    assert await stopped.stop_orders(session, portfolio) == []


async def test_while_the_market_is_stale_only_a_person_acts(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, known = await fallen(session, market, resources)

    paused = await checked(session, known, portfolio, now=LATER)
    assert blocks(paused) == {"AAA": Block.MARKET_STALE}
    assert await stopped.stop_orders(session, portfolio) == []

    asked = await checked(session, known, portfolio, now=LATER, unattended=False)
    assert [each.order.state for each in asked.acted] == [OrderState.FILLED]


async def test_a_closed_portfolio_is_left_alone(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, known = await fallen(session, market, resources)
    portfolio.status = PortfolioStatus.CLOSED
    with pytest.raises(PortfolioClosed):
        await checked(session, known, portfolio)
    portfolio.status = PortfolioStatus.ACTIVE


async def test_a_stop_order_that_its_owner_cancels_comes_back_at_the_next_breach_only(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, known = await fallen(session, market, resources)
    yesterday = lives.until(stopped.closing(known, "AAA", 87.0, 87.0), lives.day(market, 1))
    then = calendar.session_close(yesterday.latest_session)
    (acted,) = (await checked(session, yesterday, portfolio, now=then)).acted
    portfolio.settled_version = yesterday.data_version
    await orders.cancel(session, yesterday, portfolio, acted.order.id, now=then)

    again = await checked(session, yesterday, portfolio, now=then)
    assert blocks(again) == {"AAA": Block.FIRED}
    assert blocks(await checked(session, known, portfolio)) == {"AAA": None}
    states = [order.state for order in await stopped.stop_orders(session, portfolio)]
    assert states == [OrderState.CANCELLED, OrderState.ACCEPTED]


async def test_what_is_bought_again_has_a_stop_of_its_own(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, known = await fallen(session, market, resources)
    await checked(session, known, portfolio, unattended=False)
    await stopped.buy(session, market, portfolio, on=market.latest_session, AAA="100")

    assert blocks(await checked(session, known, portfolio, unattended=False)) == {"AAA": None}
    assert len(await stopped.stop_orders(session, portfolio)) == 2


async def test_a_name_is_barred_while_its_stop_order_still_rests(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    empty = await lives.opened(session, market, resources.owner_id)
    ticker = next(iter((await deciding.decide(session, market, empty)).targets.weights))
    portfolio = await lives.opened(
        session, market, resources.owner_id, settings=stopped.rules(), on=lives.day(market, 10)
    )
    close = lives.close(market, ticker, market.latest_session)
    await stopped.buy(
        session, market, portfolio, on=portfolio.opened_on, **{ticker: str(2 * close)}
    )
    await checked(session, market, portfolio)

    decision = await deciding.decide(session, market, portfolio)

    assert await stopped.sales(session, portfolio) == []
    assert ticker not in decision.targets.weights
    passed = {name.ticker: name.reason for name in decision.targets.passed}
    assert passed[ticker] == "barred until 2025-07-30 after its stop on 2025-06-30"


async def test_a_proposal_to_buy_what_a_stop_is_selling_is_out_of_date(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id, settings=stopped.rules())
    proposal = await rebalancing.propose(session, market, portfolio, now=NOW)
    ticker = next(o.ticker for o in rebalancing.body_of(proposal).orders)
    stop = resting(market, ticker, Side.SELL, OrderOrigin.STOP)
    await ledger.book_all(session, portfolio, [], now=NOW, orders=[stop])

    with pytest.raises(rebalancing.OutOfDate, match=f"{ticker} was stopped out"):
        await rebalancing.execute(session, market, portfolio, proposal, now=NOW)


def resting(
    market: MarketSnapshot, ticker: str, side: Side, origin: OrderOrigin, quantity: int = 10
) -> OrderLife:
    return (
        OrderLife(
            id=uuid4(),
            etf_id=lives.etf_id(market, ticker),
            side=side,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.GTC,
            fill_at=FillAt.NEXT_OPEN,
            quantity=Decimal(quantity),
            limit_price=None,
            stop_price=None,
            origin=origin,
            reason="test",
            picks=None,
            idempotency_key=None,
            rebalance_event_id=None,
            session=market.latest_session,
            created_at=NOW,
        )
        .received()
        .accepted()
    )


async def test_a_stop_ends_what_the_rules_are_still_buying_and_not_what_the_owner_ordered(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, known = await fallen(session, market, resources)
    waiting = [
        resting(market, "AAA", Side.BUY, OrderOrigin.REBALANCE),
        resting(market, "AAA", Side.BUY, OrderOrigin.USER),
        resting(market, "BBB", Side.BUY, OrderOrigin.REBALANCE),
    ]
    await ledger.book_all(session, portfolio, [], now=NOW, orders=waiting)

    await checked(session, known, portfolio)

    states = dict(
        (
            await session.execute(
                select(Order.id, Order.state).where(Order.portfolio_id == portfolio.id)
            )
        ).all()
    )
    assert [states[order.id] for order in waiting] == ["cancelled", "accepted", "accepted"]


@pytest.mark.parametrize(
    ("code", "barred"),
    [(ReasonCode.CANCELLED_BY_USER, False), (ReasonCode.INSUFFICIENT_SHARES, True)],
)
async def test_a_stop_order_that_sold_nothing_bars_only_where_the_shares_were_sold_otherwise(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    code: ReasonCode,
    *,
    barred: bool,
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)
    day = market.latest_session
    stop = resting(market, "AAA", Side.SELL, OrderOrigin.STOP)
    ended = stop.changed(OrderState.CANCELLED, code, session=day, at=NOW)
    await ledger.book_all(session, portfolio, [], now=NOW, orders=[ended])
    policy = strategy.stop_policy(lives.rules())
    found = await cooldowns.barred(session, market, portfolio, at=day, policy=policy)
    assert set(found) == ({"AAA"} if barred else set())


async def told(session: AsyncSession, portfolio: Portfolio, kind: AlertKind) -> list[Alert]:
    query = (
        select(Alert)
        .where(Alert.portfolio_id == portfolio.id, Alert.kind == kind)
        .order_by(Alert.id)
    )
    return list(await session.scalars(query))


async def test_an_alert_is_given_once_until_the_price_has_recovered_and_fallen_again(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, _ = await fallen(session, market, resources, stop_action=StopAction.ALERT)
    closes = (99.0, 87.0, 86.0, 85.0, 89.0, 80.0, 80.0)
    whole = stopped.closing(market, "AAA", *closes)
    for back in reversed(range(len(closes))):
        known = lives.until(whole, lives.day(market, back))
        then = calendar.session_close(known.latest_session)
        for _ in range(3):
            await checked(session, known, portfolio, now=then)

    given = await told(session, portfolio, AlertKind.STOP)
    assert [alert.session for alert in given] == [lives.day(market, 5), lives.day(market, 1)]
    assert given[0].message == (
        "AAA at 87 is 13.0% below the entry price of 100; the stop is 12.0%."
    )
    assert await stopped.stop_orders(session, portfolio) == []
    assert await stopped.sales(session, portfolio) == []


async def test_a_session_without_a_price_is_no_recovery(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio, _ = await fallen(session, market, resources, stop_action=StopAction.ALERT)
    whole = stopped.closing(market, "AAA", 87.0, None, 86.0)
    for back in (2, 1, 0):
        known = lives.until(whole, lives.day(market, back))
        await checked(session, known, portfolio, unattended=False)
    assert len(await told(session, portfolio, AlertKind.STOP)) == 1


async def test_a_change_of_exposure_is_told_once_on_its_session(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    """Everything in AAA, which falls by 10 % and recovers: the limits are 8 and 4 %."""
    settings = stopped.rules(
        drawdown_limit=0.08, drawdown_recovery=0.04, reduced_exposure=0.25, stop_loss_pct=0.5
    )
    portfolio = await lives.opened(
        session,
        market,
        resources.owner_id,
        settings=settings,
        capital="10000",
        on=lives.day(market, 10),
    )
    await stopped.buy(session, market, portfolio, on=lives.day(market, 10), AAA="100")
    whole = stopped.closing(market, "AAA", *[100.0] * 7, 90.0, 91.0, 97.0, 97.0)
    for back in (4, 3, 2, 1, 0):
        known = lives.until(whole, lives.day(market, back))
        await marking.mark_portfolios(session, known, [portfolio], now=NOW)
        for _ in range(3):
            await checked(session, known, portfolio, unattended=False)

    given = await told(session, portfolio, AlertKind.DRAWDOWN)
    assert [alert.session for alert in given] == [lives.day(market, 3), lives.day(market, 1)]
    assert "fallen by 8.0% or more" in given[0].message
    assert "25% of its targets until the fall is under 4.0%, or for 63 sessions" in given[0].message
    assert "whole of its targets again" in given[1].message


async def test_the_preview_says_what_would_fire_and_does_nothing(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await stopped.holding(
        session, market, resources.owner_id, AAA="100", BBB="100", GAPS="500"
    )
    known = stopped.closing(stopped.closing(market, "AAA", 87.0), "BBB", 98.0)

    shown = await stop_report.preview(session, known, portfolio, now=LATER)

    aaa, bbb, gaps = shown.positions
    assert (aaa.stop_price, aaa.price) == (Decimal(88), Decimal(87))
    assert aaa.would_fire
    assert aaa.distance_to_stop == pytest.approx(-0.01)
    assert (bbb.would_fire, bbb.breached, bbb.block) == (False, False, None)
    assert bbb.drawdown == pytest.approx(0.02)
    assert (gaps.would_fire, gaps.price_state, gaps.block) == (False, "stale", "price_stale")
    assert shown.paused is not None
    assert shown.drawdown_rule.drawdown is None
    assert shown.drawdown_rule.exposure == 1.0
    assert await stopped.stop_orders(session, portfolio) == []

    await checked(session, known, portfolio)
    after = await stop_report.preview(session, known, portfolio, now=NOW)
    assert [name.ticker for name in after.cooling_down] == ["AAA"]
    assert (after.positions[0].block, after.positions[0].would_fire) == ("ordered", False)
    (order,) = await stopped.stop_orders(session, portfolio)
    assert after.positions[0].order_id == order.id


async def test_the_way_back_of_a_reduced_portfolio_counts_its_sessions(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    settings = stopped.rules(drawdown_limit=0.08, drawdown_recovery=0.04, drawdown_sessions=10)
    portfolio = await lives.opened(
        session,
        market,
        resources.owner_id,
        settings=settings,
        capital="10000",
        on=lives.day(market, 10),
    )
    await stopped.buy(session, market, portfolio, on=lives.day(market, 10), AAA="100")
    known = stopped.closing(market, "AAA", *[100.0] * 7, 90.0, 90.0, 91.0, 92.0)
    await marking.mark_portfolios(session, known, [portfolio], now=NOW)

    rule = (await stop_report.preview(session, known, portfolio, now=NOW)).drawdown_rule

    assert rule.drawdown == pytest.approx(0.08)
    assert (rule.exposure, rule.reduced, rule.reduced_since) == (0.5, True, lives.day(market, 3))
    assert rule.sessions_left == 7
    assert rule.way_back == "A fall of less than 4.0%, or 7 more sessions."


async def test_open_orders_are_read_for_many_portfolios_at_once(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    several = [(await fallen(session, market, resources))[0] for _ in range(3)]
    known = stopped.closing(market, "AAA", 87.0)
    for portfolio in several[:2]:
        await checked(session, known, portfolio)
    done = await stopping.done_by(session, [each.id for each in several], market.latest_session)
    aaa = lives.etf_id(market, "AAA")
    assert {key: set(each.ordered) for key, each in done.items()} == {
        portfolio.id: {aaa} for portfolio in several[:2]
    }


async def test_an_order_that_more_than_a_sessions_volume_allows_is_one_order_all_the_same(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    """The small market trades 500,000 shares a day: of 100 shares a session takes 50."""
    portfolio, known = await fallen(session, market, resources, max_volume_share=0.0001)
    first = await checked(session, known, portfolio, unattended=False)
    (acted,) = first.acted
    assert acted.order.state is OrderState.PARTIALLY_FILLED
    again = await checked(session, known, portfolio, unattended=False)
    assert blocks(again) == {"AAA": Block.ORDERED}
    waiting = (await open_orders.read(session, [portfolio.id]))[portfolio.id]
    assert [order.id for order in waiting] == [acted.order.id]
