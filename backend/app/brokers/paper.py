"""The broker that is none: every order fills at once, at the cost model's price."""

from dataclasses import dataclass
from decimal import Decimal

from app.brokers.port import BrokerOrder, Rejected
from app.quant.costs import CostModel, Fill, Side


@dataclass(frozen=True, slots=True)
class PaperBroker:
    """Fills from the reference close, whole. It has no memory: the ledger says what was done."""

    costs: CostModel

    async def place(self, order: BrokerOrder) -> Fill | Rejected:
        fill = order.quote.fill(order.side, order.quantity, self.costs)
        if order.limit_price is not None and not _meets(order.side, fill.price, order.limit_price):
            return Rejected(
                f"At the last close the order fills at {fill.price.normalize():f}, "
                f"{'above' if order.side is Side.BUY else 'below'} its limit: "
                "orders that wait for a better price are not kept."
            )
        return fill


def _meets(side: Side, price: Decimal, limit: Decimal) -> bool:
    return price <= limit if side is Side.BUY else price >= limit
