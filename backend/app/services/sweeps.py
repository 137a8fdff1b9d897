"""Sweeps as their owners ask for them and see them. `sweep_work` is the workers' side.

A sweep that failed or was cancelled keeps the members that were done by then: asked for again, it
goes on with the others.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import Settings
from app.core.errors import NotFound
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, Job, JobKind, JobState, Sweep
from app.schemas.backtest import BacktestSpec
from app.schemas.problem import Problem
from app.schemas.sweep import FailedMember, MemberRead, SweepItem, SweepRead, SweepResult, SweepSpec
from app.services import backtesting, jobs, sweep_members, sweep_results
from app.services.jobs import Chunks
from app.services.sweep_members import Member

FAILED = (JobState.FAILED, JobState.CANCELLED)


async def submit(
    session: AsyncSession,
    market: MarketSnapshot,
    configured: Settings,
    body: SweepSpec,
    *,
    owner_id: int,
    now: datetime,
) -> Job:
    """The job that makes the sweep; of one that was made on these data before, its job.

    Raises Refused for members that cannot be run or are the same run, and InsufficientHistory for
    windows that the sessions have no room for.
    """
    wanted = resolved(market, configured, body)
    members = await asyncio.to_thread(_checked, market, wanted)
    asked = _hash(wanted)
    await session.execute(select(func.pg_advisory_xact_lock(_lock(owner_id, asked))))
    known = await session.scalar(
        select(Sweep).where(
            Sweep.owner_id == owner_id,
            Sweep.spec_hash == asked,
            Sweep.data_version == market.data_version,
        )
    )
    if known is None:
        return await _begin(session, market, wanted, members, owner_id=owner_id, now=now)
    job = await session.get_one(Job, known.job_id)
    ended = job.state in FAILED or (job.cancel_requested and not job.has_ended)
    return await _again(session, known, members, now=now) if ended else job


def resolved(market: MarketSnapshot, configured: Settings, body: SweepSpec) -> SweepSpec:
    """With everything said that was left out."""
    base = backtesting.resolved(market, configured, body.common).model_dump(mode="json")
    own = body.model_dump(mode="json", exclude=set(BacktestSpec.model_fields))
    return stored_spec({**base, **own})


def stored_spec(stored: Mapping[str, Any]) -> SweepSpec:
    return SweepSpec.model_validate_json(json.dumps(stored))


def _checked(market: MarketSnapshot, wanted: SweepSpec) -> tuple[Member, ...]:
    members = sweep_members.all_members(market, wanted)
    timetable = backtesting.life_of(market, members[0].spec).timetable
    returns = timetable.last - timetable.first
    sweep_results.windows_of(wanted, returns)
    sweep_results.splits_of(wanted, returns)
    return members


async def _begin(
    session: AsyncSession,
    market: MarketSnapshot,
    wanted: SweepSpec,
    members: Sequence[Member],
    *,
    owner_id: int,
    now: datetime,
) -> Job:
    place = func.pg_get_serial_sequence(Sweep.__tablename__, "id")
    number = (await session.scalars(select(func.nextval(place)))).one()
    job = await _submit(session, number, members, owner_id=owner_id, now=now)
    session.add(
        Sweep(
            id=number,
            owner_id=owner_id,
            market=market.code,
            label=wanted.label,
            spec=wanted.model_dump(mode="json"),
            spec_hash=_hash(wanted),
            data_version=market.data_version,
            members=len(members),
            job_id=job.id,
            created_at=now,
        )
    )
    await session.flush()
    return job


async def _again(
    session: AsyncSession, sweep: Sweep, members: Sequence[Member], *, now: datetime
) -> Job:
    query = select(Backtest.member).where(Backtest.sweep_id == sweep.id)
    done = {*await session.scalars(query), *map(int, sweep.failures)}
    left = [each for each in members if each.number not in done]
    job = await _submit(session, sweep.id, left, owner_id=sweep.owner_id, now=now)
    sweep.job_id = job.id
    return job


async def _submit(
    session: AsyncSession, sweep_id: int, members: Sequence[Member], *, owner_id: int, now: datetime
) -> Job:
    parts = [{"sweep": sweep_id, "members": numbers} for numbers in sweep_members.chunks(members)]
    return await jobs.submit(
        session,
        owner_id=owner_id,
        kind=JobKind.SWEEP,
        arguments={"sweep": sweep_id},
        chunks=Chunks(JobKind.SWEEP_CHUNK, parts),
        now=now,
    )


def _hash(wanted: SweepSpec) -> bytes:
    """Of what decides the result: the code too, the label not."""
    asked = wanted.model_dump(mode="json", exclude={"label"})
    text = json.dumps([asked, backtesting.CODE_VERSION], sort_keys=True)
    return sha256(text.encode()).digest()


def _lock(owner_id: int, asked: bytes) -> int:
    digest = sha256(b"sweep %d " % owner_id + asked).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


async def listed(
    session: AsyncSession, owner_id: int, *, limit: int, offset: int
) -> list[SweepItem]:
    """Newest first."""
    query = _with_job().where(Sweep.owner_id == owner_id).order_by(Sweep.id.desc())
    found = await session.execute(query.limit(limit).offset(offset))
    return [SweepItem(**_item(row)) for row in found]


async def shown(
    session: AsyncSession, owner_id: int, sweep_id: int, *, limit: int, offset: int
) -> SweepRead:
    """With some of its members. Raises NotFound; somebody else's is as absent as one that never
    was."""
    found = await session.execute(
        _with_job().where(Sweep.id == sweep_id, Sweep.owner_id == owner_id)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("sweep")
    sweep, job, _ = row
    query = select(Backtest).where(Backtest.sweep_id == sweep.id).order_by(Backtest.member)
    runs = await session.scalars(query.limit(limit).offset(offset))
    spec = stored_spec(sweep.spec)
    return SweepRead(
        **_item(row),
        spec=sweep.spec,
        error=None if job.error is None else Problem.model_validate(job.error),
        result=(
            None
            if sweep.result is None
            else SweepResult.model_validate({"notes": [], **sweep.result})
        ),
        runs=[_member(spec, run) for run in runs],
        failures=[
            FailedMember(
                number=number, changes=dict(sweep_members.changes(spec, number)), reason=reason
            )
            for number, reason in sorted((int(key), why) for key, why in sweep.failures.items())
        ],
    )


def _member(spec: SweepSpec, run: Backtest) -> MemberRead:
    assert run.member is not None
    return MemberRead(
        number=run.member,
        backtest_id=run.id,
        changes=dict(sweep_members.changes(spec, run.member)),
        headline=run.headline,
    )


def _with_job() -> Select[Sweep, Job, int]:
    done = (
        select(func.count())
        .where(Backtest.sweep_id == Sweep.id)
        .correlate(Sweep)
        .scalar_subquery()
        .label("done")
    )
    return select(Sweep, Job, done).join(Job, Job.id == Sweep.job_id)


def _item(row: Row[Sweep, Job, int]) -> dict[str, Any]:
    sweep, job, done = row
    return {
        "id": sweep.id,
        "label": sweep.label,
        "market": sweep.market,
        "members": sweep.members,
        "done": done + len(sweep.failures),
        "state": job.state,
        "progress": job.progress,
        "job_id": job.id,
        "data_version": sweep.data_version,
        "created_at": sweep.created_at,
    }
