"""Money that comes into a portfolio or leaves it without a trade."""

import datetime as dt
import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from app.models import EntryKind
from app.schemas.base import Exact, Input, Output, Text, Ticker, exactly
from app.schemas.portfolio import MAX_AMOUNT


class CashKind(StrEnum):
    """What the money is; only deposits and withdrawals are no part of the return."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    INTEREST = "interest"
    FEE = "fee"
    DIVIDEND = "dividend"
    TAX = "tax"


ALWAYS_IN = frozenset({CashKind.DEPOSIT})
ALWAYS_OUT = frozenset({CashKind.WITHDRAWAL, CashKind.FEE})
OF_AN_ETF = frozenset({CashKind.DIVIDEND, CashKind.TAX, CashKind.FEE})
"""May name an ETF; a dividend must."""


def _moves_money(amount: Decimal) -> Decimal:
    if not amount:
        raise ValueError("an amount of zero moves no money")
    return amount


_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def _day(value: object) -> dt.date:
    """Of a body, which has no dates of its own, and never a number of seconds."""
    if isinstance(value, dt.date):
        return value
    if isinstance(value, str) and _ISO_DAY.fullmatch(value):
        return dt.date.fromisoformat(value)
    raise ValueError("write it as YYYY-MM-DD")


SignedAmount = Annotated[
    Decimal,
    *exactly(18, 2, ge=-MAX_AMOUNT, le=MAX_AMOUNT),
    AfterValidator(_moves_money),
    Field(description="Positive: paid in. Negative: paid out.", examples=["2500.00", "-1000.00"]),
]
Note = Annotated[Text, Field(min_length=1, max_length=500)]
Source = Annotated[Text, Field(min_length=1, max_length=100)]


class CashCreate(Input):
    amount: SignedAmount
    kind: Annotated[
        CashKind | None,
        Field(
            strict=False,
            description="Left out: a deposit where the amount is positive, else a withdrawal",
        ),
    ] = None
    date: Annotated[
        dt.date | None,
        BeforeValidator(lambda value: None if value is None else _day(value)),
        Field(
            description="Any day since the opening; one without trading counts for the next "
            "session. Left out: the latest session.",
            examples=["2025-06-30"],
        ),
    ] = None
    ticker: Annotated[
        Ticker | None, Field(description="The ETF of a dividend; of a tax or fee if there is one")
    ] = None
    note: Note | None = None
    source: Annotated[
        Source | None, Field(description="Who says so, such as a bank. Left out: user.")
    ] = None

    @property
    def entry_kind(self) -> EntryKind:
        if self.kind is not None:
            return EntryKind(self.kind)
        return EntryKind.DEPOSIT if self.amount > 0 else EntryKind.WITHDRAWAL

    @model_validator(mode="after")
    def _kind_fits(self) -> Self:
        if self.kind in ALWAYS_IN and self.amount < 0:
            raise ValueError(f"a {self.kind} comes in: its amount is positive")
        if self.kind in ALWAYS_OUT and self.amount > 0:
            raise ValueError(f"a {self.kind} goes out: its amount is negative")
        if self.kind is CashKind.DIVIDEND and self.ticker is None:
            raise ValueError("a dividend names the ticker of its ETF")
        if self.ticker is not None and self.kind not in OF_AN_ETF:
            raise ValueError("only a dividend, a tax or a fee has a ticker")
        return self


class CashRead(Output):
    """Money at its place in the ledger."""

    portfolio_id: int
    market: str = Field(examples=["us"])
    simulated: bool
    sequence: int
    kind: EntryKind
    ticker: str | None
    amount: Exact
    cash: Exact = Field(description="What the portfolio has afterwards")
    session: dt.date = Field(description="The session that the money counts from")
    booked_at: dt.datetime
    reason: str
    source: str
