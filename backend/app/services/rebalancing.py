"""Rebalancing: how far a portfolio is from its rules, what to do about it, and doing it once.

Deciding and filling are apart: what is decided at a close may be filled at that close (by a person
who asks for it) or at the next one (by everything unattended).
"""

import asyncio
from datetime import date, datetime
from decimal import Decimal, localcontext

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Conflict
from app.market_data.snapshot import MarketSnapshot
from app.models import OrderOrigin, Portfolio, RebalanceEvent, RebalanceStatus, TimeInForce
from app.quant.book import ProposedOrder
from app.quant.costs import EXACT, Side
from app.schemas.rebalance import OrderRead, ProposalBody, RebalanceRequest
from app.schemas.settings import hash_of
from app.services import (
    cooldowns,
    deciding,
    marking,
    open_orders,
    proposing,
    settling,
    strategy,
    trading,
    valuation,
)
from app.services.deciding import Decision
from app.services.desk import Batch
from app.services.order_life import ReasonCode
from app.services.trading import LineOutcome

GOOD_FOR = 5
"""Sessions after which a proposal speaks of another market."""


class OutOfDate(Conflict):
    """The proposal was right when it was made, and is not any more."""


async def rebalance(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    wanted: RebalanceRequest,
    *,
    now: datetime,
    idempotency_key: str | None = None,
) -> RebalanceEvent:
    """Propose, and if that is wanted trade it at once; raises what both of them raise.

    The ids of the orders come from the key where there is one: a request that is sent again because
    nobody knows what became of it makes another event, and must make the same orders.
    """
    event = await propose(
        session, market, portfolio, force=wanted.force, budget=wanted.budget, now=now
    )
    if wanted.execute:
        source = None
        if idempotency_key is not None:
            source = f"key:{portfolio.owner_id}:{idempotency_key}"
        await execute(
            session,
            market,
            portfolio,
            event,
            now=now,
            idempotency_key=idempotency_key,
            source=source,
        )
    return event


async def propose(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    force: bool = False,
    budget: Decimal | None = None,
    now: datetime,
) -> RebalanceEvent:
    """Decide at the market's latest close and keep the proposal; nothing is traded.

    The caller holds the lock on the portfolio. Inside the bands the proposal is empty, unless
    `force`; `budget` invests so much of the cash and sells nothing. Raises what `decide` raises,
    and QuantError where the budget exceeds the cash.
    """
    portfolio.require_active()
    await settling.settle(session, market, portfolio, now=now)
    decision = await deciding.decide(session, market, portfolio)
    return await record(session, market, portfolio, decision, force=force, budget=budget, now=now)


async def record(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    decision: Decision,
    *,
    force: bool = False,
    budget: Decimal | None = None,
    now: datetime,
) -> RebalanceEvent:
    """Turn a decision into a stored proposal."""
    body = await asyncio.to_thread(proposing.proposal, market, decision, force=force, budget=budget)
    idle = not body.orders and not body.needs_rebalancing
    kept = await deciding.executed_targets(session, portfolio.id) if idle else None
    event = RebalanceEvent(
        portfolio_id=portfolio.id,
        as_of=decision.session,
        status=RebalanceStatus.PROPOSED,
        decided_at_sequence=portfolio.last_sequence,
        rules_hash=hash_of(portfolio.settings),
        proposal=body.model_dump(mode="json"),
        # Where nothing is to be done, what was aimed at stays what is aimed at.
        targets=decision.targets.weights if kept is None else kept,
        data_version=market.data_version,
        created_at=now,
        executed_at=None,
    )
    session.add(event)
    await session.flush()
    return event


async def execute(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    event: RebalanceEvent,
    *,
    now: datetime,
    idempotency_key: str | None = None,
    source: str | None = None,
) -> tuple[LineOutcome, ...]:
    """Trade a stored proposal at the market's latest close, once. The portfolio is locked.

    The ids of the orders come from `source`, or else from the event, whatever key is sent with it.
    Raises Conflict where it was executed already, and OutOfDate where the book has changed since,
    a price it was sized at was corrected, or more than 5 sessions have passed.
    """
    portfolio.require_active()
    event.require_proposed()
    await settling.settle(session, market, portfolio, now=now)
    objection = _objection(market, portfolio, event) or await _stopped_out(
        session, market, portfolio, event
    )
    if objection is not None:
        raise OutOfDate(f"{objection}: ask for a new proposal.")
    outcomes = await fill(
        session,
        market,
        portfolio,
        event,
        as_of=market.latest_session,
        now=now,
        idempotency_key=idempotency_key,
        source=source,
    )
    await marking.mark_portfolios(session, market, [portfolio], now=now)
    return outcomes


