"""Realised gains, one line for each lot that a sale closed."""

from datetime import date
from typing import Annotated

from pydantic import Field

from app.quant.gains import Term
from app.schemas.base import Exact, Output

Year = Annotated[int, Field(ge=1990, le=2200)]


class ReplacementRead(Output):
    """A purchase that makes a loss a wash sale."""

    sequence: int = Field(description="Of the purchase in the ledger")
    ticker: str = Field(description="The same ETF, or its twin")
    bought_on: date
    quantity: Exact = Field(description="The shares sold that it replaced")


class GainRead(Output):
    sequence: int = Field(description="Of the sale in the ledger")
    kind: str = Field(description="sell, closure, or split: a fraction paid out", examples=["sell"])
    ticker: str = Field(examples=["SPY"])
    lot: int = Field(description="The lot's number: the sequence of its purchase")
    acquired_on: date
    sold_on: date
    quantity: Exact
    proceeds: Exact = Field(description="Fees taken off")
    cost: Exact = Field(description="Fees included")
    gain: Exact = Field(description="Proceeds less cost")
    term: Term
    wash_sale: bool
    disallowed: Exact = Field(description="The part of the loss that wash sales take away")
    reported_gain: Exact = Field(description="The gain with the disallowed loss added back")
    replaced_by: list[ReplacementRead]


class GainTotals(Output):
    proceeds: Exact
    cost: Exact
    gain: Exact
    disallowed: Exact
    reported_gain: Exact


class GainList(Output):
    """Lines in the order of their days; with a year, those sold in it."""

    portfolio_id: int
    market: str = Field(examples=["us"])
    simulated: bool
    year: int | None
    short: GainTotals
    long: GainTotals
    total: GainTotals
    lines: list[GainRead]
