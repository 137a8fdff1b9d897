"""Trades: send one order, read the history."""

from collections.abc import Sequence
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Header, Query, Response
from pydantic import TypeAdapter

from app.api.deps import (
    IdempotencyKeyHeader,
    PortfolioDep,
    ResourcesDep,
    SessionDep,
    TransactionDep,
)
from app.api.errors import problems
from app.api.transaction import Transaction
from app.core.clock import utc_now
from app.core.csv_text import csv_text
from app.schemas.trade import TradeCreate, TradeFilter, TradeRead, TradeReceipt
from app.services import ledger, receipts, trade_history, trading
from app.services.order_life import id_of_key
from app.services.trading import ticket_of

router = APIRouter(prefix="/api/trades", tags=["trades"], route_class=Transaction)

CSV = "text/csv"
_TRADES = TypeAdapter(list[TradeRead])


@router.post("", status_code=201, response_model=TradeReceipt, responses=problems(404, 409))
async def place(
    body: TradeCreate,
    session: TransactionDep,
    resources: ResourcesDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> Response:
    """Take one order on paper. What the latest close fills is traded at once; the rest waits.

    `state` says how far it came; what waits is filled when a later session's prices reach it, and
    `DELETE /api/orders/{portfolio_id}/{order_id}` cancels it. Send an `Idempotency-Key` and repeat
    the request as often as you like: it trades once.
    """
    owner_id = resources.owner_id
    portfolio, holdings = await ledger.lock(session, owner_id, body.portfolio_id, body.ticker)
    market = await resources.market_data.snapshot(session, portfolio.market)
    order_id = id_of_key(owner_id, idempotency_key) if idempotency_key else uuid4()
    ticket = ticket_of(body, order_id, idempotency_key)
    now = utc_now()
    placed = await trading.place(session, market, portfolio, ticket, now=now, holdings=holdings)
    receipt = receipts.of_order(market, portfolio, placed, now=now)
    return Response(receipt.model_dump_json(), 201, media_type="application/json")


@router.get(
    "/{portfolio_id}",
    response_model=list[TradeRead],
    responses=problems(404)
    | {200: {"content": {CSV: {"schema": {"type": "string"}}}, "description": "Oldest first"}},
)
async def show(
    portfolio: PortfolioDep,
    session: SessionDep,
    wanted: Annotated[TradeFilter, Query()],
    accept: Annotated[str, Header(description="`text/csv` for a table")] = "application/json",
) -> Response:
    """The trades of a portfolio in the order of its ledger, as JSON or CSV."""
    found = await trade_history.trades(session, portfolio, wanted, now=utc_now())
    if CSV in accept:
        return Response(_table(found), media_type=CSV)
    return Response(_TRADES.dump_json(found), media_type="application/json")


def _table(trades: Sequence[TradeRead]) -> str:
    names = list(TradeRead.model_fields)
    return csv_text(names, ([getattr(trade, name) for name in names] for trade in trades))
