"""The stops of many portfolios acting after a session, as `stopping.check` lets those of one.

What is read is read for all of them together; every verdict, order and alert is made by the same
rules, so that looking again, by whichever way, finds what was done and does nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Portfolio
from app.schemas.settings import StopAction
from app.services import alerts, ledger, open_orders, stopping, verdicts
from app.services.alerts import NewAlert
from app.services.order_life import OrderLife
from app.services.portfolio_checks import Found, Rules
from app.services.valuation import Valuation
from app.services.verdicts import Judged, Occasion


@dataclass(slots=True)
class Acting:
    """What is to be done for some portfolios: by id the orders, then all alerts.

    `blocked` says of portfolios with a position at its stop why that stop did not act.
    """

    orders: dict[int, list[OrderLife]] = field(default_factory=dict)
    stops: int = 0
    alerts: list[NewAlert] = field(default_factory=list)
    blocked: dict[int, str] = field(default_factory=dict)

    def add(self, other: "Acting") -> None:
        self.orders |= other.orders
        self.stops += other.stops
        self.alerts += other.alerts
        self.blocked |= other.blocked


async def act(
    session: AsyncSession,
    occasion: Occasion,
    found: Mapping[int, Found],
    rules: Mapping[int, Rules],
    *,
    told: Mapping[int, str],
    now: datetime,
) -> Acting:
    """Make the resting orders and the alerts that follow from what was found.

    The portfolios are locked and settled. `told` are the triggers of their latest alerts about the
    drawdown rule.
    """
    acting = await _decide(session, occasion, found, rules, now=now)
    for portfolio_id, each in found.items():
        if each.standing is not None:
            said = told.get(portfolio_id)
            acting.alerts += alerts.of_exposure(portfolio_id, each.standing, said, occasion.session)
    query = select(Portfolio).where(Portfolio.id.in_(acting.orders)).order_by(Portfolio.id)
    if acting.orders:
        for portfolio in await session.scalars(query.execution_options(populate_existing=True)):
            orders = acting.orders[portfolio.id]
            await ledger.book_all(session, portfolio, [], now=now, orders=orders)
    acting.alerts = list(await alerts.give(session, acting.alerts, now=now))
    return acting


async def _decide(
    session: AsyncSession,
    occasion: Occasion,
    found: Mapping[int, Found],
    rules: Mapping[int, Rules],
    *,
    now: datetime,
) -> Acting:
    at, acting = occasion.session, Acting()
    breached = [portfolio_id for portfolio_id, each in found.items() if each.breaches]
    done = await stopping.done_by(session, breached, at) if breached else {}
    waiting = await open_orders.read(session, breached) if breached else {}
    for portfolio_id, each in found.items():
        if not each.breaches:
            continue
        worth = Valuation(at, Decimal(0), each.breaches)
        mine = rules[portfolio_id].settings
        before = done.get(portfolio_id, stopping.NOTHING)
        judged = verdicts.judge(occasion, portfolio_id, worth, mine, before)
        if mine.stop_action is StopAction.ALERT:
            acting.alerts += alerts.of_stops(portfolio_id, judged, at)
        elif judged.firing:
            ended = stopping.superseded(
                waiting.get(portfolio_id, ()), judged.firing, at=at, now=now
            )
            new = [
                stopping.resting_order(portfolio_id, verdict, at=at, now=now)
                for verdict in judged.firing
            ]
            acting.orders[portfolio_id] = [*ended, *new]
            acting.stops += len(new)
        if blocked := _blocked(judged):
            acting.blocked[portfolio_id] = blocked
    return acting


def _blocked(judged: Judged) -> str:
    names = [f"{each.line.ticker} ({each.block})" for each in judged.verdicts if each.block]
    return f"At its stop without acting: {', '.join(names)}." if names else ""
