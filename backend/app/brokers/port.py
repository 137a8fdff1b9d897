"""Where orders go: what every broker takes and gives."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from app.quant.costs import Fill, Side
from app.quant.sizing import Quote


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """One order on its way out. `order_id` stays the same when it is sent again.

    `limit_price` is the worst price that the sender takes; None takes any.
    """

    order_id: UUID
    ticker: str
    side: Side
    quantity: Decimal
    quote: Quote
    limit_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The broker did not take the order; `reason` is a sentence."""

    reason: str


class Broker(Protocol):
    """Fills an order whole or rejects it whole; sent twice, an order has its effect once."""

    async def place(self, order: BrokerOrder) -> Fill | Rejected: ...
