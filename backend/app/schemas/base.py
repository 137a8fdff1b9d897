"""What every input and output shares: strictness, text, numbers and money on the wire."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from app.core.money import plain


class Input(BaseModel):
    """What a client sends: unknown fields and sloppy types are errors, not noise."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Output(BaseModel):
    """What a client gets; fields have no defaults."""

    model_config = ConfigDict(from_attributes=True)


_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)


def _exact(value: object) -> Decimal:
    """A decimal string or an exact JSON number; never a float, a boolean or a special value."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return Decimal(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return Decimal(value)
    if isinstance(value, Decimal) and value.is_finite():
        return value
    raise ValueError('write it as a decimal number, such as "1234.50"')


def _number(value: object) -> object:
    """A JSON number that is not money; `api` parses those with a fraction as Decimal. Minus zero is
    zero: databases do not tell them apart."""
    if isinstance(value, Decimal | float):
        return float(value) + 0.0
    return value


def _printable(value: str) -> str:
    if any(character < " " or "\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("control characters and lone surrogates are not allowed")
    return value


def exactly(digits: int, places: int, **bounds: Any) -> Any:
    pattern = rf"^-?\d{{1,{digits - places}}}(\.\d{{1,{places}}})?$"
    return (
        Field(max_digits=digits, decimal_places=places, allow_inf_nan=False, **bounds),
        BeforeValidator(_exact),
        WithJsonSchema(
            {"anyOf": [{"type": "string", "pattern": pattern}, {"type": "number"}]},
            mode="validation",
        ),
    )


def _iso(value: object) -> object:
    """Pydantic would also take a number of seconds for a date."""
    if isinstance(value, str) and not _ISO_DAY.fullmatch(value):
        raise ValueError("write it as YYYY-MM-DD")
    return value


_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

Day = Annotated[date, BeforeValidator(_iso)]

Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_printable)]
"""Text without control characters or lone surrogates; each use sets its lengths."""

Ticker = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,31}$", to_upper=True),
    Field(examples=["SPY"]),
]

AmountIn = Annotated[Decimal, *exactly(18, 2)]
PositiveAmountIn = Annotated[Decimal, *exactly(18, 2, gt=0)]
QuantityIn = Annotated[Decimal, *exactly(18, 6, gt=0)]
PriceIn = Annotated[Decimal, *exactly(18, 6, gt=0)]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]

Exact = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "examples": ["1234.50"]},
        mode="serialization",
    ),
]
"""Money, prices and shares on the way out: a decimal string."""
