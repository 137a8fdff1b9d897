"""After a session: every active portfolio of a market settled, marked and checked, in batches.

A batch is one transaction. It locks some portfolios in the order of their ids, books what has
become due to those few that something is due to, values all of them, looks at their stops, drift
and drawdown rule, lets the stops of the session act, and writes it down. Killed in between, the
next call does the rest; killed within, that batch is as it was; what is done is not done twice.

A portfolio that cannot be worked on is left as it was and named. It stops no other.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import LiteralString, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import database
from app.core.database import Sessions, reading, unit_of_work
from app.core.errors import ETFTraderError
from app.core.progress import Progress
from app.market_data.live import MarketData
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.services import (
    alerts,
    corporate_actions,
    freshness,
    many_actions,
    marking,
    open_orders,
    portfolio_checks,
    settling,
    stopping,
    turns,
    unattended_stops,
)
from app.services.entry import Booked
from app.services.many_actions import DueIn
from app.services.marking import FAULTS, TRADES
from app.services.portfolio_checks import Found, Rules, Sieve
from app.services.unattended_stops import Acting
from app.services.valuation import Closes
from app.services.verdicts import Occasion

BATCH = 250
"""Portfolios that are locked together: enough to be quick, few enough for nobody to wait long."""

STEP = "marking portfolios"

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

STUCK = (*FAULTS, IntegrityError, DataError)
"""What one portfolio can fail with, and no other need to."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A portfolio that was left as it was, and why."""

    portfolio_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """What a close brought: portfolios looked at, values stored, entries booked, orders filled.

    `actions` counts each corporate action once for every portfolio that it was booked or corrected
    in, `stops` those that acted, `alerts` what owners were told, `paused` portfolios whose stops
    waited for newer prices.
    """

    portfolios: int = 0
    values: int = 0
    booked: int = 0
    actions: int = 0
    fills: int = 0
    stops: int = 0
    alerts: int = 0
    paused: int = 0
    failures: tuple[Failure, ...] = ()

    def __add__(self, other: "Closed") -> "Closed":
        return Closed(
            self.portfolios + other.portfolios,
            self.values + other.values,
            self.booked + other.booked,
            self.actions + other.actions,
            self.fills + other.fills,
            self.stops + other.stops,
            self.alerts + other.alerts,
            self.paused + other.paused,
            self.failures + other.failures,
        )


@dataclass(frozen=True, slots=True)
class Account:
    """A portfolio as a close reads it; `rules` are its settings as JSON."""

    id: int
    cash: Decimal
    opened_on: date
    last_sequence: int
    marked_sequence: int
    settled_version: UUID | None
    rules: str


_IDS = """
    SELECT id FROM portfolios WHERE market = %(market)s AND status = 'active' ORDER BY id
    """

_READ = """
    SELECT id, cash, opened_on, last_sequence, marked_sequence, settled_version,
           CAST(settings AS text)
    FROM portfolios WHERE id = ANY(%(ids)s) AND status = 'active' ORDER BY id
    """
_LOCK = f"{_READ} FOR UPDATE"

_SETTLED = """
    UPDATE portfolios SET settled_version = %(version)s
    WHERE id = ANY(%(ids)s) AND settled_version IS DISTINCT FROM %(version)s
    """


async def close(
    sessions: Sessions,
    market_data: MarketData,
    market: str,
    *,
    now: datetime,
    progress: Progress,
    at_once: int = BATCH,
) -> Closed:
    """Bring all active portfolios of the market up to its latest session.

    Each batch waits for the market's turn, so that no import changes prices under it; one that
    comes between two batches is what the next batch sees. Raises NoMarketData.
    """
    async with reading(sessions) as session:
        ids = [row.id for row in await database.rows(session, _IDS, {"market": market})]
    total, shared = Closed(), None
    progress(STEP, 0, len(ids))
    for start in range(0, len(ids), at_once):
        some = ids[start : start + at_once]
        async with unit_of_work(sessions) as session:
            await turns.take(session, market, progress)
            snapshot = await market_data.snapshot(session, market, recheck=True)
            if shared is None or shared.market is not snapshot:
                shared = await shared_by_all(session, snapshot, now)
            done = await close_some(session, shared, some, now=now)
        total += done
        progress(STEP, min(start + at_once, len(ids)), len(ids))
    return total


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all batches of one data version have in common."""

    sieve: Sieve
    occasion: Occasion

    @property
    def market(self) -> MarketSnapshot:
        return self.sieve.closes.market

    @property
    def day(self) -> date:
        return self.sieve.closes.session


async def shared_by_all(session: AsyncSession, market: MarketSnapshot, now: datetime) -> _Shared:
    day = market.latest_session
    occasion = await stopping.occasion_of(session, market, day, now=now)
    return _Shared(Sieve(Closes(market, day), occasion.quarantined), occasion)


async def close_some(
    session: AsyncSession, shared: _Shared, ids: Sequence[int], *, now: datetime
) -> Closed:
    """One batch, within the caller's transaction."""
    accounts = await _read(session, _LOCK, ids)
    booked, failed = await _settle(session, shared.market, accounts, now=now)
    if booked:
        changed = {each.id: each for each in await _read(session, _READ, list(booked))}
        accounts = [changed.get(account.id, account) for account in accounts]
    accounts = [account for account in accounts if account.id not in failed]
    settled = [account.id for account in accounts]
    rules, unread = portfolio_checks.read_rules(accounts)
    outcome = await marking.mark(session, shared.sieve.closes, accounts)
    worth = {each: found for each, found in outcome.worth.items() if each in rules}
    told = await alerts.latest_drawdowns(session, worth)
    believed = [each for each, trigger in told.items() if trigger.startswith("drawdown:reduced:")]
    found = await portfolio_checks.look(session, shared.sieve, rules, worth, believed)
    acting, stuck = await _act(session, shared, found, rules, told, now=now)
    found = {each: seen for each, seen in found.items() if each not in stuck}
    notes = _notes(shared, acting, found)
    await portfolio_checks.write(session, shared.market, found, notes, now=now)
    about = {"version": shared.market.data_version, "ids": settled}
    await database.rows(session, _SETTLED, about)
    entries = [each.entry for some in booked.values() for each in some]
    waits = freshness.is_too_old_to_act(shared.occasion.sessions_behind)
    return Closed(
        portfolios=len(found),
        values=outcome.values,
        booked=len(entries),
        actions=sum(map(_actions, booked.values())),
        fills=sum(entry.kind in TRADES for entry in entries),
        stops=acting.stops,
        alerts=len(acting.alerts),
        paused=sum(bool(each.breaches) and waits for each in found.values()),
        failures=_named({**failed, **unread, **outcome.faults, **stuck}),
    )


