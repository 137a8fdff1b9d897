"""Every factor by name: a class in a file of its own under `signals`, and one line here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.quant.factors.signals import (
    Carry,
    Factor,
    LowBeta,
    LowVolatility,
    Momentum,
    Quality,
    Reversal,
    Trend,
    Value,
)


class Assumptions(Protocol):
    """What factors are made from; `ScoreSettings` is."""

    @property
    def risk_free(self) -> float: ...

    @property
    def value_tracking(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Registered:
    """How a factor is made, its weight where none is given, and what it says in a line.

    `without` is why all ETFs of a market may lack it.
    """

    make: Callable[[Assumptions], Factor]
    weight: float
    about: str
    without: str = "histories are too short"
    reads_distributions: bool = False


REGISTRY = {
    "momentum": Registered(lambda _: Momentum(), 0.35, "return over 252 sessions but the last 21"),
    "quality": Registered(
        lambda known: Quality(risk_free=known.risk_free),
        0.30,
        "Sharpe ratio, drawdown and volatility of a year",
    ),
    "volatility": Registered(lambda _: LowVolatility(), 0.20, "low volatility of 60 returns"),
    "value": Registered(
        lambda known: Value(tracking=known.value_tracking),
        0.15,
        "low expense ratio",
        without="no expense ratios are known",
    ),
    "trend": Registered(
        lambda known: Trend(risk_free=known.risk_free),
        0.0,
        "own return of a year above cash, over its volatility",
    ),
    "beta": Registered(lambda _: LowBeta(), 0.0, "low beta against the mean of the market"),
    "carry": Registered(
        lambda _: Carry(),
        0.0,
        "distributions of a year over the price",
        without="a year of distributions beside traded prices is not known",
        reads_distributions=True,
    ),
    "reversal": Registered(lambda _: Reversal(), 0.0, "fall over the last 21 sessions"),
}
"""In the order of tables and of rows of arrays."""
