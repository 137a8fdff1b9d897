"""The broker that is none: every order fills at once, at the cost model's price."""

from dataclasses import dataclass

from app.brokers.port import BrokerOrder, Rejected
from app.quant.costs import CostModel, Fill, Order
from app.quant.fills import fill_within


@dataclass(frozen=True, slots=True)
class PaperBroker:
    """Fills from the reference price, whole. It has no memory: the ledger says what was done."""

    costs: CostModel

    async def place(self, order: BrokerOrder) -> Fill | Rejected:
        quote = order.quote
        wanted = Order(order.side, order.quantity, quote.reference, quote.liquidity)
        try:
            return fill_within(wanted, self.costs, order.limit_price)
        except ValueError as error:
            return Rejected(f"The order cannot be filled: {error}.")