def _actions(booked: Sequence[Booked]) -> int:
    """How many corporate actions one portfolio's entries are of."""
    return len({each.entry.action_id for each in booked} - {None})


async def _read(session: AsyncSession, query: LiteralString, ids: Sequence[int]) -> list[Account]:
    return [Account(*row) for row in await database.rows(session, query, {"ids": list(ids)})]


async def _settle(
    session: AsyncSession, market: MarketSnapshot, accounts: Sequence[Account], *, now: datetime
) -> tuple[dict[int, tuple[Booked, ...]], dict[int, Exception]]:
    """Catch up with the data version where anything may be due; what was booked, what failed."""
    behind = [each.id for each in accounts if each.settled_version != market.data_version]
    if not behind:
        return {}, {}
    waiting = await open_orders.read(session, behind)
    due = await corporate_actions.due_for(session, market, behind)
    plain = [each for each in accounts if each.id in due.keys() - waiting.keys()]
    together = await _together(session, market, plain, due, now=now)
    rest = (due.keys() | waiting.keys()) - together.keys()

    async def settle(some: Sequence[int]) -> dict[int, tuple[Booked, ...]]:
        query = select(Portfolio).where(Portfolio.id.in_(some)).order_by(Portfolio.id)
        found = await session.scalars(query.execution_options(populate_existing=True))
        return {
            portfolio.id: await settling.settle(
                session, market, portfolio, now=now, waiting=waiting.get(portfolio.id, ())
            )
            for portfolio in found.all()
        }

    settled, failed = await _all_or_each(session, sorted(rest), settle)
    one_by_one = {key: booked for some in settled for key, booked in some.items()}
    return together | one_by_one, failed


async def _together(
    session: AsyncSession,
    market: MarketSnapshot,
    accounts: Sequence[Account],
    due: Mapping[int, Collection[int]],
    *,
    now: datetime,
) -> dict[int, tuple[Booked, ...]]:
    """Book corporate actions in many portfolios at once; none of them where one cannot be."""
    rules, _ = portfolio_checks.read_rules(accounts)
    wanted = [
        DueIn(each, rules[each.id].settings, frozenset(due[each.id]))
        for each in accounts
        if each.id in rules
    ]
    if wanted:
        with suppress(*STUCK):
            async with session.begin_nested():
                return await many_actions.book(session, market, wanted, now=now)
    return {}


async def _act(
    session: AsyncSession,
    shared: _Shared,
    found: Mapping[int, Found],
    rules: Mapping[int, Rules],
    told: Mapping[int, str],
    *,
    now: datetime,
) -> tuple[Acting, dict[int, Exception]]:
    """Let the stops of the session act that have not yet; what came of it, and what failed."""
    done = await portfolio_checks.checked(session, list(found), shared.day)

    async def act(some: Sequence[int]) -> Acting:
        these = {portfolio_id: found[portfolio_id] for portfolio_id in some}
        return await unattended_stops.act(
            session, shared.occasion, these, rules, told=told, now=now
        )

    waiting = [portfolio_id for portfolio_id in found if portfolio_id not in done]
    results, failed = await _all_or_each(session, waiting, act)
    acting = Acting()
    for each in results:
        acting.add(each)
    return acting, failed


async def _all_or_each(
    session: AsyncSession, ids: Sequence[int], work: Callable[[Sequence[int]], Awaitable[Result]]
) -> tuple[list[Result], dict[int, Exception]]:
    """Work on all of them together; where that fails, one by one, so that only those that fail are
    left as they were."""

    async def work_on(some: Sequence[int]) -> Result:
        async with session.begin_nested():
            return await work(some)

    if not ids:
        return [], {}
    with suppress(*STUCK):
        return [await work_on(ids)], {}
    done: list[Result] = []
    failed: dict[int, Exception] = {}
    for portfolio_id in ids:
        try:
            done.append(await work_on([portfolio_id]))
        except STUCK as error:
            failed[portfolio_id] = error
    return done, failed


def _notes(shared: _Shared, acting: Acting, found: Mapping[int, Found]) -> Mapping[int, str]:
    """Why stops did not act, by portfolio."""
    behind = shared.occasion.sessions_behind
    if not freshness.is_too_old_to_act(behind):
        return acting.blocked
    return dict.fromkeys(found, f"Stops are paused: the prices are {behind} sessions old.")


def _named(failed: Mapping[int, Exception]) -> tuple[Failure, ...]:
    failures = []
    for portfolio_id, error in sorted(failed.items()):
        known = isinstance(error, ETFTraderError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        log.warning("portfolio_not_closed", portfolio_id=portfolio_id, reason=reason)
        failures.append(Failure(portfolio_id, reason))
    return tuple(failures)
