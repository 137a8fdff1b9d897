"""A rebalance as it is asked for, stored and answered."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.models import OrderState
from app.schemas.base import Exact, Input, Output, PositiveAmountIn
from app.schemas.market import AsOf
from app.schemas.recommendation import PassedOver


class RebalanceRequest(Input):
    execute: bool = Field(default=False, description="Also trade what is proposed, at once.")
    force: bool = Field(default=False, description="Propose orders also inside the bands.")
    budget: Annotated[
        PositiveAmountIn | None,
        Field(
            description="Invest at most so much of the cash, costs included, and sell nothing.",
            examples=["5000.00"],
        ),
    ] = None


class OrderRead(Output):
    ticker: str = Field(examples=["SPY"])
    side: str = Field(examples=["buy"])
    quantity: Exact
    reference_price: Exact = Field(description="The close the order is sized at")
    price_date: date
    value: Exact = Field(description="Quantity at the reference price")
    estimated_cost: Exact = Field(description="Spread, slippage, impact and fees, by the model")
    net_amount: Exact = Field(description="The signed change of cash that is expected of it")
    reason: str = Field(examples=["enters the target set: rank 3"])


class DroppedOrderRead(Output):
    """An order that would bring a name to its target and is not made."""

    ticker: str
    side: str
    value: Exact
    reason: str = Field(examples=["worth 1,200.00, under the minimum trade of 5,000.00"])


class WeightRead(Output):
    ticker: str
    before: float
    target: float
    after: float = Field(description="As the cost model expects the orders to fill")
    reason: str | None = Field(description="Why it is wanted; null if it is not")


class ProposalBody(Output):
    """What was decided and why, as it is stored."""

    needs_rebalancing: bool
    reason: str = Field(examples=["BND entered the target set."])
    forced: bool
    budget: Exact | None
    total_value: Exact
    cash_before: Exact
    cash_after: Exact
    estimated_cost: Exact
    max_drift: float
    turnover: float
    shortfall: str | None = Field(description="Where fewer names were eligible than asked for")
    orders: list[OrderRead] = Field(description="Sells first; empty when nothing is to be done")
    dropped: list[DroppedOrderRead]
    passed_over: list[PassedOver]
    weights: list[WeightRead] = Field(description="Every name that is held or wanted, by ticker")


class FillRead(Output):
    """A line and what became of it; what did not happen is null, with the reason."""

    ticker: str
    side: str
    status: str = Field(examples=["filled"], description="filled, reduced or skipped")
    reason: str | None = Field(description="Why it was reduced or skipped")
    order_id: UUID | None = Field(description="Null where no order was made of the line")
    state: OrderState | None = Field(examples=["filled"])
    reason_code: str | None = Field(examples=["filled"])
    ordered: Exact
    sequence: int | None = Field(description="Its place in the portfolio's ledger")
    quantity: Exact | None
    fill_price: Exact | None = Field(description="The average of its fills")
    price_date: date | None
    fee: Exact | None
    net_amount: Exact | None = Field(description="The signed change of cash, fee included")


class RebalanceItem(Output):
    """A rebalance in the list of a portfolio's."""

    id: int
    status: str = Field(examples=["executed"])
    decided_on: date
    created_at: datetime
    executed_at: datetime | None
    orders: int = Field(description="How many were proposed")
    reason: str = Field(examples=["BND entered the target set."])


class RebalanceRead(AsOf, ProposalBody):
    id: int
    portfolio_id: int
    status: str = Field(examples=["proposed"])
    decided_on: date = Field(description="The session whose close it was decided on")
    created_at: datetime
    executed_at: datetime | None
    price_date: date = Field(description="The close of the orders, or of the fills once executed")
    fills: list[FillRead] = Field(description="What became of the orders, once executed")
