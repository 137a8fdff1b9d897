"""The paper broker: the cost model's price, or a rejection."""

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.brokers import BrokerOrder, PaperBroker, Rejected
from app.quant.costs import CostModel, Fill, Side
from app.quant.sizing import Quote

COSTS = CostModel()
QUOTE = Quote(Decimal(100))


def order(side: Side, quantity: str = "10", limit: str | None = None) -> BrokerOrder:
    limit_price = Decimal(limit) if limit else None
    return BrokerOrder(UUID(int=1), "SPY", side, Decimal(quantity), QUOTE, limit_price)


async def test_an_order_fills_whole_at_the_price_of_the_cost_model() -> None:
    fill = await PaperBroker(COSTS).place(order(Side.BUY))
    assert fill == QUOTE.fill(Side.BUY, Decimal(10), COSTS)
    assert isinstance(fill, Fill)
    assert (fill.price, fill.net) == (Decimal("100.05"), Decimal("-1001.50"))


async def test_the_same_order_sent_again_gets_the_same_answer() -> None:
    broker = PaperBroker(COSTS)
    assert await broker.place(order(Side.SELL)) == await broker.place(order(Side.SELL))


@pytest.mark.parametrize(
    ("side", "limit", "fills"),
    [
        (Side.BUY, "100", True),
        (Side.BUY, "99.999999", False),
        (Side.SELL, "100", True),
        (Side.SELL, "100.000001", False),
    ],
)
async def test_a_limit_is_met_by_the_reference_and_not_by_one_a_millionth_worse(
    side: Side, limit: str, *, fills: bool
) -> None:
    answer = await PaperBroker(COSTS).place(order(side, limit=limit))
    assert isinstance(answer, Fill if fills else Rejected)


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "100.02"), (Side.SELL, "99.98")])
async def test_frictions_never_take_a_fill_beyond_its_limit(side: Side, limit: str) -> None:
    fill = await PaperBroker(COSTS).place(order(side, limit=limit))
    assert isinstance(fill, Fill)
    assert fill.price == Decimal(limit)


@given(st.integers(1, 10**9), st.sampled_from(Side))
async def test_nobody_trades_at_a_price_better_than_the_reference(micros: int, side: Side) -> None:
    fill = await PaperBroker(COSTS).place(order(side, str(Decimal(micros).scaleb(-6))))
    assert isinstance(fill, Fill)
    assert fill.price >= 100 if side is Side.BUY else fill.price <= 100
