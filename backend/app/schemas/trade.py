"""Orders as they are sent, and trades as they stand in the ledger."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from app.models import FillAt, OrderState, OrderType, TimeInForce
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
from app.schemas.settings import Lax, frozen


class LotChoice(Input):
    """So many shares out of one tax lot."""

    lot: Annotated[int, Field(ge=1, le=2**31 - 1)]
    quantity: QuantityIn


class TradeCreate(Input):
    """One order: `quantity` in shares or `notional` in USD, fees included in a purchase."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"portfolio_id": 1, "ticker": "SPY", "side": "buy", "quantity": "10"},
                {"portfolio_id": 1, "ticker": "SPY", "side": "sell", "notional": "2500.00"},
                {
                    "portfolio_id": 1,
                    "ticker": "SPY",
                    "side": "sell",
                    "quantity": "10",
                    "order_type": "stop_limit",
                    "stop_price": "520.00",
                    "limit_price": "515.00",
                    "time_in_force": "gtc",
                },
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
    stop_price: PriceIn | None = Field(None, description="The price that sets the order off")
    time_in_force: Annotated[TimeInForce, Lax] = Field(
        TimeInForce.DAY, description="`day`: until the close of the next session; `gtc`: for good"
    )
    fill_at: Annotated[FillAt, Lax] = Field(
        FillAt.CLOSE, description="`close`: at the latest close, at once; or at the `next_open`"
    )
    lots: Annotated[tuple[LotChoice, ...], BeforeValidator(frozen)] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="Which tax lots a sale closes; left out: by the portfolio's lot_method",
    )

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.quantity is None) == (self.notional is None):
            raise ValueError("give either quantity or notional")
        return self

    @model_validator(mode="after")
    def _has_its_prices(self) -> Self:
        limits = self.order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT}
        stops = self.order_type in {OrderType.STOP, OrderType.STOP_LIMIT}
        if limits != (self.limit_price is not None):
            raise ValueError("limit and stop_limit orders have a limit_price, others have none")
        if stops != (self.stop_price is not None):
            raise ValueError("stop and stop_limit orders have a stop_price, others have none")
        return self

    @model_validator(mode="after")
    def _chosen_lots_are_sold(self) -> Self:
        if self.lots is None:
            return self
        if self.side is not Side.SELL or self.quantity is None:
            raise ValueError("lots are chosen for a sale of a quantity")
        if len({choice.lot for choice in self.lots}) != len(self.lots):
            raise ValueError("each lot is named once")
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


class TradeReceipt(AsOf):
    """The order just taken, what of it was traded at once, and what is left.

    What belongs to a fill is null while nothing is filled, which `waiting` explains.
    """

    portfolio_id: int
    order_id: UUID
    state: OrderState = Field(examples=["filled"])
    ticker: str = Field(examples=["SPY"])
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    fill_at: FillAt
    limit_price: Exact | None
    stop_price: Exact | None
    quantity: Exact = Field(description="The shares ordered")
    filled_quantity: Exact
    waiting: str | None = Field(description="What the shares that are not filled wait for")
    session: date = Field(description="The latest session when the order was taken")
    sequence: int | None = Field(description="Its place in the portfolio's ledger")
    executed_at: datetime | None
    reference_price: Exact | None = Field(description="The close the fill was priced from")
    price_date: date | None = Field(description="The session of that close")
    fill_price: Exact | None = Field(description="After spread, slippage and impact")
    fee: Exact | None
    net_amount: Exact | None = Field(description="The signed change of cash, fee included")
    reason: str
    idempotency_key: str | None
    rebalance_event_id: int | None
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
