"""What a published figure is: its title, its formula, its unit and where the formula is from."""

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    FRACTION = "fraction"
    """A return or a share of something: 0.1 is 10 %."""
    YEARLY = "fraction per year"
    RATIO = "ratio"
    COUNT = "count"
    SESSIONS = "sessions"
    USD = "USD"
    USD_YEARLY = "USD per year"
    DATE = "date"
    PROBABILITY = "probability"


@dataclass(frozen=True, slots=True)
class Definition:
    """`formula` is written in the notation of `docs/definitions.md`; `source` names the paper or
    book and its year, empty where the formula is common knowledge."""

    title: str
    formula: str
    unit: Unit
    source: str = ""
