"""A benchmark of one ETF or of several, as it is written: `SPY`, or `SPY:0.6,AGG:0.4`."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from app.schemas.base import Output

MOST_PARTS = 20
MOST_LETTERS = 42 * MOST_PARTS
_TICKER = r"[A-Za-z0-9][A-Za-z0-9._\-]{0,31}"
_WEIGHT = r"(0(\.[0-9]{1,6})?|1(\.0{1,6})?)"
_PATTERN = f"^{_TICKER}(:1(\\.0{{1,6}})?|:{_WEIGHT}(,{_TICKER}:{_WEIGHT}){{1,{MOST_PARTS - 1}}})?$"


class BlendPart(Output):
    ticker: str = Field(examples=["SPY"])
    weight: float = Field(description="Of 1; restored every session")


def parts_of(text: str) -> tuple[BlendPart, ...]:
    """The weight of one alone is 1. Raises ValueError."""
    parts: dict[str, Decimal] = {}
    for part in text.split(","):
        ticker, _, weight = part.partition(":")
        if ticker in parts:
            raise ValueError(f"{ticker} is in the blend twice")
        parts[ticker] = Decimal(weight or 1)
        if not parts[ticker]:
            raise ValueError(f"the weight of {ticker} is zero")
    if (total := sum(parts.values())) != 1:
        raise ValueError(f"the weights add up to {total}, not to 1")
    return tuple(BlendPart(ticker=name, weight=float(part)) for name, part in parts.items())


def _checked(text: str) -> str:
    if not re.fullmatch(_PATTERN, text):
        raise ValueError(
            "write a ticker such as SPY, or a blend such as SPY:0.6,AGG:0.4: tickers with weights "
            f"from 0 to 1 of at most 6 decimals that add up to 1, at most {MOST_PARTS} of them"
        )
    parts_of(text)
    return text


BlendText = Annotated[
    str,
    StringConstraints(max_length=MOST_LETTERS, to_upper=True),
    AfterValidator(_checked),
    Field(
        description="An ETF of the market, or a blend of up to 20 with weights that add up to 1",
        examples=["SPY", "SPY:0.6,AGG:0.4"],
        json_schema_extra={"pattern": _PATTERN},
    ),
]
