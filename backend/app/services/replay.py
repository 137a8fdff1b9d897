"""A portfolio lives through past sessions by its own rules, one by one, as it would have then.

At each close, in this order: what went ex that day reaches the book; what was decided at the close
before is filled; the book is valued; stops are checked; and on the first session of a week (and the
very first) the rules are asked what they want. What is decided at a close is filled at the next.
A week's question waits for a session on which no stop acts.

All of it is the services that a live portfolio is served by. The caller's transaction holds it
together: a replay that is killed has not happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.errors import Conflict, Refused
from app.core.progress import Progress, silent
from app.market_data.snapshot import MarketSnapshot
from app.models import LedgerEntry, OrderOrigin, Portfolio, RebalanceEvent
from app.quant.errors import QuantError
from app.quant.exposure import ExposurePolicy, ExposureState, after_session
from app.quant.stop_loss import Exit
from app.schemas.settings import PortfolioSettings, StopAction
from app.services import (
    corporate_actions,
    deciding,
    ledger,
    marking,
    portfolios,
    rebalancing,
    reinvesting,
    stops,
    strategy,
    trading,
    valuation,
    verdicts,
)
from app.services.desk import Batch
from app.services.projection import Holding
from app.services.valuation import Valuation
from app.services.verdicts import Done, Occasion

DEMO_NAME = "Demo portfolio"
DEMO_CAPITAL = Decimal(1_000_000)
DEMO_SESSIONS = 252


@dataclass(frozen=True, slots=True)
class Undecided:
    """A session on which the rules had no answer, and why: the portfolio stayed as it was."""

    session: date
    reason: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What happened. `stops` counts positions sold by one."""

    sessions: int
    rebalances: int
    trades: int
    stops: int
    undecided: tuple[Undecided, ...]


async def open_replayed(
    session: AsyncSession,
    market: MarketSnapshot,
    *,
    owner_id: int,
    name: str,
    initial_capital: Decimal,
    settings: PortfolioSettings,
    since: date,
    now: datetime,
    progress: Progress = silent,
) -> tuple[Portfolio, Replayed]:
    """Open a portfolio at the first session from `since` on, and live through all that followed.

    Raises Refused for a day after the latest session, and what `portfolios.create` raises.
    """
    first = _first_session(market, since)
    portfolio = await portfolios.create(
        session,
        market,
        owner_id=owner_id,
        name=name,
        initial_capital=initial_capital,
        settings=settings,
        now=calendar.session_close(first),
        opened_on=first,
    )
    portfolio.created_at = now
    replayed = await replay(session, market, portfolio, since=first, now=now, progress=progress)
    return portfolio, replayed


async def open_demo_portfolio(
    session: AsyncSession,
    market: MarketSnapshot,
    owner_id: int,
    settings: PortfolioSettings,
    *,
    now: datetime,
    progress: Progress = silent,
) -> Portfolio:
    """A million that has lived through the market's last 252 sessions."""
    days = market.panel.sessions
    since: date = days[max(len(days) - 1 - DEMO_SESSIONS, 0)].item()
    portfolio, _ = await open_replayed(
        session,
        market,
        owner_id=owner_id,
        name=DEMO_NAME,
        initial_capital=DEMO_CAPITAL,
        settings=settings,
        since=since,
        now=now,
        progress=progress,
    )
    return portfolio


async def replay(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    since: date,
    now: datetime,
    progress: Progress = silent,
) -> Replayed:
    """Live from `since`, the session the portfolio was opened on, to the latest session.

    Raises Conflict where the portfolio has a past already, and the QuantError of the last session
    where its rules never had an answer.
    """
    portfolio.require_active()
    await _require_new(session, portfolio, since)
    days: list[date] = market.panel.sessions[market.column(since) :].tolist()
    life = _Life.of(session, market, portfolio, days)
    for done, day in enumerate(days, start=1):
        await life.live(day)
        progress("living through past sessions", done, len(days))
    if life.failure is not None and not life.decisions:
        raise life.failure
    portfolio.replayed_until = days[-1]
    await session.flush()
    await marking.mark_portfolios(session, market, [portfolio], now=now)
    return Replayed(len(days), life.rebalances, life.trades, life.stopped, tuple(life.undecided))


def _first_session(market: MarketSnapshot, since: date) -> date:
    days = market.panel.sessions
    column = int(np.searchsorted(days, np.datetime64(since, "D")))
    if column == len(days):
        raise Refused(f"There are no sessions to replay: the latest is {market.latest_session}.")
    first: date = days[column].item()
    return first


async def _require_new(session: AsyncSession, portfolio: Portfolio, since: date) -> None:
    query = select(func.max(LedgerEntry.session)).where(LedgerEntry.portfolio_id == portfolio.id)
    latest = await session.scalar(query)
    if portfolio.opened_on != since or (latest is not None and latest > since):
        raise Conflict("Only a portfolio without a past can be replayed: create a new one.")


