"""Kept backtests: run once, found again, listed, withdrawn."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.core.errors import Conflict, NotFound
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, BacktestSource, owned_backtest
from app.quant.metrics import Metrics
from app.quant.track import Track
from app.schemas.backtest import BacktestFilter, BacktestSpec
from app.services import backtest_answers, backtest_running
from app.services.backtesting import CODE_VERSION, Life, life_of, settings_hash

LANE_LETTERS = 32
"""As many as the name of a lane may have; 128 bits are enough to tell questions apart."""

IN_ONE_LINE = (defer(Backtest.report), defer(Backtest.details), defer(Backtest.returns))
"""What is not read for a list: it may be a megabyte for each run."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A complete specification, whose it is and what it is called."""

    owner_id: int
    spec: BacktestSpec
    label: str | None = None


def lane_of(ask: Ask) -> str:
    """Of jobs: while one runs what is asked for, it is the answer to whoever asks again."""
    digest = sha256(settings_hash(ask.spec) + str(ask.owner_id).encode()).hexdigest()
    return digest[:LANE_LETTERS]


async def known(session: AsyncSession, market: MarketSnapshot, ask: Ask) -> Backtest | None:
    """The run of the same specification by the same owner, data and code; None where there is
    none."""
    query = select(Backtest).where(
        Backtest.owner_id == ask.owner_id,
        Backtest.settings_hash == settings_hash(ask.spec),
        Backtest.data_version == market.data_version,
        Backtest.code_version == CODE_VERSION,
        Backtest.source == BacktestSource.RUN,
    )
    return await session.scalar(query)


async def make(market: MarketSnapshot, ask: Ask, *, now: datetime) -> dict[str, Any]:
    """Run what is asked for beside the event loop: the columns of its row.

    Raises QuantError, such as for a withdrawal of more than there is.
    """
    life = life_of(market, ask.spec)
    return await asyncio.to_thread(_made, market, ask, life, now)


async def keep(session: AsyncSession, columns: Mapping[str, Any]) -> tuple[Backtest, bool]:
    """Store a run, and say whether it is new: another process may have stored it first."""
    added = await session.scalar(
        insert(Backtest).values(**columns).on_conflict_do_nothing().returning(Backtest.id)
    )
    query = select(Backtest).where(
        *(
            getattr(Backtest, name) == columns[name]
            for name in ("owner_id", "settings_hash", "data_version", "code_version", "source")
        )
    )
    row = (await session.scalars(query)).one()
    return row, added is not None


def columns_of(
    market: MarketSnapshot, ask: Ask, track: Track, metrics: Metrics, *, now: datetime
) -> dict[str, Any]:
    """What every kept run has, whether asked for alone or a member of a sweep."""
    return {
        "owner_id": ask.owner_id,
        "market": market.code,
        "label": ask.label,
        "source": BacktestSource.RUN,
        "spec": ask.spec.model_dump(mode="json"),
        "settings_hash": settings_hash(ask.spec),
        "data_version": market.data_version,
        "code_version": CODE_VERSION,
        "first_session": track.start,
        "last_session": track.end,
        "returns": track.returns.astype("<f8").tobytes(),
        "headline": backtest_answers.headline(metrics).model_dump(),
        "created_at": now,
    }


def _made(market: MarketSnapshot, ask: Ask, life: Life, now: datetime) -> dict[str, Any]:
    outcome = backtest_running.run(market, life)
    report = backtest_answers.report_of(market, life, outcome)
    track = Track(outcome.simulation.sessions, outcome.simulation.returns)
    return {
        **columns_of(market, ask, track, outcome.report.metrics, now=now),
        "report": report.model_dump(mode="json"),
        "details": backtest_answers.packed(market, outcome),
    }


async def found(session: AsyncSession, owner_id: int, backtest_id: int) -> Backtest:
    row = await session.scalar(owned_backtest(owner_id, backtest_id))
    if row is None:
        raise NotFound("backtest")
    return row


async def listed(
    session: AsyncSession, owner_id: int, wanted: BacktestFilter
) -> Sequence[Backtest]:
    """Newest first."""
    query = select(Backtest).where(Backtest.owner_id == owner_id)
    if wanted.market is not None:
        query = query.where(Backtest.market == wanted.market)
    if wanted.source is not None:
        query = query.where(Backtest.source == wanted.source)
    if wanted.sweep_id is not None:
        query = query.where(Backtest.sweep_id == wanted.sweep_id)
    is_withdrawn = Backtest.withdrawn_at.is_not(None)
    query = query.where(is_withdrawn if wanted.withdrawn else ~is_withdrawn)
    query = query.order_by(Backtest.id.desc()).limit(wanted.limit).offset(wanted.offset)
    return (await session.scalars(query.options(*IN_ONE_LINE))).all()


async def withdraw(
    session: AsyncSession, owner_id: int, backtest_id: int, *, reason: str, now: datetime
) -> Backtest:
    """Take a run out of the lists; it stays with its reason, and counts as a try for ever.

    Raises Conflict where that was done before.
    """
    query = owned_backtest(owner_id, backtest_id).with_for_update()
    row = await session.scalar(query)
    if row is None:
        raise NotFound("backtest")
    if row.withdrawn_at is not None:
        raise Conflict(f"It was withdrawn before: {row.withdrawn_reason}")
    row.withdrawn_at, row.withdrawn_reason = now, reason
    await session.flush()
    return row
