"""Alerts: what a portfolio's owner should know, each occasion once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.market_data.snapshot import Action
from app.models import Alert, AlertKind, Etf, Market, Portfolio, owned_portfolio
from app.schemas.alert import AlertFilter, AlertRead
from app.services.exposure import Standing
from app.services.verdicts import Judged, position_key


@dataclass(frozen=True, slots=True)
class NewAlert:
    """Something to tell; of all alerts with the same trigger only the first is kept."""

    portfolio_id: int
    kind: AlertKind
    etf_id: int | None
    session: date
    message: str
    trigger: str


def of_stops(portfolio_id: int, judged: Judged, at: date) -> list[NewAlert]:
    """One for every stop that fires, for a portfolio that does not sell by itself.

    What has been told already does not fire again: `verdicts.judge` sees to it.
    """
    return [
        NewAlert(
            portfolio_id,
            AlertKind.STOP,
            each.line.etf_id,
            at,
            each.exit.reason,
            f"{position_key(each.line)}:{at}",
        )
        for each in judged.firing
    ]


def of_exposure(
    portfolio_id: int, standing: Standing, told: str | None, at: date
) -> list[NewAlert]:
    """One where exposure has changed since the latest alert about it, whose trigger is `told`."""
    word = "reduced" if standing.state.is_reduced else "restored"
    before = "restored" if told is None else told.split(":")[1]
    if word == before:
        return []
    on = standing.changed_on or at
    rules = standing.policy
    message = (
        f"The portfolio had fallen by {rules.reduce_at:.1%} or more from its highest value at the "
        f"close of {on}: it holds {rules.reduced:.0%} of its targets until the fall is under "
        f"{rules.restore_below:.1%}, or for {rules.restore_after} sessions."
        if standing.state.is_reduced
        else f"The portfolio may hold the whole of its targets again since the close of {on}."
    )
    trigger = f"drawdown:{word}:{on}"
    return [NewAlert(portfolio_id, AlertKind.DRAWDOWN, None, on, message, trigger)]


def of_action_left_open(portfolio_id: int, action: Action, reason: str) -> NewAlert:
    """A corporate action that could not be booked: told once for each value that it had."""
    return NewAlert(
        portfolio_id,
        AlertKind.ACTION,
        action.etf_id,
        action.ex_date,
        f"The {action.kind.replace('_', ' ')} of {action.ex_date} is not in the book as it is now "
        f"known: {reason}.",
        f"action:{action.id}:{action.value}",
    )


async def give(
    session: AsyncSession, wanted: Sequence[NewAlert], *, now: datetime
) -> tuple[NewAlert, ...]:
    """Keep those whose occasion is new, in one statement; answers which they were."""
    if not wanted:
        return ()
    rows = [
        {
            "portfolio_id": each.portfolio_id,
            "kind": each.kind,
            "etf_id": each.etf_id,
            "session": each.session,
            "message": each.message,
            "trigger": each.trigger,
            "created_at": now,
        }
        for each in wanted
    ]
    statement = (
        insert(Alert)
        .on_conflict_do_nothing(index_elements=["portfolio_id", "trigger"])
        .returning(Alert.portfolio_id, Alert.trigger)
    )
    kept = {tuple(row) for row in await session.execute(statement, rows)}
    return tuple(each for each in wanted if (each.portfolio_id, each.trigger) in kept)


async def latest_stops(
    session: AsyncSession, portfolio_ids: Iterable[int]
) -> Mapping[int, Mapping[str, date]]:
    """By portfolio, the session of the latest alert of each position: its key and that session."""
    query = select(Alert.portfolio_id, Alert.trigger, Alert.session).where(
        Alert.portfolio_id.in_(list(portfolio_ids)), Alert.kind == AlertKind.STOP
    )
    found: dict[int, dict[str, date]] = {}
    for portfolio_id, trigger, on in await session.execute(query):
        of_one = found.setdefault(portfolio_id, {})
        key = trigger.rpartition(":")[0]
        of_one[key] = max(on, of_one.get(key, on))
    return found


async def latest_drawdowns(
    session: AsyncSession, portfolio_ids: Iterable[int]
) -> Mapping[int, str]:
    """By portfolio, the trigger of its latest drawdown alert."""
    newest = (
        select(func.max(Alert.id))
        .where(Alert.portfolio_id.in_(list(portfolio_ids)), Alert.kind == AlertKind.DRAWDOWN)
        .group_by(Alert.portfolio_id)
    )
    query = select(Alert.portfolio_id, Alert.trigger).where(Alert.id.in_(newest))
    return dict((await session.execute(query)).all())


async def listed(session: AsyncSession, owner_id: int, wanted: AlertFilter) -> list[AlertRead]:
    """This owner's alerts, newest first; raises NotFound for a portfolio of somebody else."""
    if wanted.portfolio_id is not None:
        mine = owned_portfolio(owner_id, wanted.portfolio_id).with_only_columns(Portfolio.id)
        if await session.scalar(mine) is None:
            raise NotFound("portfolio")
    query = (
        select(
            Alert.id,
            Alert.portfolio_id,
            Portfolio.name.label("portfolio"),
            Alert.kind,
            Etf.ticker,
            Alert.session,
            Alert.message,
            Alert.created_at,
            Market.code.label("market"),
            Market.simulated,
        )
        .join(Portfolio, Portfolio.id == Alert.portfolio_id)
        .join(Market, Market.code == Portfolio.market)
        .outerjoin(Etf, Etf.id == Alert.etf_id)
        .where(Portfolio.owner_id == owner_id)
        .order_by(Alert.id.desc())
        .limit(wanted.limit)
        .offset(wanted.offset)
    )
    if wanted.portfolio_id is not None:
        query = query.where(Alert.portfolio_id == wanted.portfolio_id)
    found = (await session.execute(query)).mappings()
    return [AlertRead.model_validate(row) for row in found]
