from datetime import date

from pydantic import Field

from app.schemas.base import Exact, Output
from app.schemas.market import AsOf


class PositionRead(Output):
    ticker: str = Field(examples=["SPY"])
    name: str | None
    asset_class: str | None
    quantity: Exact
    entry_price: Exact = Field(description="Average fill price of the shares held, without fees")
    cost_basis: Exact
    opened_on: date
    price: Exact = Field(description="The last good close at or before as_of")
    price_date: date
    carried: bool = Field(description="The close of as_of is missing and an older one is used")
    halted: bool = Field(
        description="No close for more than 5 sessions: the ETF cannot be traded, see price_date"
    )
    market_value: Exact
    weight: float = Field(description="Its part of the portfolio's total value")
    target_weight: float | None = Field(
        description="In the last executed rebalance, 0 if not wanted; null before the first one"
    )
    unrealised_pnl: Exact
    unrealised_return: float | None = Field(description="Null where nothing was paid")
    stop_price: Exact = Field(description="A close at or below it sells the position")
    distance_to_stop: float | None = Field(
        description="Threshold less drawdown, of the entry price (trailing: highest close)"
    )
    at_risk: bool = Field(description="Within the last fifth of the way to the stop")
    stop_note: str | None = Field(description="Why the stop does not act at present, if so")


class PositionList(AsOf):
    portfolio_id: int
    price_date: date = Field(description="The close everything is valued at; carried ones say so")
    cash: Exact
    positions_value: Exact
    total_value: Exact
    stop_threshold: float = Field(description="The fall that sells a position", examples=[0.12])
    vix_regime: str = Field(examples=["normal"])
    warning: str | None = Field(description="Why the VIX did not decide the threshold, if so")
    positions: list[PositionRead] = Field(description="By ticker")
