"""The portfolio's drawdown rule: after a deep fall its targets are reduced until it recovers.

The fall is that of the portfolio's growth at its marked values, money paid in and out left aside.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.money import ZERO
from app.models import Portfolio, PortfolioValue
from app.quant.exposure import ExposurePolicy, ExposureState, after_session
from app.quant.measured import Measured, Missing
from app.quant.returns import Flow, at_work
from app.services import strategy

DayValue: TypeAlias = tuple[date, Decimal, Flow]
"""A session, the value at its close, and the money paid in or out at its start."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a portfolio stands under its drawdown rule; `index` is the growth of one unit.

    `valued_on` is the last session known of, None before the first. `changed_on` is the session at
    whose close exposure was last reduced or restored, None where it never was.
    """

    policy: ExposurePolicy
    state: ExposureState
    index: float
    valued_on: date | None
    changed_on: date | None

    @property
    def part(self) -> float:
        """The part of its targets that the portfolio may hold."""
        return self.state.exposure(self.policy)

    @property
    def drawdown(self) -> Measured:
        if self.valued_on is None:
            return Missing("no session has been valued yet")
        return self.state.drawdown(self.index)

    @property
    def sessions_left(self) -> int | None:
        """After how many more sessions full exposure returns at the latest; None: it is there."""
        served = self.state.sessions_reduced
        return None if served is None else self.policy.restore_after - served


async def standing(session: AsyncSession, portfolio: Portfolio, day: date) -> Standing:
    """From the values marked up to `day`, by the portfolio's own limits."""
    query = (
        select(
            PortfolioValue.session,
            PortfolioValue.cash + PortfolioValue.positions_value,
            PortfolioValue.external_flow,
            PortfolioValue.closing_flow,
        )
        .where(PortfolioValue.portfolio_id == portfolio.id, PortfolioValue.session <= day)
        .order_by(PortfolioValue.session)
    )
    policy = strategy.exposure_policy(strategy.settings_of(portfolio))
    values = await session.execute(query)
    return walk([(on, value, Flow(*flow)) for on, value, *flow in values], policy)


async def at(session: AsyncSession, portfolio: Portfolio, day: date) -> float:
    """The part of its targets that the portfolio may hold at the close of `day`."""
    return (await standing(session, portfolio, day)).part


def walk(values: Iterable[DayValue], policy: ExposurePolicy) -> Standing:
    """The standing after a life's values, oldest first."""
    known = tuple(values)
    state, index, changed_on = ExposureState(peak=1.0), 1.0, None
    growth = indices((value, flow) for _, value, flow in known)
    for (day, _, _), index in zip(known, growth, strict=True):
        before, state = state, after_session(state, index, policy)
        if before.is_reduced != state.is_reduced:
            changed_on = day
    return Standing(policy, state, index, known[-1][0] if known else None, changed_on)


def indices(values: Iterable[tuple[Decimal, Flow]]) -> Iterator[float]:
    """Growth of one unit from each close's value and the money of its session.

    A session without capital at work changes nothing.
    """
    before, index = ZERO, 1.0
    for value, flow in values:
        start, end = at_work(before, flow, value)
        if start > 0:
            index *= float(end / start)
        before = value
        yield index
