"""Tax lots: what is left of each purchase, and what of it a sale closed."""

from datetime import date

from pydantic import Field

from app.quant.gains import Term
from app.schemas.base import Exact, Output
from app.schemas.market import AsOf


class ClosedLotRead(Output):
    """What an entry took out of one lot."""

    lot: int = Field(
        validation_alias="number", description="The sequence of the purchase in the ledger"
    )
    acquired_on: date
    quantity: Exact
    cost: Exact = Field(description="Fees included")


class LotRead(Output):
    lot: int = Field(description="The sequence of the purchase in the ledger")
    ticker: str = Field(examples=["SPY"])
    acquired_on: date
    quantity: Exact = Field(description="The shares that are left")
    cost: Exact = Field(description="What was paid for the shares that are left, fees included")
    price: Exact = Field(description="The last good close at or before as_of")
    price_date: date
    market_value: Exact
    unrealised_gain: Exact
    term: Term = Field(description="Of a sale at the close of as_of")
    long_from: date = Field(description="The first day on which a sale is long-term")
    days_until_long: int = Field(description="Counted from as_of; 0 where it is long already")


class LotList(AsOf):
    """The open lots by ticker, oldest first; a split that is due is counted in already."""

    portfolio_id: int
    cost: Exact
    market_value: Exact
    unrealised_gain: Exact
    lots: list[LotRead]
