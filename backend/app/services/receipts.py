"""What whoever traded or moved cash gets in their hand."""

from datetime import datetime

from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.schemas.cash import CashRead
from app.schemas.trade import TradeReceipt
from app.services import freshness
from app.services.entry import Booked
from app.services.order_life import waiting_for
from app.services.trading import Placed


def of_order(
    market: MarketSnapshot, portfolio: Portfolio, placed: Placed, *, now: datetime
) -> TradeReceipt:
    order = placed.order
    booked = placed.trade.booked if placed.trade else None
    entry = booked.entry if booked else None
    return TradeReceipt(
        **freshness.as_of(market, now),
        portfolio_id=portfolio.id,
        order_id=order.id,
        state=order.state,
        ticker=placed.ticker,
        side=order.side,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        fill_at=order.fill_at,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        waiting=waiting_for(order),
        session=order.session,
        sequence=booked.sequence if booked else None,
        executed_at=booked.booked_at if booked else None,
        reference_price=entry.reference_price if entry else None,
        price_date=entry.price_date if entry else None,
        fill_price=entry.price if entry else None,
        fee=entry.fee if entry else None,
        net_amount=entry.amount if entry else None,
        reason=order.reason,
        idempotency_key=order.idempotency_key,
        rebalance_event_id=order.rebalance_event_id,
        cash=portfolio.cash,
    )


def of_cash(market: MarketSnapshot, portfolio: Portfolio, booked: Booked) -> CashRead:
    entry = booked.entry
    ticker = None if entry.etf_id is None else market.etfs[market.row_of_id[entry.etf_id]].ticker
    return CashRead(
        portfolio_id=portfolio.id,
        market=market.code,
        simulated=market.simulated,
        sequence=booked.sequence,
        kind=entry.kind,
        ticker=ticker,
        amount=entry.amount,
        cash=portfolio.cash,
        session=entry.session,
        booked_at=booked.booked_at,
        reason=entry.reason,
        source=entry.source,
    )
