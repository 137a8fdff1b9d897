"""What is looked at in every portfolio after a session: stops, drift and the drawdown rule.

Everything is measured by the rules that a single portfolio is measured by. To be quick over many,
what cannot matter is left out first: a position well above its stop, a history that has never
fallen far. That sieve errs to the side of looking; what it lets through is measured exactly.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import database
from app.market_data.snapshot import MarketSnapshot
from app.quant.drift import Distance, distance
from app.quant.exposure import ExposurePolicy
from app.quant.panel import FloatArray
from app.quant.returns import Flow
from app.quant.stop_loss import StopPolicy, Threshold
from app.schemas.settings import PortfolioSettings
from app.services import exposure, stops, strategy
from app.services.exposure import Standing
from app.services.valuation import Closes, Line, Valuation, splits_between

SLACK = 1e-9
"""More than floats and the rounding of prices to six decimals can be off by, relative."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a portfolio's settings say about being looked at."""

    settings: PortfolioSettings
    stop: StopPolicy
    exposure: ExposurePolicy


class Account(Protocol):
    """A portfolio's row; `rules` are its settings as JSON."""

    @property
    def id(self) -> int: ...

    @property
    def rules(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in one portfolio: how many positions are near their stops, which are at them.

    Without a `standing` its drawdown rule was never at work; without a `distance` it has no
    executed rebalance yet.
    """

    at_risk: int
    breaches: tuple[Line, ...]
    distance: Distance | None
    standing: Standing | None

    @property
    def exposure(self) -> float:
        return 1.0 if self.standing is None else self.standing.part


_TARGETS = """
    SELECT DISTINCT ON (portfolio_id) portfolio_id, targets FROM rebalance_events
    WHERE portfolio_id = ANY(%(ids)s) AND status = 'executed'
    ORDER BY portfolio_id, id DESC
    """

_FELL = """
    SELECT day.portfolio_id
    FROM portfolio_values AS day
    JOIN unnest(CAST(%(ids)s AS int[]), CAST(%(limits)s AS float8[])) AS asked (id, fall)
        ON day.portfolio_id = asked.id
    WHERE day.session <= %(session)s
    GROUP BY day.portfolio_id, asked.fall
    HAVING count(*) FILTER (WHERE day.external_flow <> 0) > 1
        OR min(day.cash + day.positions_value) * 1.000000001
            <= max(day.cash + day.positions_value) * (1 - asked.fall)
    """
"""Whose drawdown rule may have acted: without money paid in or out, the value is the index."""

_HISTORIES = """
    SELECT portfolio_id, array_agg(session ORDER BY session) AS sessions,
           array_agg(cash + positions_value ORDER BY session) AS totals,
           array_agg(external_flow ORDER BY session) AS flows,
           array_agg(closing_flow ORDER BY session) AS closing
    FROM portfolio_values WHERE portfolio_id = ANY(%(ids)s) AND session <= %(session)s
    GROUP BY portfolio_id
    """

_CHECKED = """
    SELECT portfolio_id FROM portfolio_checks
    WHERE portfolio_id = ANY(%(ids)s) AND session = %(session)s
    """

_WRITE = """
    INSERT INTO portfolio_checks (portfolio_id, session, at_risk, breached, max_drift, turnover,
                                  exposure, note, data_version, checked_at)
    SELECT looked.portfolio_id, %(session)s, looked.at_risk, looked.breached, looked.max_drift,
           looked.turnover, looked.exposure, looked.note, %(data_version)s, %(now)s
    FROM unnest(
        CAST(%(portfolio_id)s AS int[]), CAST(%(at_risk)s AS int[]), CAST(%(breached)s AS int[]),
        CAST(%(max_drift)s AS float8[]), CAST(%(turnover)s AS float8[]),
        CAST(%(exposure)s AS float8[]), CAST(%(note)s AS text[])
    ) AS looked (portfolio_id, at_risk, breached, max_drift, turnover, exposure, note)
    ON CONFLICT (portfolio_id, session) DO UPDATE
    SET at_risk = excluded.at_risk, max_drift = excluded.max_drift, turnover = excluded.turnover,
        exposure = excluded.exposure, data_version = excluded.data_version,
        checked_at = excluded.checked_at
    """


@lru_cache(maxsize=4096)
def rules_of(settings: str) -> Rules:
    """From the settings as JSON; raises ValueError where they are none."""
    read = PortfolioSettings.model_validate_json(settings)
    return Rules(read, strategy.stop_policy(read), strategy.exposure_policy(read))


@dataclass(frozen=True, slots=True)
class Sieve:
    """Finds the positions that may stand at or near their stops at one close."""

    closes: Closes
    quarantined: frozenset[int] = frozenset()
    _highest: dict[int, FloatArray] = field(default_factory=dict, repr=False)
    _limits: dict[StopPolicy, Threshold] = field(default_factory=dict, repr=False)
    _columns: dict[date, int] = field(default_factory=dict, repr=False)

    def near(self, worth: Valuation, policy: StopPolicy) -> stops.Watch:
        """The watch over the positions that are not well above their stops."""
        limit = self._limit(policy)
        least = (1.0 - limit.fall * (1.0 - policy.at_risk_within)) * (1.0 + SLACK)
        lines = tuple(line for line in worth.lines if self._may_be(line, policy, least))
        if not lines:
            return stops.Watch(limit, ())
        suspects = Valuation(worth.session, worth.cash, lines)
        market, refused = self.closes.market, self.quarantined
        return stops.watch(market, suspects, policy, quarantined=refused)

    def _limit(self, policy: StopPolicy) -> Threshold:
        known = self._limits.get(policy)
        if known is None:
            known = stops.threshold_at(self.closes.market, policy, self.closes.session)
            self._limits[policy] = known
        return known

    def _may_be(self, line: Line, policy: StopPolicy, least: float) -> bool:
        reference = float(line.cost_basis) / float(line.quantity)
        if policy.trailing:
            reference = max(reference, self._highest_since(line))
        # Entry prices and closes are rounded to millionths.
        return float(line.last.price) <= (reference + 1e-6) * least

    def _highest_since(self, line: Line) -> float:
        market, session = self.closes.market, self.closes.session
        known = self._highest.get(line.etf_id)
        if known is None:
            known = self._highest[line.etf_id] = highest_closes(market, line.etf_id, session)
        first = self._columns.get(line.opened_on)
        if first is None:
            first = self._columns[line.opened_on] = max(market.column(line.opened_on), 0)
        return float(known[first]) if first < len(known) else 0.0


def highest_closes(market: MarketSnapshot, etf_id: int, session: date) -> FloatArray:
    """For each column the highest close from there to `session`, in shares of that session.

    NaN where no close is left.
    """
    end = market.column(session) + 1
    closes = market.panel.close[market.row_of_id[etf_id], :end].copy()
    days = market.panel.sessions[:end]
    if len(days):
        for action in splits_between(market, etf_id, (days[0].item(), session)):
            closes[days < np.datetime64(action.ex_date, "D")] /= float(action.ratio)
    highest: FloatArray = np.fmax.accumulate(closes[::-1])[::-1]
    return highest


def read_rules(accounts: Iterable[Account]) -> tuple[dict[int, Rules], dict[int, Exception]]:
    """The rules of each portfolio, or why its settings are none."""
    rules: dict[int, Rules] = {}
    faults: dict[int, Exception] = {}
    for account in accounts:
        try:
            rules[account.id] = rules_of(account.rules)
        except ValueError as error:
            faults[account.id] = error
    return rules, faults


async def look(
    session: AsyncSession,
    sieve: Sieve,
    rules: Mapping[int, Rules],
    worth: Mapping[int, Valuation],
    told: Collection[int],
) -> dict[int, Found]:
    """Measure the stops, the drift and the drawdown of every portfolio that has a worth.

    `told` are those whose owners believe the drawdown rule to be at work.
    """
    targets = dict(await database.rows(session, _TARGETS, {"ids": list(worth)}))
    policies = {portfolio_id: rules[portfolio_id].exposure for portfolio_id in worth}
    standings = await _standings(session, policies, told, sieve.closes.session)
    found: dict[int, Found] = {}
    for portfolio_id, valued in worth.items():
        near = sieve.near(valued, rules[portfolio_id].stop)
        wanted = targets.get(portfolio_id)
        found[portfolio_id] = Found(
            at_risk=sum(each.status.at_risk for each in near.lines),
            breaches=tuple(each.line for each in near.lines if each.breached),
            distance=None if wanted is None else distance(valued.weights, wanted),
            standing=standings.get(portfolio_id),
        )
    return found


async def _standings(
    session: AsyncSession, policies: Mapping[int, ExposurePolicy], told: Collection[int], day: date
) -> dict[int, Standing]:
    """Where those stand, from their stored values up to `day`, that ever fell far enough."""
    limits = [policy.reduce_at for policy in policies.values()]
    asked = {"ids": list(policies), "limits": limits, "session": day}
    fell = {row.portfolio_id for row in await database.rows(session, _FELL, asked)}
    wanted = [portfolio_id for portfolio_id in policies if portfolio_id in fell | set(told)]
    if not wanted:
        return {}
    standings: dict[int, Standing] = {}
    for row in await database.rows(session, _HISTORIES, {"ids": wanted, "session": day}):
        policy = policies[row.portfolio_id]
        flows = [Flow(*each) for each in zip(row.flows, row.closing, strict=True)]
        if row.portfolio_id in told or _fell(row.totals, flows) >= policy.reduce_at - SLACK:
            days = zip(row.sessions, row.totals, flows, strict=True)
            standings[row.portfolio_id] = exposure.walk(days, policy)
    return standings


def _fell(totals: Sequence[Decimal], flows: Sequence[Flow]) -> float:
    """The deepest fall of the value index from its peak."""
    values = np.array(totals, np.float64)
    paid = np.array([flow.total for flow in flows], np.float64)
    closing = np.array([flow.after_close for flow in flows], np.float64)
    before = np.concatenate([[0.0], values[:-1]])
    closing = np.where(before + paid - closing > 0.0, closing, 0.0)
    capital, end = before + paid - closing, values - closing
    growth = np.divide(end, capital, out=np.ones_like(values), where=capital > 0.0)
    index = np.concatenate([[1.0], np.cumprod(growth)])
    return float((1.0 - index / np.maximum.accumulate(index)).max())


async def checked(session: AsyncSession, ids: Sequence[int], day: date) -> frozenset[int]:
    """The portfolios whose stops of that session were acted on."""
    about = {"ids": list(ids), "session": day}
    return frozenset(row.portfolio_id for row in await database.rows(session, _CHECKED, about))


async def write(
    session: AsyncSession,
    market: MarketSnapshot,
    found: Mapping[int, Found],
    notes: Mapping[int, str],
    *,
    now: datetime,
) -> None:
    """Store what was found at the latest session; what a row says of stops that acted, stays."""
    if not found:
        return
    looked = list(found.values())
    await database.rows(
        session,
        _WRITE,
        {
            "session": market.latest_session,
            "data_version": market.data_version,
            "now": now,
            "portfolio_id": list(found),
            "note": [notes.get(portfolio_id) for portfolio_id in found],
            "at_risk": [each.at_risk for each in looked],
            "breached": [len(each.breaches) for each in looked],
            "max_drift": [each.distance and each.distance.max_drift for each in looked],
            "turnover": [each.distance and each.distance.turnover for each in looked],
            "exposure": [each.exposure for each in looked],
        },
    )
