"""Column types that every table shares, so that a kind of value has one width everywhere."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from sqlalchemy import DateTime, Double, Identity, Numeric, String, Text
from sqlalchemy.orm import mapped_column

Money = Annotated[Decimal, mapped_column(Numeric(18, 2))]
Sum = Annotated[Decimal, mapped_column(Numeric(38, 2))]
"""Of many amounts of money: wide enough that writing one down never fails."""
Shares = Annotated[Decimal, mapped_column(Numeric(18, 6))]
Price = Annotated[Decimal, mapped_column(Numeric(18, 6))]
Statistic = Annotated[float, mapped_column(Double)]
Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Code = Annotated[str, mapped_column(String(32))]
Words = Annotated[str, mapped_column(Text)]
Serial = Annotated[int, mapped_column(Identity(), primary_key=True)]


def finite(column: str, at_least: str = "0") -> str:
    """The CHECK that also refuses NaN and infinity, which compare as larger than any number."""
    return f"{column} >= {at_least} AND {column} < 'Infinity'"
