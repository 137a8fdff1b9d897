"""From exact values and cash flows to rates of return: time-weighted and money-weighted.

Money comes in as decimals; returns leave as floats, because from here on they are statistics.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

import numpy as np

from app.quant.costs import ZERO
from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray

DAYS_PER_YEAR = 365


@dataclass(frozen=True, slots=True)
class Flow:
    """Money paid in (positive) or out in one session: `total`, and the part of it that came after
    the close, for which the session's prices were no concern."""

    total: Decimal
    after_close: Decimal = ZERO


def at_work(before: Decimal, flow: Flow, after: Decimal) -> tuple[Decimal, Decimal]:
    """The capital at work during a session, and what it had become at its close.

    Where nothing was there before, all money counts from the start: its first trades cost.
    """
    start = before + flow.total - flow.after_close
    if start > 0:
        return start, after - flow.after_close
    return before + flow.total, after


def time_weighted(values: Sequence[Decimal], flows: Sequence[Flow]) -> FloatArray:
    """Daily returns of the T sessions between T + 1 values, free of deposits and withdrawals.

    `flows[k]` belongs to the session that ends with `values[k + 1]`, and comes at its start but for
    what came after its close: r = (values[k + 1] - closing) / (values[k] + opening) - 1. NaN where
    no capital was at work during the session.
    """
    if len(values) != len(flows) + 1:
        raise ValueError(f"{len(values)} values need {len(values) - 1} flows, got {len(flows)}")
    capital = [
        at_work(before, flow, after)
        for before, flow, after in zip(values, flows, values[1:], strict=False)
    ]
    return np.array([float(end / start - 1) if start > 0 else math.nan for start, end in capital])


def growth(returns: FloatArray) -> FloatArray:
    """What one unit has become by the end of each session; one without a return leaves it be."""
    return np.where(np.isfinite(returns), 1.0 + returns, 1.0).cumprod()


def steepest(returns: FloatArray) -> float:
    """The logarithm of the largest growth over any stretch of sessions; 0 where none grew.

    After a total loss it begins anew (Kadane's scan).
    """
    with np.errstate(divide="ignore"):
        steps = np.log1p(returns[np.isfinite(returns)])
    highest = risen = 0.0
    for step in steps.tolist():
        risen = max(risen + step, 0.0)
        highest = max(highest, risen)
    return highest


class Outcome(StrEnum):
    """How many yearly rates of return explain the flows; `too_short`: one beyond all numbers;
    `total_loss`: nothing of what was paid in ever came back, and the rate is -1."""

    NONE = "none"
    ONE = "one"
    SEVERAL = "several"
    TOO_SHORT = "too_short"
    TOTAL_LOSS = "total_loss"


@dataclass(frozen=True, slots=True)
class MoneyWeighted:
    """Every yearly rate at which the flows are worth nothing today, lowest first.

    Kept as ln(1 + rate), because a yearly rate of few days is soon -1 to rounding, or beyond what a
    float holds, which infinite stands for. Minus infinite where nothing came back.
    """

    logs: tuple[float, ...]

    @property
    def rates(self) -> tuple[float, ...]:
        return tuple(math.expm1(log) if log < LARGEST_LOG else math.inf for log in self.logs)

    @property
    def outcome(self) -> "Outcome":
        match self.logs:
            case ():
                return Outcome.NONE
            case (only,) if only == -math.inf:
                return Outcome.TOTAL_LOSS
            case (only,):
                return Outcome.ONE if only < LARGEST_LOG else Outcome.TOO_SHORT
            case _:
                return Outcome.SEVERAL

    @property
    def rate(self) -> Measured:
        """The money-weighted return, if exactly one rate fits."""
        match self.rates:
            case ():
                return Missing("no rate of return explains the flows")
            case (only,) if math.isinf(only):
                return Missing("the flows span too few days for a yearly rate")
            case (only,):
                return only
            case several:
                listed = ", ".join(f"{rate:.1%}" for rate in several)
                return Missing(f"several rates of return explain the flows: {listed}")

    def over(self, days: int) -> Measured:
        """What the only yearly rate of calendar days / 365 makes of so many days."""
        if len(self.logs) != 1:
            return self.rate
        logarithm = self.logs[0] * days / DAYS_PER_YEAR if days else 0.0
        if logarithm > LARGEST_LOG:
            return Missing("the rate is beyond all numbers over the whole period")
        return math.expm1(logarithm)


