"""Rebalances as they are kept: what was proposed, and what became of every line of it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import rows
from app.core.errors import NotFound
from app.core.money import to_micros
from app.market_data.snapshot import MarketSnapshot
from app.models import OrderState, Portfolio, RebalanceEvent
from app.quant.costs import EXACT
from app.schemas.rebalance import (
    FillRead,
    OrderRead,
    ProposalBody,
    RebalanceItem,
    RebalanceRead,
)
from app.services import freshness
from app.services.desk import LineStatus

_LINES = """
    SELECT o.id AS order_id, etf.ticker, o.side, o.state, o.reason_code, o.quantity AS ordered,
        o.filled_quantity, last.message, fill.sequence, fill.price_date, fill.fee, fill.net_amount,
        fill.gross
    FROM orders AS o
    JOIN etfs AS etf ON etf.id = o.etf_id
    JOIN LATERAL (
        SELECT message FROM order_events WHERE order_id = o.id ORDER BY number DESC LIMIT 1
    ) AS last ON true
    JOIN LATERAL (
        SELECT min(sequence) AS sequence, max(price_date) AS price_date, sum(fee) AS fee,
            sum(amount) AS net_amount, sum(price * quantity) AS gross
        FROM ledger_entries WHERE order_id = o.id
    ) AS fill ON true
    WHERE o.rebalance_event_id = %(event_id)s
    ORDER BY fill.sequence NULLS LAST, o.side DESC, etf.ticker
    """


async def find(session: AsyncSession, portfolio: Portfolio, event_id: int) -> RebalanceEvent:
    """The portfolio's own proposal; raises NotFound."""
    query = select(RebalanceEvent).where(
        RebalanceEvent.id == event_id, RebalanceEvent.portfolio_id == portfolio.id
    )
    found = await session.scalar(query)
    if found is None:
        raise NotFound("proposal")
    return found


async def listed(
    session: AsyncSession, portfolio: Portfolio, *, limit: int, offset: int
) -> list[RebalanceItem]:
    """The portfolio's proposals, newest first."""
    query = (
        select(RebalanceEvent)
        .where(RebalanceEvent.portfolio_id == portfolio.id)
        .order_by(RebalanceEvent.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [
        RebalanceItem(
            id=event.id,
            status=event.status,
            decided_on=event.as_of,
            created_at=event.created_at,
            executed_at=event.executed_at,
            orders=len(event.proposal["orders"]),
            reason=event.proposal["reason"],
        )
        for event in await session.scalars(query)
    ]


async def shown(
    session: AsyncSession, market: MarketSnapshot, event: RebalanceEvent, *, now: datetime
) -> RebalanceRead:
    """An event as it is answered, with what became of its orders if it was executed."""
    lines = await rows(session, _LINES, {"event_id": event.id}) if event.executed_at else []
    return RebalanceRead(
        **freshness.as_of(market, now),
        **event.proposal,
        id=event.id,
        portfolio_id=event.portfolio_id,
        status=event.status,
        decided_on=event.as_of,
        created_at=event.created_at,
        executed_at=event.executed_at,
        price_date=_price_date(event, lines),
        fills=[*map(_fill, lines), *(_without_order(each) for each in _left_out(event, lines))],
    )


def _left_out(event: RebalanceEvent, lines: Sequence[Any]) -> list[OrderRead]:
    """The lines of an executed event that no order was made of."""
    if event.executed_at is None:
        return []
    made = {(line.ticker, line.side) for line in lines}
    proposed = ProposalBody.model_validate(event.proposal).orders
    return [each for each in proposed if (each.ticker, each.side) not in made]


def _without_order(order: OrderRead) -> FillRead:
    return FillRead(
        ticker=order.ticker,
        side=order.side,
        status=LineStatus.SKIPPED,
        reason=(
            "No order was made of it: the ETF did not trade that session, or a split left nothing."
        ),
        order_id=None,
        state=None,
        reason_code=None,
        ordered=order.quantity,
        sequence=None,
        quantity=None,
        fill_price=None,
        price_date=None,
        fee=None,
        net_amount=None,
    )


def _price_date(event: RebalanceEvent, lines: Sequence[Any]) -> Any:
    return max((line.price_date for line in lines if line.price_date), default=event.as_of)


def _fill(line: Any) -> FillRead:
    filled: Decimal = line.filled_quantity
    with localcontext(EXACT):
        price = to_micros(line.gross / filled) if filled else None
    return FillRead(
        ticker=line.ticker,
        side=line.side,
        status=_status(line.state, filled),
        reason=line.message,
        order_id=line.order_id,
        state=line.state,
        reason_code=line.reason_code,
        ordered=line.ordered,
        sequence=line.sequence,
        quantity=filled or None,
        fill_price=price,
        price_date=line.price_date,
        fee=line.fee,
        net_amount=line.net_amount,
    )


def _status(state: str, filled: Decimal) -> LineStatus:
    if state == OrderState.FILLED:
        return LineStatus.FILLED
    return LineStatus.REDUCED if filled else LineStatus.SKIPPED
