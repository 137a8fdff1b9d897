"""Orders as they stand, and the changes that they went through."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models import FillAt, OrderOrigin, OrderState, OrderType, TimeInForce
from app.quant.costs import Side
from app.schemas.base import Exact, Input, Output, Ticker


class StateWanted(StrEnum):
    """A state of an order, or `open` for all that can still fill."""

    OPEN = "open"
    NEW = "new"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


class OrderFilter(Input):
    """Which orders to list."""

    model_config = ConfigDict(strict=False)

    state: StateWanted | None = Field(None, description="`open`: all that can still fill")
    ticker: Ticker | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class LotRead(Output):
    """So many shares of one tax lot, which the order is to sell."""

    lot: int
    quantity: Exact


class OrderRead(Output):
    """An order as it stands; after a split, in the shares that came of it."""

    id: UUID
    portfolio_id: int
    market: str = Field(examples=["us"])
    simulated: bool
    ticker: str = Field(examples=["SPY"])
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    fill_at: FillAt
    quantity: Exact
    filled_quantity: Exact
    fill_price: Exact | None = Field(description="The average of its fills, null before the first")
    limit_price: Exact | None
    stop_price: Exact | None
    triggered_on: date | None = Field(description="The session that set off its stop")
    state: OrderState
    reason_code: str = Field(
        description="Why it is in this state, for programs", examples=["insufficient_cash"]
    )
    message: str | None = Field(description="The same as a sentence, where there is more to say")
    origin: OrderOrigin
    reason: str = Field(description="Why it is wanted")
    lots: list[LotRead] | None = Field(description="The tax lots it sells; null: by the rules")
    idempotency_key: str | None
    rebalance_event_id: int | None
    session: date = Field(description="It sees the bars of the sessions after this one")
    created_at: datetime
    updated_at: datetime


class OrderEventRead(Output):
    """One change of an order's state."""

    number: int = Field(description="Counts the changes of this order from 1")
    state: OrderState
    reason_code: str
    message: str | None
    session: date = Field(description="The session it belongs to")
    at: datetime = Field(description="When it was written down")
    quantity: Exact | None = Field(description="The shares it filled; null where it filled none")
    price: Exact | None = Field(description="The price they were filled at")


class OrderDetail(OrderRead):
    events: list[OrderEventRead] = Field(description="Its life so far, oldest first")
