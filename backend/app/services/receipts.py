"""What whoever traded or moved cash gets in their hand."""

from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.schemas.cash import CashRead
from app.schemas.trade import TradeReceipt
from app.services import freshness
from app.services.ledger import Booked
from app.services.trading import Trade


def of_trade(market: MarketSnapshot, portfolio: Portfolio, trade: Trade) -> TradeReceipt:
    booked, entry = trade.booked, trade.booked.entry
    assert entry.quantity is not None
    assert entry.reference_price is not None
    assert entry.price is not None
    assert entry.price_date is not None
    return TradeReceipt(
        **freshness.as_of(market, booked.booked_at),
        portfolio_id=portfolio.id,
        sequence=booked.sequence,
        executed_at=booked.booked_at,
        session=entry.session,
        ticker=trade.ticker,
        side=trade.side,
        quantity=entry.quantity,
        reference_price=entry.reference_price,
        price_date=entry.price_date,
        fill_price=entry.price,
        fee=entry.fee,
        net_amount=entry.amount,
        reason=entry.reason,
        order_id=entry.order_id,
        idempotency_key=entry.idempotency_key,
        rebalance_event_id=entry.rebalance_event_id,
        cash=portfolio.cash,
    )


def of_cash(market: MarketSnapshot, portfolio: Portfolio, booked: Booked) -> CashRead:
    return CashRead(
        portfolio_id=portfolio.id,
        market=market.code,
        simulated=market.simulated,
        sequence=booked.sequence,
        kind=booked.entry.kind,
        amount=booked.entry.amount,
        cash=portfolio.cash,
        session=booked.entry.session,
        booked_at=booked.booked_at,
        reason=booked.entry.reason,
    )
