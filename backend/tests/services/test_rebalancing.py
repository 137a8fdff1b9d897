import asyncio
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.core.errors import Conflict
from app.market_data.snapshot import MarketSnapshot
from app.models import (
    ActionKind,
    EntryKind,
    Order,
    Portfolio,
    RebalanceStatus,
    TimeInForce,
    owned_portfolio,
)
from app.quant.costs import Side
from app.quant.errors import Infeasible, QuantError
from app.schemas.cash import CashCreate
from app.schemas.rebalance import RebalanceRequest
from app.schemas.settings import DriftMode, OptimizerName, stored_settings
from app.services import (
    cash_flows,
    deciding,
    ledger,
    open_orders,
    portfolios,
    rebalance_events,
    rebalancing,
    trading,
)
from app.services.order_life import id_of_key
from app.services.rebalancing import OutOfDate, body_of
from tests.services import lives
from tests.services.lives import NOW


async def test_a_new_portfolio_is_proposed_what_its_rules_want(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)

    event = await rebalancing.propose(session, market, portfolio, now=NOW)

    body = body_of(event)
    assert event.status == RebalanceStatus.PROPOSED
    assert body.needs_rebalancing
    assert len(body.orders) == 5
    assert all(order.reason.startswith("enters the target set: rank") for order in body.orders)
    assert sum(order.net_amount for order in body.orders) == body.cash_after - body.cash_before
    assert [name.reason for name in body.weights if name.target > 0.0 and not name.reason] == []
    assert portfolio.cash == Decimal("100000.00")


@pytest.mark.parametrize("optimizer", OptimizerName)
async def test_after_execution_the_weights_are_near_their_targets(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, optimizer: OptimizerName
) -> None:
    settings = lives.rules(optimizer=optimizer, fractional_shares=True)
    portfolio = await lives.invested(session, market, resources.owner_id, settings=settings)

    drift = await deciding.drift(session, market, portfolio, now=NOW)

    assert drift.max_drift < 0.005
    assert not drift.needs_rebalancing


