"""Orders as they are sent, and trades as they stand in the ledger."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from app.quant.costs import Side
from app.schemas.base import (
    Day,
    Exact,
    Input,
    Output,
    PositiveAmountIn,
    PriceIn,
    QuantityIn,
    Ticker,
)
from app.schemas.market import AsOf
from app.schemas.settings import Lax


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"


class TradeCreate(Input):
    """One order: `quantity` in shares or `notional` in USD, fees included in a purchase."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"portfolio_id": 1, "ticker": "SPY", "side": "buy", "quantity": "10"},
                {"portfolio_id": 1, "ticker": "SPY", "side": "sell", "notional": "2500.00"},
            ]
        }
    )

    portfolio_id: Annotated[int, Field(ge=1, le=2**31 - 1)]
    ticker: Ticker
    side: Annotated[Side, Lax]
    quantity: QuantityIn | None = None
    notional: PositiveAmountIn | None = Field(
        None, description="The largest quantity that costs no more, or sells for no more, is traded"
    )
    order_type: Annotated[OrderType, Lax] = OrderType.MARKET
    limit_price: PriceIn | None = Field(None, description="The worst price to trade at")

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.quantity is None) == (self.notional is None):
            raise ValueError("give either quantity or notional")
        return self

    @model_validator(mode="after")
    def _limit_has_its_price(self) -> Self:
        if (self.order_type is OrderType.LIMIT) != (self.limit_price is not None):
            raise ValueError("a limit order has a limit_price, a market order has none")
        return self


class TradeRead(Output):
    """A trade at its place in the portfolio's ledger."""

    portfolio_id: int
    market: str = Field(examples=["us"])
    simulated: bool
    sequence: int = Field(description="Counts all entries of the portfolio's ledger, cash included")
    executed_at: datetime
    session: date = Field(description="The session whose close the trade belongs to")
    ticker: str = Field(examples=["SPY"])
    side: Side
    quantity: Exact
    reference_price: Exact = Field(description="The close the order was priced from")
    price_date: date = Field(description="The session of that close; before `session` if carried")
    fill_price: Exact = Field(description="After spread, slippage and impact")
    fee: Exact
    net_amount: Exact = Field(description="The signed change of cash, fee included")
    reason: str
    order_id: UUID | None
    idempotency_key: str | None
    rebalance_event_id: int | None


class TradeReceipt(TradeRead, AsOf):
    """The trade just made, and what is left."""

    cash: Exact = Field(description="What the portfolio has afterwards")


class TradeFilter(Input):
    """Which trades to list; both dates included, counted by `session`."""

    model_config = ConfigDict(strict=False)

    ticker: Ticker | None = None
    side: Side | None = None
    start_date: Day | None = None
    end_date: Day | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        if self.start_date and self.end_date and self.start_date > self.end_date:
            raise ValueError("start_date is after end_date")
        return self
