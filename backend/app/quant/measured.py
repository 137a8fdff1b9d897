"""A statistic that is either a number or the reason why there is none."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Missing:
    """No honest number exists; `reason` says why, as a clause a user can read."""

    reason: str


Measured: TypeAlias = float | Missing


def number(value: Measured) -> float | None:
    """The number for an answer's field; None where it is missing."""
    return value if isinstance(value, float) else None


def ratio(numerator: Measured, denominator: Measured, when_zero: str) -> Measured:
    """A quotient; missing if either part is, or, with `when_zero`, if the denominator vanishes."""
    if isinstance(numerator, Missing):
        return numerator
    if isinstance(denominator, Missing):
        return denominator
    if denominator == 0.0:
        return Missing(when_zero)
    return numerator / denominator