async def test_inside_the_bands_the_proposal_is_empty_and_says_so(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.invested(session, market, resources.owner_id)
    targets = await deciding.executed_targets(session, portfolio.id)

    event = await rebalancing.propose(session, market, portfolio, now=NOW)

    body = body_of(event)
    assert not body.orders
    assert not body.needs_rebalancing
    assert body.reason.startswith("Every position is inside its bands")
    assert event.targets == targets


async def test_force_proposes_orders_inside_the_bands(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    settings = lives.rules(min_trade=0.0, fractional_shares=True)
    portfolio = await lives.invested(session, market, resources.owner_id, settings=settings)

    event = await rebalancing.propose(session, market, portfolio, force=True, now=NOW)

    body = body_of(event)
    assert body.orders
    assert not body.needs_rebalancing
    assert body.reason.startswith("Forced.")


async def test_a_budget_invests_new_cash_and_sells_nothing(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.invested(session, market, resources.owner_id)
    await cash_flows.move_cash(
        session, market, portfolio, CashCreate(amount=Decimal(20_000)), now=NOW
    )
    before = portfolio.cash

    event = await rebalancing.propose(session, market, portfolio, budget=Decimal(20_000), now=NOW)
    await rebalancing.execute(session, market, portfolio, event, now=NOW)

    assert {order.side for order in body_of(event).orders} == {"buy"}
    assert Decimal(15_000) < before - portfolio.cash <= Decimal(20_000)


async def test_a_budget_beyond_the_cash_is_refused(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)
    with pytest.raises(QuantError, match=r"0\.01 more than the cash"):
        await rebalancing.propose(session, market, portfolio, budget=Decimal("100000.01"), now=NOW)


async def test_sales_come_first_and_cash_never_falls_below_zero(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    settings = lives.rules(cash_buffer=0.0)
    portfolio = await lives.opened(session, market, resources.owner_id, settings=settings)
    wanted = (await deciding.decide(session, market, portfolio)).targets.weights
    others = [t for t in ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF") if t not in wanted]
    for ticker in others:
        await lives.bought(session, market, portfolio, **{ticker: 300 // len(others)})

    outcomes = await lives.rebalanced(session, market, portfolio)

    sides = [outcome.order.side for outcome in outcomes]
    assert sides == sorted(sides, reverse=True)
    cash = Decimal(0)
    for row in await lives.entries(session, portfolio):
        cash += row[6]  # type: ignore[operator]
        assert cash >= 0
    assert cash == portfolio.cash


async def test_what_is_done_is_what_was_estimated(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)
    event = await rebalancing.propose(session, market, portfolio, now=NOW)

    outcomes = await rebalancing.execute(session, market, portfolio, event, now=NOW)

    expected = [order.net_amount for order in body_of(event).orders]
    assert [outcome.trade.booked.entry.amount for outcome in outcomes if outcome.trade] == expected
    assert portfolio.cash == body_of(event).cash_after


async def test_a_proposal_is_executed_once(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)
    event = await rebalancing.propose(session, market, portfolio, now=NOW)
    await rebalancing.execute(session, market, portfolio, event, now=NOW)
    with pytest.raises(Conflict, match="executed already"):
        await rebalancing.execute(session, market, portfolio, event, now=NOW)


async def test_a_rebalance_that_is_sent_again_with_its_key_makes_the_same_orders(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)

    async def sent(key: str) -> tuple[int, set[UUID]]:
        """What it would have made, had it not been cut off before its commit."""
        attempt = await session.begin_nested()
        wanted = RebalanceRequest(execute=True)
        event = await rebalancing.rebalance(
            session, market, portfolio, wanted, now=NOW, idempotency_key=key
        )
        found = select(Order.id).where(Order.rebalance_event_id == event.id)
        made = event.id, set(await session.scalars(found))
        await attempt.rollback()
        return made

    (first, orders), (again, same), (_, others) = [await sent(key) for key in ("k", "k", "l")]
    assert first != again
    assert len(orders) == 5
    assert orders == same
    assert not orders & others


async def test_two_executions_at_once_trade_once(
    market: MarketSnapshot, resources: Resources
) -> None:
    async with unit_of_work(resources.sessions) as session:
        portfolio = await lives.opened(session, market, resources.owner_id)
        event = await rebalancing.propose(session, market, portfolio, now=NOW)
    orders = len(body_of(event).orders)

    async def execute() -> int:
        async with unit_of_work(resources.sessions) as own:
            query = owned_portfolio(resources.owner_id, portfolio.id).with_for_update()
            mine = (await own.scalars(query)).one()
            stored = await rebalance_events.find(own, mine, event.id)
            return len(await rebalancing.execute(own, market, mine, stored, now=NOW))

    results = await asyncio.gather(execute(), execute(), return_exceptions=True)

    assert [type(result) for result in results if isinstance(result, Exception)] == [Conflict]
    assert orders in results
    async with unit_of_work(resources.sessions) as session:
        booked = await lives.entries(session, portfolio)
    assert len(booked) == 1 + orders


async def test_a_proposal_is_out_of_date_once_the_book_has_changed(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)
    event = await rebalancing.propose(session, market, portfolio, now=NOW)
    await cash_flows.move_cash(session, market, portfolio, CashCreate(amount=Decimal(1)), now=NOW)
    with pytest.raises(OutOfDate, match="book has changed since"):
        await rebalancing.execute(session, market, portfolio, event, now=NOW)


async def test_a_proposal_is_out_of_date_once_the_rules_have_changed(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)
    event = await rebalancing.propose(session, market, portfolio, now=NOW)
    before = stored_settings(portfolio.settings)

    async def change(name: str | None, **rules: object) -> None:
        settings = before.model_copy(update=rules)
        await portfolios.change(session, market, portfolio, name=name, settings=settings)

    await change(None, fractional_shares=True)
    with pytest.raises(OutOfDate, match="rules have changed since"):
        await rebalancing.execute(session, market, portfolio, event, now=NOW)
    await change("Another name")
    assert await rebalancing.execute(session, market, portfolio, event, now=NOW)


async def test_a_proposal_is_out_of_date_once_a_price_was_corrected(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)
    event = await rebalancing.propose(session, market, portfolio, now=NOW)
    ticker = body_of(event).orders[0].ticker
    corrected = lives.falling(market, ticker, market.latest_session, by=0.01)
    with pytest.raises(OutOfDate, match=f"price of {ticker} .* was corrected"):
        await rebalancing.execute(session, corrected, portfolio, event, now=NOW)


async def test_a_proposal_of_yesterday_is_filled_at_today_s_close(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    yesterday = lives.until(market, lives.day(market, 1))
    portfolio = await lives.opened(session, yesterday, resources.owner_id)
    event = await rebalancing.propose(session, yesterday, portfolio, now=NOW)

    outcomes = await rebalancing.execute(session, market, portfolio, event, now=NOW)

    for outcome in outcomes:
        assert outcome.trade is not None
        entry = outcome.trade.booked.entry
        assert entry.session == market.latest_session
        assert entry.reference_price == lives.close(
            market, outcome.order.ticker, market.latest_session
        )


async def test_limits_that_clash_are_named(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    caps = {"Equity": 0.0, "Fixed Income": 0.0, "Commodity": 0.5}
    settings = lives.rules(asset_class_caps=caps)
    portfolio = await lives.opened(session, market, resources.owner_id, settings=settings)
    with pytest.raises(Infeasible):
        await rebalancing.propose(session, market, portfolio, now=NOW)


async def test_a_held_name_without_a_close_today_is_left_alone(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id, on=lives.day(market, 30))
    await lives.bought(session, market, portfolio, GAPS=100, MUTE=50)

    event = await rebalancing.propose(session, market, portfolio, now=NOW)
    await rebalancing.execute(session, market, portfolio, event, now=NOW)

    body = body_of(event)
    assert {"GAPS", "MUTE"} <= {name.ticker for name in body.passed_over}
    assert not {"GAPS", "MUTE"} & {order.ticker for order in body.orders}
    held = await ledger.read_holdings(session, portfolio.id)
    assert held[lives.etf_id(market, "GAPS")].quantity == 100
    assert abs(sum(name.target for name in body.weights) - 0.98) < 0.01
    drift = await deciding.drift(session, market, portfolio, now=NOW)
    assert not drift.needs_rebalancing


async def test_a_name_bought_by_hand_is_sold_by_the_next_rebalance(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.invested(
        session, market, resources.owner_id, settings=lives.rules(cash_buffer=0.3)
    )
    wanted = (await deciding.decide(session, market, portfolio)).targets.weights
    stranger = next(t for t in market.panel.tickers if t not in wanted and len(set(t)) == 1)
    ticket = trading.OrderTicket(
        order_id=id_of_key(resources.owner_id, f"{portfolio.id}"),
        ticker=stranger,
        side=Side.BUY,
        quantity=Decimal(100),
    )
    await trading.place(session, market, portfolio, ticket, now=NOW)

    body = body_of(await rebalancing.propose(session, market, portfolio, now=NOW))

    assert (stranger, "sell") in {(order.ticker, order.side) for order in body.orders}


async def test_absolute_bands_ignore_small_drifts(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    settings = lives.rules(drift_mode=DriftMode.ABSOLUTE, drift_threshold=0.2)
    portfolio: Portfolio = await lives.invested(
        session, market, resources.owner_id, settings=settings
    )
    first = (await ledger.read_holdings(session, portfolio.id)).popitem()[1]
    ticker = market.etfs[market.row_of_id[first.etf_id]].ticker
    lower = lives.falling(market, ticker, market.latest_session, by=0.1)
    drift = await deciding.drift(session, lower, portfolio, now=NOW)
    assert drift.max_drift > 0.01
    assert not drift.needs_rebalancing
    kinds = {row[1] for row in await lives.entries(session, portfolio)}
    assert kinds == {EntryKind.DEPOSIT, EntryKind.BUY}


async def test_a_portfolio_that_holds_nothing_it_can_sell_and_no_cash_is_left_alone(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    on = lives.day(market, 30)
    capital = 10 * lives.close(market, "MUTE", on)
    portfolio = await lives.opened(session, market, resources.owner_id, capital=str(capital), on=on)
    await lives.bought(session, market, portfolio, MUTE=10)
    assert portfolio.cash == 0

    body = body_of(await rebalancing.propose(session, market, portfolio, force=True, now=NOW))

    assert body.orders == []
    assert [name.ticker for name in body.weights if name.target > 0.0] == ["MUTE"]


async def test_an_empty_portfolio_is_proposed_nothing(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)
    await cash_flows.move_cash(
        session, market, portfolio, CashCreate(amount=Decimal("-100000.00")), now=NOW
    )
    body = body_of(await rebalancing.propose(session, market, portfolio, now=NOW))
    assert body.orders == []


async def test_a_split_that_nobody_has_booked_yet_is_booked_before_deciding(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id, on=lives.day(market, 10))
    await lives.bought(session, market, portfolio, AAA=100)
    split = await lives.with_action(
        session, market, "AAA", ActionKind.SPLIT, ex_date=lives.day(market, 5), value="2"
    )
    event = await rebalancing.propose(session, split, portfolio, now=NOW)
    holdings = await ledger.read_holdings(session, portfolio.id)
    assert holdings[lives.etf_id(market, "AAA")].quantity == 200
    assert event.decided_at_sequence == portfolio.last_sequence


async def test_what_became_of_every_line_can_be_read_later(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)
    event = await rebalancing.propose(session, market, portfolio, now=NOW)
    outcomes = await rebalancing.execute(
        session, market, portfolio, event, now=NOW, idempotency_key="a key"
    )
    read = await rebalance_events.shown(session, market, event, now=NOW)
    assert [(line.ticker, line.status, line.reason) for line in read.fills] == [
        (found.order.ticker, found.status, found.reason) for found in outcomes
    ]
    booked = [found.trade.booked for found in outcomes if found.trade is not None]
    assert [line.net_amount for line in read.fills] == [each.entry.amount for each in booked]
    assert {each.entry.idempotency_key for each in booked} == {"a key"}


async def test_a_skipped_line_says_why(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)
    event = await rebalancing.propose(session, market, portfolio, now=NOW)
    first = body_of(event).orders[0].ticker
    quiet = lives.silent(market, first, lives.day(market, 9))
    await rebalancing.fill(session, quiet, portfolio, event, as_of=market.latest_session, now=NOW)
    read = await rebalance_events.shown(session, market, event, now=NOW)
    (skipped,) = [line for line in read.fills if line.status == "skipped"]
    assert (skipped.ticker, skipped.state, skipped.reason_code) == (first, "rejected", "no_price")
    assert "no usable price" in (skipped.reason or "")


async def test_a_line_of_which_no_order_was_made_is_among_the_lines_and_says_why(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id)
    event = await rebalancing.propose(session, market, portfolio, now=NOW)
    first = body_of(event).orders[0]
    quiet = lives.silent(market, first.ticker, market.latest_session)
    await rebalancing.fill(
        session, quiet, portfolio, event, as_of=market.latest_session, now=NOW, unattended=True
    )
    read = await rebalance_events.shown(session, market, event, now=NOW)
    assert len(read.fills) == 5
    (left_out,) = [line for line in read.fills if line.order_id is None]
    assert (left_out.ticker, left_out.status, left_out.state) == (first.ticker, "skipped", None)
    assert left_out.ordered == first.quantity
    assert (left_out.reason or "").startswith("No order was made of it")


async def test_a_line_above_its_share_of_the_volume_says_so_and_waits_for_later_sessions(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    # 500,000 shares a session: a 20,000th of them is about 25 shares.
    settings = lives.rules(max_volume_share=0.00005)
    portfolio = await lives.opened(session, market, resources.owner_id, settings=settings)
    event = await rebalancing.propose(session, market, portfolio, now=NOW)
    await rebalancing.execute(session, market, portfolio, event, now=NOW)
    read = await rebalance_events.shown(session, market, event, now=NOW)
    cut = [line for line in read.fills if line.ordered > 30]
    assert cut
    for line in cut:
        assert (line.status, line.state) == ("reduced", "partially_filled")
        assert f"At most {line.quantity:.0f} shares a session" in (line.reason or "")
    waiting = (await open_orders.read(session, [portfolio.id]))[portfolio.id]
    assert len(waiting) == len(cut)
    assert {order.time_in_force for order in waiting} == {TimeInForce.GTC}

    again = await rebalancing.propose(session, market, portfolio, force=True, now=NOW)
    await rebalancing.execute(session, market, portfolio, again, now=NOW)
    left = (await open_orders.read(session, [portfolio.id]))[portfolio.id]
    assert not {order.id for order in left} & {order.id for order in waiting}
