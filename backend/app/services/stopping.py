"""Stops that act: a breach makes one sell order, or one alert, and nothing else does.

Whether a stop acts is `verdicts.judge`'s to say. What it needs is read here, for any number of
portfolios in the same few queries; what follows is written here, for one portfolio at a time.

A stop acts once per position and session: its order's id is made of the portfolio, the ETF, the day
the position was opened and the session, and an ETF has one open stop order at most. Looking again,
after a restart or a thousand times, finds that order and makes none.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.market_data.snapshot import MarketSnapshot
from app.models import (
    OPEN_STATES,
    FillAt,
    Order,
    OrderOrigin,
    OrderState,
    OrderType,
    Portfolio,
    QuarantinedBar,
    TimeInForce,
)
from app.quant.costs import Side
from app.schemas.settings import StopAction, stored_settings
from app.services import (
    alerts,
    exposure,
    freshness,
    ledger,
    open_orders,
    stops,
    strategy,
    trading,
    valuation,
    verdicts,
)
from app.services.alerts import NewAlert
from app.services.desk import Batch
from app.services.exposure import Standing
from app.services.order_life import OrderLife, ReasonCode
from app.services.verdicts import Done, Judged, Occasion, Verdict

NOTHING = Done()
BUYS_BY_ITSELF = frozenset({OrderOrigin.REBALANCE, OrderOrigin.REINVESTMENT})
"""Whose open purchases a stop ends; what its owner ordered is the owner's to cancel."""


@dataclass(frozen=True, slots=True)
class Acted:
    """A stop that acted: its order, filled or resting, or why it could not be traded."""

    verdict: Verdict
    order: OrderLife
    reason: str | None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look at a portfolio's stops found, and what followed from it."""

    occasion: Occasion
    judged: Judged
    acted: tuple[Acted, ...]
    alerts: tuple[NewAlert, ...]
    standing: Standing


async def check(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    at: date,
    now: datetime,
    unattended: bool,
) -> Checked:
    """Look at every position at the close of `at`, and act.

    The portfolio is locked and settled. Unattended, an order rests until the next session's open,
    and none is made while the market is behind the clock; for a person who asks it is filled at the
    close. Raises PortfolioClosed.
    """
    portfolio.require_active()
    occasion = await occasion_of(session, market, at, now=now if unattended else None)
    settings = strategy.settings_of(portfolio)
    book = await ledger.current_book(session, portfolio)
    worth = valuation.value(market, book.cash, book.holdings.values(), at)
    done = (await done_by(session, [portfolio.id], at)).get(portfolio.id, NOTHING)
    judged = verdicts.judge(occasion, portfolio.id, worth, settings, done)

    acted: tuple[Acted, ...] = ()
    standing = await exposure.standing(session, portfolio, at)
    told = (await alerts.latest_drawdowns(session, [portfolio.id])).get(portfolio.id)
    wanted = alerts.of_exposure(portfolio.id, standing, told, at)
    if settings.stop_action is StopAction.ALERT:
        wanted += alerts.of_stops(portfolio.id, judged, at)
    elif judged.firing:
        await _end_purchases(session, portfolio, judged.firing, at=at, now=now)
        act = _rest if unattended else _sell
        acted = await act(session, market, portfolio, judged.firing, at=at, now=now)
    given = await alerts.give(session, wanted, now=now)
    return Checked(occasion, judged, acted, given, standing)


async def occasion_of(
    session: AsyncSession, market: MarketSnapshot, at: date, *, now: datetime | None
) -> Occasion:
    """What holds for all portfolios of a market; with `now`, how far behind the clock it is."""
    query = select(QuarantinedBar.ticker).where(
        QuarantinedBar.market == market.code, QuarantinedBar.session == at
    )
    rows = [market.row_of.get(ticker) for ticker in await session.scalars(query)]
    return Occasion(
        market,
        at,
        quarantined=frozenset(market.etfs[row].id for row in rows if row is not None),
        splitting=verdicts.splitting_on(market, at),
        sessions_behind=0 if now is None else freshness.behind(market, now),
    )