def _objection(market: MarketSnapshot, portfolio: Portfolio, event: RebalanceEvent) -> str | None:
    if portfolio.last_sequence != event.decided_at_sequence:
        return "The book has changed since the proposal"
    if event.rules_hash not in {None, hash_of(portfolio.settings)}:
        return "The portfolio's rules have changed since the proposal"
    age = market.column(market.latest_session) - market.column(event.as_of)
    if age > GOOD_FOR:
        return f"The proposal is {age} sessions old"
    if event.data_version == market.data_version:
        return None
    for order in body_of(event).orders:
        last = valuation.last_price(market, market.row(order.ticker), event.as_of)
        if last is None or last.price != order.reference_price:
            return f"The price of {order.ticker} on {event.as_of} was corrected since the proposal"
    return None


async def _stopped_out(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, event: RebalanceEvent
) -> str | None:
    """A stop order that rests has not changed the book, and its ETF must not be bought."""
    policy = strategy.stop_policy(strategy.settings_of(portfolio))
    barred = await cooldowns.barred(
        session, market, portfolio, at=market.latest_session, policy=policy
    )
    bought = (order.ticker for order in body_of(event).orders if order.side == Side.BUY)
    stopped = next((ticker for ticker in bought if ticker in barred), None)
    return None if stopped is None else f"{stopped} was stopped out since the proposal"


async def fill(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    event: RebalanceEvent,
    *,
    as_of: date,
    now: datetime,
    unattended: bool = False,
    idempotency_key: str | None = None,
    source: str | None = None,
) -> tuple[LineOutcome, ...]:
    """Trade the orders of an event at the close of `as_of`, whatever happened since.

    Shares are those of `as_of`: an order sized before a split is multiplied by it. Orders that
    cannot be filled are skipped and purchases cut to the cash there is. Nobody is there to look at
    the date of a price where it is `unattended`: then only closes of the very session are traded.
    """
    step = strategy.order_settings(strategy.settings_of(portfolio)).step
    span = event.as_of, as_of
    orders = [_order(market, order, span, step) for order in body_of(event).orders]
    if unattended:
        orders = [order for order in orders if valuation.trades_on(market, order.ticker, as_of)]
    batch = Batch(
        OrderOrigin.REBALANCE,
        source or f"event:{event.id}",
        event_id=event.id,
        idempotency_key=idempotency_key,
        rests=not unattended,
        time_in_force=TimeInForce.GTC,
    )
    superseded = await open_orders.cancelled(
        session,
        portfolio,
        ReasonCode.SUPERSEDED,
        on=as_of,
        at=now,
        origin=OrderOrigin.REBALANCE,
    )
    outcomes = await trading.execute(
        session, market, portfolio, orders, as_of=as_of, now=now, batch=batch, ended=superseded
    )
    event.status = RebalanceStatus.EXECUTED
    event.executed_at = now
    await session.flush()
    return outcomes


def body_of(event: RebalanceEvent) -> ProposalBody:
    return ProposalBody.model_validate(event.proposal)


def _order(
    market: MarketSnapshot, order: OrderRead, span: tuple[date, date], step: Decimal
) -> ProposedOrder:
    row = market.row(order.ticker)
    ratio = valuation.shares_per_share(market, row, span)
    quantity = order.quantity
    if ratio != 1:
        with localcontext(EXACT):
            quantity = quantity * ratio.numerator / ratio.denominator // step * step
    return ProposedOrder(
        order.ticker,
        Side(order.side),
        quantity,
        valuation.in_shares_of(market, row, order.reference_price, span),
        order.value,
        order.estimated_cost,
        order.net_amount,
        order.reason,
    )