@dataclass(slots=True)
class _Life:
    """A portfolio between two closes: what it has, and what it has decided."""

    session: AsyncSession
    market: MarketSnapshot
    portfolio: Portfolio
    settings: PortfolioSettings
    limits: ExposurePolicy
    asks: frozenset[date]
    """When the rules are asked what they want."""
    due_on: Mapping[date, frozenset[int]]
    """Of which ETFs a corporate action counts on a session."""
    before: Valuation
    holdings: dict[int, Holding] = field(default_factory=dict)
    owned: set[int] = field(default_factory=set)
    """All ETFs that were ever held: a dividend may be paid after its shares were sold."""
    drawdown: ExposureState = field(default_factory=lambda: ExposureState(peak=1.0))
    index: float = 1.0
    asking: bool = False
    exits: tuple[Exit, ...] = ()
    proposal: RebalanceEvent | None = None
    decisions: int = 0
    rebalances: int = 0
    trades: int = 0
    stopped: int = 0
    undecided: list[Undecided] = field(default_factory=list)
    failure: QuantError | None = None

    @classmethod
    def of(
        cls, session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, days: list[date]
    ) -> "_Life":
        weeks = calendar.first_session_of_each(
            calendar.Period.WEEK, np.array(days, "datetime64[D]")
        )
        settings = strategy.settings_of(portfolio)
        return cls(
            session,
            market,
            portfolio,
            settings,
            strategy.exposure_policy(settings),
            asks=frozenset({days[0], *weeks.tolist()}),
            due_on=corporate_actions.sessions_due(market, settings, days),
            before=Valuation(days[0], portfolio.cash, ()),
        )

    async def live(self, day: date) -> None:
        closed_at = calendar.session_close(day)
        if self.due_on.get(day, frozenset()) & self.owned:
            booked = await corporate_actions.apply_due(
                self.session,
                self.market,
                self.portfolio,
                since=self.before.session,
                until=day,
                now=closed_at,
            )
            await reinvesting.reinvest(
                self.session, self.market, self.portfolio, booked, on=day, now=closed_at
            )
            await self._read()
        if self.exits or self.proposal is not None:
            await self._fill(day, closed_at)
            await self._read()

        worth = valuation.value(self.market, self.portfolio.cash, self.holdings.values(), day)
        self._grow(worth)
        self.exits = self._stopped_out(worth)
        self.asking = self.asking or day in self.asks
        if self.asking and not self.exits:
            await self._ask(day, closed_at)

    def _stopped_out(self, worth: Valuation) -> tuple[Exit, ...]:
        """What is to be sold at the next close; nothing where stops only alert."""
        if self.settings.stop_action is StopAction.ALERT:
            return ()
        day = worth.session
        occasion = Occasion(self.market, day, splitting=verdicts.splitting_on(self.market, day))
        judged = verdicts.judge(occasion, self.portfolio.id, worth, self.settings, Done())
        return tuple(each.exit for each in judged.firing)

    async def _fill(self, day: date, now: datetime) -> None:
        """Trade what was decided at the close before."""
        if self.exits:
            orders = stops.orders(
                self.market, self.settings, self.exits, holdings=self.holdings, at=day
            )
            outcomes = await trading.execute(
                self.session,
                self.market,
                self.portfolio,
                orders,
                as_of=day,
                now=now,
                batch=Batch(OrderOrigin.STOP, f"stop:{self.portfolio.id}:{day}"),
            )
            sold = sum(outcome.trade is not None for outcome in outcomes)
            self.stopped += sold
            self.trades += sold
        if self.proposal is not None:
            outcomes = await rebalancing.fill(
                self.session,
                self.market,
                self.portfolio,
                self.proposal,
                as_of=day,
                now=now,
                unattended=True,
            )
            self.trades += sum(outcome.trade is not None for outcome in outcomes)
            self.rebalances += 1
            self.proposal = None

    async def _read(self) -> None:
        self.holdings = await ledger.read_holdings(self.session, self.portfolio.id)
        self.owned |= self.holdings.keys()

    def _grow(self, worth: Valuation) -> None:
        if self.before.total > 0:
            self.index *= float(worth.total / self.before.total)
        self.drawdown = after_session(self.drawdown, self.index, self.limits)
        self.before = worth

    async def _ask(self, day: date, now: datetime) -> None:
        self.asking = False
        try:
            decision = await deciding.decide(
                self.session,
                self.market,
                self.portfolio,
                at=day,
                part=self.drawdown.exposure(self.limits),
            )
        except QuantError as error:
            self.failure = error
            self.undecided.append(Undecided(day, str(error)))
            return
        self.decisions += 1
        if decision.drift.needs_rebalancing:
            self.proposal = await rebalancing.record(
                self.session, self.market, self.portfolio, decision, now=now
            )