async def done_by(
    session: AsyncSession, portfolio_ids: Sequence[int], at: date
) -> Mapping[int, Done]:
    """What the stops of these portfolios have done; those that have done nothing are left out."""
    query = select(Order.portfolio_id, Order.etf_id, Order.id, Order.session, Order.state).where(
        Order.portfolio_id.in_(portfolio_ids),
        Order.origin == OrderOrigin.STOP,
        or_(Order.state.in_(OPEN_STATES), Order.session == at),
    )
    found: dict[int, list[Any]] = defaultdict(list)
    for row in await session.execute(query):
        found[row.portfolio_id].append(row)
    alerted = await alerts.latest_stops(session, portfolio_ids)
    return {
        portfolio_id: Done(
            ordered={row.etf_id: row.id for row in found[portfolio_id] if row.state in OPEN_STATES},
            order_ids=frozenset(row.id for row in found[portfolio_id] if row.session == at),
            alerted=alerted.get(portfolio_id, {}),
        )
        for portfolio_id in found.keys() | alerted.keys()
    }


def resting_order(portfolio_id: int, verdict: Verdict, *, at: date, now: datetime) -> OrderLife:
    """The order that sells the whole position at the next session's open."""
    order = OrderLife(
        id=verdicts.order_id_of(portfolio_id, verdict.line, at),
        etf_id=verdict.line.etf_id,
        side=Side.SELL,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.GTC,
        fill_at=FillAt.NEXT_OPEN,
        quantity=verdict.line.quantity,
        limit_price=None,
        stop_price=None,
        origin=OrderOrigin.STOP,
        reason=verdict.exit.reason,
        picks=None,
        idempotency_key=None,
        rebalance_event_id=None,
        session=at,
        created_at=now,
    )
    return order.received().accepted()


async def _rest(
    session: AsyncSession,
    market: MarketSnapshot,  # noqa: ARG001 - as `_sell`
    portfolio: Portfolio,
    firing: Sequence[Verdict],
    *,
    at: date,
    now: datetime,
) -> tuple[Acted, ...]:
    orders = [resting_order(portfolio.id, each, at=at, now=now) for each in firing]
    await ledger.book_all(session, portfolio, [], now=now, orders=orders)
    return tuple(Acted(each, order, None) for each, order in zip(firing, orders, strict=True))


async def _sell(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    firing: Sequence[Verdict],
    *,
    at: date,
    now: datetime,
) -> tuple[Acted, ...]:
    """Fill at the close of `at`; what one session's volume does not take waits for the next."""
    settings = stored_settings(portfolio.settings)
    acted = []
    for each in firing:
        order = stops.sale(market, settings, each.exit, each.line.quantity, at=at)
        batch = Batch(
            OrderOrigin.STOP,
            verdicts.source_of(portfolio.id, each.line, at),
            rests=True,
            time_in_force=TimeInForce.GTC,
        )
        (outcome,) = await trading.execute(
            session, market, portfolio, [order], as_of=at, now=now, batch=batch
        )
        assert outcome.life is not None
        acted.append(Acted(each, outcome.life, outcome.reason))
    return tuple(acted)


async def _end_purchases(
    session: AsyncSession,
    portfolio: Portfolio,
    firing: Sequence[Verdict],
    *,
    at: date,
    now: datetime,
) -> None:
    waiting = (await open_orders.read(session, [portfolio.id])).get(portfolio.id, ())
    cancelled = superseded(waiting, firing, at=at, now=now)
    await ledger.book_all(session, portfolio, [], now=now, orders=cancelled)


def superseded(
    waiting: Sequence[OrderLife], firing: Sequence[Verdict], *, at: date, now: datetime
) -> list[OrderLife]:
    """What the portfolio by itself is still buying of an ETF that is being sold, cancelled."""
    sold = {each.line.etf_id for each in firing}
    return [
        order.changed(
            OrderState.CANCELLED,
            ReasonCode.SUPERSEDED,
            session=at,
            at=now,
            message="The position's stop has acted since.",
        )
        for order in waiting
        if order.side is Side.BUY and order.etf_id in sold and order.origin in BUYS_BY_ITSELF
    ]
