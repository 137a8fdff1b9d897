"""A sweep as workers see it: read what to do, simulate or put together, write what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import cast, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Sessions, reading
from app.core.errors import Conflict, Refused
from app.core.progress import Progress
from app.market_data.live import MarketData
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, BacktestSource, Sweep
from app.quant import metrics
from app.quant.measured import Missing
from app.quant.track import Track
from app.schemas.sweep import SweepResult, SweepSpec
from app.services import (
    backtest_evidence,
    backtest_runs,
    sweep_members,
    sweep_results,
    sweep_running,
    sweeps,
)
from app.services.backtest_runs import Ask
from app.services.sweep_members import Member
from app.services.sweep_results import Runs
from app.services.sweep_running import Bench


class DataChanged(Conflict):
    def __init__(self, market: str) -> None:
        super().__init__(
            f"The data of the market '{market}' have changed since the sweep was asked for: its "
            "runs would not be comparable. Ask for it again."
        )


class NothingLived(Refused):
    def __init__(self, failures: Mapping[str, str]) -> None:
        super().__init__(f"No member could be lived through; the first: {failures['0']}")


@dataclass(frozen=True, slots=True)
class Task:
    """Some members of a sweep, or all of them, and the data that it was asked for on."""

    sweep_id: int
    owner_id: int
    spec: SweepSpec
    members: Sequence[Member]
    market: MarketSnapshot


async def read(
    sessions: Sessions,
    market_data: MarketData,
    sweep_id: int,
    numbers: Sequence[int] | None = None,
) -> Task:
    """The members of these numbers; all if None. Raises DataChanged."""
    async with reading(sessions) as session:
        sweep = await session.get_one(Sweep, sweep_id)
        market = await market_data.snapshot(session, sweep.market, recheck=True)
    if market.data_version != sweep.data_version:
        raise DataChanged(sweep.market)
    spec = sweeps.stored_spec(sweep.spec)
    base = sweep_members.base_of(spec)
    wanted = range(sweep.members) if numbers is None else numbers
    members = tuple(sweep_members.member(spec, base, number) for number in wanted)
    return Task(sweep.id, sweep.owner_id, spec, members, market)


@dataclass(frozen=True, slots=True)
class Done:
    """The rows of `backtests` for some members, and why, by number, there is none for others."""

    rows: Sequence[Mapping[str, Any]]
    failures: Mapping[str, str]


def simulate(task: Task, now: datetime, tell: Progress) -> Done:
    """The members live through the same sessions, and are measured together."""
    lived: list[tuple[Member, Track]] = []
    failures = {}
    for member, found in sweep_running.all_simulated(Bench(task.market), task.members, tell):
        if isinstance(found, Missing):
            failures[str(member.number)] = found.reason
        else:
            # Only its returns are kept: a whole simulation is a thousand times as large.
            lived.append((member, Track(found.sessions, found.returns)))
    return Done(_rows(task, lived, now) if lived else [], failures)


def _rows(task: Task, lived: Sequence[tuple[Member, Track]], now: datetime) -> list[dict[str, Any]]:
    found = metrics.compute_many(
        np.column_stack([track.returns for _, track in lived]),
        lived[0][1].dates,
        rf=task.spec.risk_free_rate,
    )
    return [
        {
            **backtest_runs.columns_of(
                task.market, Ask(task.owner_id, member.spec), track, measured, now=now
            ),
            "source": BacktestSource.SWEEP,
            "sweep_id": task.sweep_id,
            "member": member.number,
        }
        for (member, track), measured in zip(lived, found, strict=True)
    ]


async def keep(session: AsyncSession, sweep_id: int, done: Done) -> None:
    """Each member once, however often it is simulated."""
    if done.failures:
        added = Sweep.failures.concat(cast(dict(done.failures), JSONB))
        await session.execute(update(Sweep).where(Sweep.id == sweep_id).values(failures=added))
    if done.rows:
        statement = insert(Backtest).on_conflict_do_nothing(
            index_elements=[Backtest.sweep_id, Backtest.settings_hash]
        )
        await session.execute(statement, done.rows)


async def runs_of(sessions: Sessions, task: Task) -> Runs:
    """All members of a sweep, and what else its owner has run on the market."""
    async with reading(sessions) as session:
        runs = await backtest_evidence.tried(session, task.owner_id, task.market.code)
        own = [run for run in runs if run.sweep_id == task.sweep_id]
        others = backtest_evidence.asked_once([*own, *runs], 0)[len(own) :]
        failures = (await session.get_one(Sweep, task.sweep_id)).failures
    kept = {run.member: backtest_evidence.record_of(run) for run in own if run.member is not None}
    if len(kept) + len(failures) != len(task.members):
        raise AssertionError("every member is kept, or its failure, when the parts are done")
    if not kept:
        raise NothingLived(failures)
    dates = next(iter(kept.values())).dates
    unknown = np.full(len(dates) - 1, np.nan)
    return Runs(
        members=task.members,
        kept={run.member: run for run in own if run.member is not None},
        returns=np.vstack(
            [
                kept[member.number].returns if member.number in kept else unknown
                for member in task.members
            ]
        ),
        sessions=dates,
        others=tuple(backtest_evidence.record_of(run) for run in others),
    )


def put_together(task: Task, runs: Runs, tell: Progress) -> SweepResult:
    return sweep_results.put_together(Bench(task.market), task.spec, runs, tell)


async def conclude(session: AsyncSession, task: Task, result: SweepResult) -> dict[str, Any]:
    """Write it down; what its job says of it."""
    sweep = await session.get_one(Sweep, task.sweep_id, with_for_update=True)
    sweep.result = result.model_dump(mode="json")
    best = result.best
    return {
        "sweep": task.sweep_id,
        "members": len(task.members),
        "best": None if best is None else best.number,
        "sharpe": None if best is None else best.headline.sharpe,
        "dsr": None if best is None else best.evidence.dsr,
    }