def money_weighted(flows: Iterable[tuple[date, Decimal]]) -> MoneyWeighted:
    """XIRR: all roots r > -1 of sum a_i (1 + r)^(-days_i / 365).

    Deposits are negative, withdrawals and the final value positive. Flows of one day are netted.
    Where nothing came back by a later day there is no root, and the rate is -1: the limit of the
    roots as what comes back goes to nothing.
    """
    netted: defaultdict[date, Decimal] = defaultdict(Decimal)
    for on, amount in flows:
        netted[on] += amount
    return money_weighted_of(list(netted), [float(amount) for amount in netted.values()])


def money_weighted_of(on: Sequence[date], amounts: Sequence[float]) -> MoneyWeighted:
    """The same of amounts that are no exact money, such as what might have been."""
    netted: defaultdict[date, float] = defaultdict(float)
    for day, amount in zip(on, amounts, strict=True):
        netted[day] += amount
    days = sorted(day for day, amount in netted.items() if amount)
    if days and max(netted.values()) <= 0.0 and max(netted) > days[0]:
        return MoneyWeighted((-math.inf,))
    if len(days) < 2:
        return MoneyWeighted(())
    years = np.array([(day - days[0]).days / DAYS_PER_YEAR for day in days])
    flows = np.array([netted[day] for day in days])
    return MoneyWeighted(tuple(_roots(years, flows)))


# The net present value in u = ln(1 + r) is a sum of exponentials, F(u) = sum a_i e^(-t_i u), with
# at most as many roots as its amounts change sign. Multiplying by e^(t_0 u) moves no root and makes
# the first term constant; the derivative then has one term fewer, and between two of its roots
# F is monotone. So the roots of each derivative enclose those of the one before, and bisection on
# signs finds them all. Amounts are kept as sign and logarithm: nothing overflows.


@dataclass(frozen=True, slots=True)
class _Exponentials:
    times: FloatArray
    signs: FloatArray
    logs: FloatArray

    def derivative(self) -> "_Exponentials":
        later = self.times[1:] - self.times[0]
        return _Exponentials(later, -self.signs[1:], self.logs[1:] + np.log(later))

    def changes(self) -> int:
        return int(np.count_nonzero(np.diff(self.signs)))

    def sign(self, u: float) -> int:
        """The sign of F at u; 0 where the terms cancel to rounding."""
        exponents = self.logs - self.times * u
        sizes = np.exp(exponents - exponents.max())
        total = float(self.signs @ sizes)
        return 0 if abs(total) <= CANCELLED * float(sizes.sum()) else int(math.copysign(1, total))


LARGEST_LOG = 700.0
CANCELLED = 1e-14
NARROW = 1e-14


def _roots(times: FloatArray, amounts: FloatArray) -> list[float]:
    levels = [_Exponentials(times, np.sign(amounts), np.log(np.abs(amounts)))]
    while levels[-1].changes() > 1:
        levels.append(levels[-1].derivative())
    roots: list[float] = []
    for level in reversed(levels):
        roots = _between(level, roots)
    return roots


def _between(curve: _Exponentials, turning: list[float]) -> list[float]:
    """The roots of a curve that is monotone between consecutive turning points."""
    if curve.changes() == 0:
        return []
    reach = 1.0 + max((abs(u) for u in turning), default=0.0)
    while curve.sign(reach) != curve.signs[0] or curve.sign(-reach) != curve.signs[-1]:
        reach *= 2.0
    edges = [-reach, *turning, reach]
    signs = [curve.sign(u) for u in edges]
    touching = [u for u, sign in zip(edges, signs, strict=True) if sign == 0]
    crossing = [
        _bisect(curve, edges[k], edges[k + 1], signs[k])
        for k in range(len(edges) - 1)
        if signs[k] * signs[k + 1] < 0
    ]
    return sorted(touching + crossing)


def _bisect(curve: _Exponentials, low: float, high: float, sign_low: int) -> float:
    while high - low > NARROW * (1.0 + abs(low)):
        middle = 0.5 * (low + high)
        sign = curve.sign(middle)
        if sign == 0:
            return middle
        low, high = (middle, high) if sign == sign_low else (low, middle)
    return 0.5 * (low + high)
