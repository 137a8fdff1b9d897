"""Stops as they stand, what they would do, and what they did."""

from datetime import date
from uuid import UUID

from pydantic import Field

from app.models import FillAt, OrderState
from app.quant.stop_loss import PriceState, VixRegime
from app.schemas.base import Exact, Output
from app.schemas.market import AsOf
from app.schemas.settings import StopAction


class PositionStop(Output):
    """One position against its stop. Falls are positive fractions of the reference price."""

    ticker: str = Field(examples=["SPY"])
    name: str | None
    quantity: Exact
    opened_on: date
    reference_price: Exact = Field(description="The entry price, or the highest close since entry")
    threshold: float = Field(description="The fall that sells the position", examples=[0.12])
    stop_price: Exact = Field(description="A close at or below it sells the position")
    price: Exact | None = Field(description="The last good close; null where there is none")
    price_date: date | None
    price_state: PriceState = Field(description="Only a good price, of as_of itself, is acted on")
    drawdown: float | None = Field(description="Fall from the reference; null if not measured")
    distance_to_stop: float | None = Field(description="Threshold less drawdown")
    at_risk: bool = Field(description="Within the last fifth of the way to the stop, or past it")
    breached: bool = Field(description="A good price stands at or below the stop")
    would_fire: bool = Field(description="A check on demand would act on it now")
    block: str | None = Field(
        description="Why its stop does not act, for programs", examples=["price_stale"]
    )
    reason: str | None = Field(description="The same as a sentence")
    order_id: UUID | None = Field(description="The open order that sells it already, if any")


class CoolDownRead(Output):
    """A name that no rebalance buys, because a stop has just sold it."""

    ticker: str
    stopped_on: date
    until: date = Field(description="The last session on which it is not bought")
    reason: str


class DrawdownRule(Output):
    """The rule that reduces the portfolio's targets after a deep fall of its value."""

    valued_on: date | None = Field(description="The last session known to it")
    drawdown: float | None = Field(description="Fall from the highest value; null before the first")
    limit: float = Field(description="The fall that reduces exposure")
    recovery: float = Field(description="Full exposure returns when the fall is under this")
    sessions: int = Field(description="Or after so many sessions")
    exposure: float = Field(description="The part of its targets that it may hold now")
    reduced: bool
    reduced_since: date | None = Field(description="The session whose close reduced exposure")
    sessions_left: int | None = Field(
        description="Full exposure returns after so many more sessions at the latest"
    )
    way_back: str | None = Field(description="What restores full exposure, as a sentence")


class StopsRead(AsOf):
    """Every stop of a portfolio at the latest close, and what would fire."""

    portfolio_id: int
    action: StopAction = Field(description="What a breach makes: a sell order, or an alert")
    trailing: bool = Field(description="Falls count from the highest close since entry")
    threshold: float = Field(description="The fall that sells a position", examples=[0.12])
    vix_regime: VixRegime
    warning: str | None = Field(description="Why the VIX does not decide the threshold, if so")
    paused: str | None = Field(
        description="Why no stop acts by itself now; a check on demand still does"
    )
    positions: list[PositionStop] = Field(description="By ticker")
    cooling_down: list[CoolDownRead] = Field(description="By ticker")
    drawdown_rule: DrawdownRule


class StopOrder(Output):
    """The order that a stop has made."""

    ticker: str
    order_id: UUID
    state: OrderState
    fill_at: FillAt
    quantity: Exact
    filled_quantity: Exact
    why: str = Field(description="How far the price has fallen below what")
    reason: str | None = Field(description="Why not all of it was filled, if so")


class StopsChecked(StopsRead):
    """The stops as they stood when they were checked, and what the check did."""

    orders: list[StopOrder] = Field(description="One for each position that was stopped out")
    alerts: list[str] = Field(description="What is told for the first time")
