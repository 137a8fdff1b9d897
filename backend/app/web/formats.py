"""Numbers as a person reads them; what is unknown is a dash, never zero."""

from datetime import date, datetime
from decimal import Decimal

UNKNOWN = "-"


def percent(value: float | None, digits: int = 2) -> str:
    return UNKNOWN if value is None else f"{value:z.{digits}%}"


def ratio(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:z,.2f}"


def count(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:z,.0f}"


def money(value: Decimal | None) -> str:
    return UNKNOWN if value is None else f"{value:,.2f}"


def day(value: date | None) -> str:
    return UNKNOWN if value is None else value.isoformat()


def moment(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC"


def words(name: str) -> str:
    """A field's name as words."""
    return name.replace("_", " ")
