"""What a portfolio's rules want at a close, and how far the portfolio is from it."""

from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio, RebalanceEvent, RebalanceStatus
from app.quant.drift import Drift, measure
from app.schemas.drift import DriftRead, NameDrift
from app.schemas.settings import PortfolioSettings
from app.services import (
    cooldowns,
    corporate_actions,
    exposure,
    freshness,
    ledger,
    strategy,
    valuation,
)
from app.services.strategy import Standing, Targets
from app.services.valuation import Valuation


@dataclass(frozen=True, slots=True)
class Decision:
    """What a portfolio is, what its rules want, and how far the two are apart, at one close.

    `frozen` are held names without a close on the day: they are neither bought nor sold.
    """

    settings: PortfolioSettings
    valuation: Valuation
    targets: Targets
    drift: Drift
    frozen: frozenset[str]

    @property
    def session(self) -> date:
        return self.valuation.session


async def decide(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    at: date | None = None,
    part: float | None = None,
) -> Decision:
    """What the portfolio's rules want at the close of `at` (left out: the latest session).

    Nothing after that close is read. `part` of the targets may be held after a deep fall; left out,
    the marked values say how much. Raises Infeasible, SolveFailed or InsufficientHistory.
    """
    day = at or market.latest_session
    settings = strategy.settings_of(portfolio)
    book = await ledger.current_book(session, portfolio)
    if at is None:
        book = await corporate_actions.settled(session, market, portfolio, book)
    worth = valuation.value(market, book.cash, book.holdings.values(), day)
    previous = await executed_targets(session, portfolio.id)
    barred = await cooldowns.barred(
        session, market, portfolio, at=day, policy=strategy.stop_policy(settings)
    )
    if part is None:
        part = await exposure.at(session, portfolio, day)

    closed = _closed(market, day)
    frozen = frozenset(
        line.ticker for line in worth.lines if line.last.carried or line.ticker in closed
    )
    standing = Standing(worth.total, worth.weights, {**barred, **closed}, frozen)
    targets = await strategy.targets_at(market, settings, day, standing, part=part)
    measured = measure(
        worth.weights,
        targets.weights,
        strategy.drift_policy(settings),
        # A frozen name is wanted for want of a choice: that is no change of mind.
        previous=None if previous is None else {*previous, *frozen},
    )
    if previous is None and not worth.lines and targets.positions:
        # Twenty names of 5 % lie inside an absolute band of 5 points: it would never begin.
        measured = replace(measured, needs_rebalancing=True, reason="Nothing is held yet.")
    return Decision(settings, worth, targets, measured, frozen)


def _closed(market: MarketSnapshot, day: date) -> dict[str, str]:
    return {
        etf.ticker: f"closed on {etf.closed_on}"
        for etf in market.etfs
        if etf.closed_on is not None and etf.closed_on <= day
    }


async def executed_targets(session: AsyncSession, portfolio_id: int) -> dict[str, float] | None:
    """The target weights of the last executed rebalance; None before the first."""
    query = (
        select(RebalanceEvent.targets)
        .where(
            RebalanceEvent.portfolio_id == portfolio_id,
            RebalanceEvent.status == RebalanceStatus.EXECUTED,
        )
        .order_by(RebalanceEvent.id.desc())
        .limit(1)
    )
    return await session.scalar(query)


async def drift(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, now: datetime
) -> DriftRead:
    """The drift at the market's latest close; raises what `decide` raises."""
    decision = await decide(session, market, portfolio)
    found = decision.drift
    return DriftRead(
        **freshness.as_of(market, now),
        portfolio_id=portfolio.id,
        needs_rebalancing=found.needs_rebalancing,
        reason=found.reason,
        drift_mode=decision.settings.drift_mode,
        threshold=found.threshold,
        max_drift=found.max_drift,
        turnover=found.turnover,
        entered=list(found.entered),
        left=list(found.left),
        positions=[
            NameDrift(
                ticker=name.ticker,
                weight=name.weight,
                target_weight=name.target,
                drift=name.drift,
            )
            for name in found.names
        ],
    )
