"""Money paid into a portfolio or out of it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

from app.models import EntryKind
from app.schemas.base import Exact, Input, Output, Text, exactly
from app.schemas.portfolio import MAX_AMOUNT


def _moves_money(amount: Decimal) -> Decimal:
    if not amount:
        raise ValueError("an amount of zero moves no money")
    return amount


SignedAmount = Annotated[
    Decimal,
    *exactly(18, 2, ge=-MAX_AMOUNT, le=MAX_AMOUNT),
    AfterValidator(_moves_money),
    Field(description="Positive: paid in. Negative: paid out.", examples=["2500.00", "-1000.00"]),
]
Note = Annotated[Text, Field(min_length=1, max_length=500)]


class CashCreate(Input):
    amount: SignedAmount
    note: Note | None = None


class CashRead(Output):
    """A deposit or a withdrawal at its place in the ledger."""

    portfolio_id: int
    market: str = Field(examples=["us"])
    simulated: bool
    sequence: int
    kind: EntryKind
    amount: Exact
    cash: Exact = Field(description="What the portfolio has afterwards")
    session: date = Field(description="The session that the money counts from")
    booked_at: datetime
    reason: str
