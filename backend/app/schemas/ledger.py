"""The ledger of a portfolio, entry by entry."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models import EntryKind
from app.schemas.base import Exact, Input, Output
from app.schemas.lot import ClosedLotRead


class LedgerEntryRead(Output):
    """One irrevocable change; what a kind of entry does not have is null."""

    sequence: int = Field(description="Its place, counted from 1 without gaps")
    kind: EntryKind
    session: date = Field(description="The day it counts for")
    booked_at: datetime = Field(description="When it was written")
    ticker: str | None
    quantity: Exact | None = Field(
        description="Shares traded or paid out; of a split the signed number it added"
    )
    reference_price: Exact | None
    price: Exact | None
    price_date: date | None
    fee: Exact
    amount: Exact = Field(description="The signed change of cash, fee included")
    cash: Exact = Field(description="The sum of all amounts so far")
    reason: str
    source: str = Field(description="Who says so", examples=["paper"])
    order_id: UUID | None
    fill_number: int | None
    closed_lots: list[ClosedLotRead] | None
    idempotency_key: str | None
    rebalance_event_id: int | None
    action_id: int | None
    action_value: Exact | None
    revision: int | None


class LedgerPage(Output):
    portfolio_id: int
    market: str = Field(examples=["us"])
    simulated: bool
    entries: list[LedgerEntryRead] = Field(description="In the order of their sequence")
    next_after: int | None = Field(
        description="Ask again with `after` set to it for what follows; null at the end"
    )


class LedgerFilter(Input):
    """Which entries to show: those after a place in the ledger."""

    model_config = ConfigDict(strict=False)

    after: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
