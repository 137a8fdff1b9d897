"""Proposals of a rebalance as they are stored, with lines that were drawn."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncSession

from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio, RebalanceEvent, RebalanceStatus
from app.schemas.rebalance import OrderRead, ProposalBody
from app.services import rebalancing
from tests.statemachine.exact import decimal
from tests.statemachine.tape import SESSIONS, Tape

ZERO = Decimal(0)


def event(
    market: MarketSnapshot,
    portfolio: Portfolio,
    tape: Tape,
    lines: Sequence[tuple[int, str, Fraction]],
    *,
    now: datetime,
) -> RebalanceEvent:
    """Decided at the latest close; what only people read is left empty."""
    body = ProposalBody(
        needs_rebalancing=True,
        reason="Drawn.",
        forced=False,
        budget=None,
        total_value=ZERO,
        cash_before=portfolio.cash,
        cash_after=ZERO,
        estimated_cost=ZERO,
        max_drift=0.0,
        turnover=0.0,
        shortfall=None,
        orders=[
            OrderRead(
                ticker=tape.ticker(etf),
                side=side,
                quantity=decimal(quantity),
                reference_price=decimal(tape.last(etf, tape.latest).price),
                price_date=SESSIONS[tape.latest],
                value=ZERO,
                estimated_cost=ZERO,
                net_amount=ZERO,
                reason="Drawn.",
            )
            for etf, side, quantity in lines
        ],
        dropped=[],
        passed_over=[],
        weights=[],
    )
    return RebalanceEvent(
        portfolio_id=portfolio.id,
        as_of=market.latest_session,
        status=RebalanceStatus.PROPOSED,
        decided_at_sequence=portfolio.last_sequence,
        proposal=body.model_dump(mode="json"),
        targets={},
        data_version=market.data_version,
        created_at=now,
        executed_at=None,
    )


async def execute(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    number: int,
    *,
    now: datetime,
) -> None:
    found = await session.get_one(RebalanceEvent, number)
    await rebalancing.execute(session, market, portfolio, found, now=now)
