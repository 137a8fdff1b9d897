"""What is measured, whatever it is of: a portfolio, a backtest, a series that somebody brings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from app.quant.panel import DateArray, FloatArray
from app.quant.periods import Window
from app.quant.returns import Flow, MoneyWeighted, at_work, money_weighted


@dataclass(frozen=True, slots=True)
class Money:
    """What was there at each of T + 1 closes, and what was paid in or out in the T sessions after
    the first of them."""

    values: tuple[Decimal, ...]
    flows: tuple[Flow, ...]

    @property
    def net_flow(self) -> Decimal:
        return sum((flow.total for flow in self.flows), Decimal(0))

    @property
    def profit(self) -> Decimal:
        return self.values[-1] - self.values[0] - self.net_flow

    def mean(self, *, since: int) -> float:
        """Of the values from one of the closes on."""
        return float(sum(self.values[since:], Decimal(0)) / (len(self.values) - since))

    @property
    def capital(self) -> FloatArray:
        """What was at work in each of the T sessions."""
        days = zip(self.values, self.flows, self.values[1:], strict=False)
        return np.array([float(at_work(before, flow, after)[0]) for before, flow, after in days])


@dataclass(frozen=True, slots=True)
class Track:
    """T daily returns, NaN where no capital was at work, between T + 1 `dates`, ascending.

    `money` is None where only returns are known. `from_nothing`: nothing was there at the first
    date, and what was bought in the session after it was bought at its close.
    """

    dates: DateArray
    returns: FloatArray
    money: Money | None = None
    from_nothing: bool = False

    @property
    def start(self) -> date:
        """The close that the first return begins at."""
        day: date = self.dates[0].item()
        return day

    @property
    def end(self) -> date:
        day: date = self.dates[-1].item()
        return day

    @property
    def days(self) -> list[date]:
        days: list[date] = self.dates.tolist()
        return days

    def within(self, window: Window) -> "Track":
        money, last = self.money, window.end - 1
        return Track(
            dates=self.dates[window.first : window.end],
            returns=self.returns[window.first : last],
            money=(
                None
                if money is None
                else Money(
                    money.values[window.first : window.end], money.flows[window.first : last]
                )
            ),
            from_nothing=self.from_nothing and window.first == 0,
        )

    def money_weighted(self) -> MoneyWeighted | None:
        """XIRR of what the investor paid and got; None where no values are known."""
        if self.money is None:
            return None
        return money_weighted(seen_by_investor(self.days, self.money.values, self.money.flows))


def seen_by_investor(
    days: Sequence[date], values: Sequence[Decimal], flows: Sequence[Flow]
) -> list[tuple[date, Decimal]]:
    """What goes into a book is negative: its first value, and what was paid in later. The last
    value is as if it were paid out."""
    return [
        (days[0], -values[0]),
        *((day, -flow.total) for day, flow in zip(days[1:], flows, strict=True)),
        (days[-1], values[-1]),
    ]
