"""What kept backtests say together: whether one can be believed, and whether two differ."""

import asyncio
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.core import calendar
from app.core.errors import Refused
from app.models import Backtest
from app.quant.evidence.assessment import Evidence, assess
from app.quant.evidence.bootstrap import Interval
from app.quant.evidence.comparison import Comparison, Difference, compare
from app.quant.evidence.records import TrackRecord
from app.quant.measured import Missing, number
from app.schemas.backtest import (
    BacktestItem,
    ComparisonRead,
    DifferenceRead,
    EvidenceRead,
    IntervalRead,
)
from app.services import backtest_runs
from app.services.backtest_answers import returns_of

SEED = 0
"""The same question has the same answer."""
INTERVALS = ("sharpe_interval", "cagr_interval", "drawdown_interval")
FIGURES = ("sharpe", "psr", "expected_maximum", "dsr", "min_track_record", "pbo")


_LARGE = (Backtest.spec, Backtest.report, Backtest.details)


def record_of(row: Backtest) -> TrackRecord:
    days = calendar.sessions(row.first_session, row.last_session)
    return TrackRecord(days.astype("datetime64[D]"), returns_of(row))


async def tried(session: AsyncSession, owner_id: int, market: str) -> Sequence[Backtest]:
    """Every run that the owner made on a market, in whatever state its data were.

    They come without what is large and says nothing of their returns.
    """
    query = select(Backtest).where(Backtest.owner_id == owner_id, Backtest.market == market)
    query = query.options(*(defer(part, raiseload=True) for part in _LARGE))
    return (await session.scalars(query.order_by(Backtest.id))).all()


def asked_once(rows: Sequence[Backtest], kept: int) -> list[Backtest]:
    """Without repetitions: a member of a sweep that is run alone as well, or is in two sweeps, is
    one try. Of equal ones the first stays, or the run `kept`."""
    found: dict[tuple[object, ...], Backtest] = {}
    for row in rows:
        question = (row.settings_hash, row.data_version, row.code_version)
        if row.id == kept or question not in found:
            found[question] = row
    return list(found.values())


async def evidence(session: AsyncSession, owner_id: int, backtest_id: int) -> EvidenceRead:
    """Of one run, among all that its owner made on the market."""
    row = await backtest_runs.found(session, owner_id, backtest_id)
    rows = asked_once(await tried(session, owner_id, row.market), row.id)
    place = [each.id for each in rows].index(row.id)
    rate = float(row.spec["risk_free_rate"])
    found = await asyncio.to_thread(
        lambda: assess([record_of(each) for each in rows], place, rf=rate, seed=SEED)
    )
    return evidence_read(row, found)


def evidence_read(row: Backtest, found: Evidence) -> EvidenceRead:
    return EvidenceRead(
        backtest_id=row.id,
        market=row.market,
        observations=found.observations,
        trials=found.trials,
        distinct_trials=found.effective.number,
        confidence=found.confidence,
        **{name: number(getattr(found, name)) for name in FIGURES},
        **{name: _interval(getattr(found, name)) for name in INTERVALS},
        reasons={name: why for name, why in found.missing().items() if name in _SHOWN},
    )


_SHOWN = {*FIGURES, *INTERVALS}


async def comparison(
    session: AsyncSession, owner_id: int, first_id: int, second_id: int
) -> ComparisonRead:
    """Both Sharpe ratios are over the risk-free rate of the first.

    Raises Refused where the two have too few sessions in common, or lived in different markets.
    """
    first = await backtest_runs.found(session, owner_id, first_id)
    second = await backtest_runs.found(session, owner_id, second_id)
    if first.market != second.market:
        raise Refused(f"They lived in different markets: {first.market} and {second.market}.")
    rate = float(first.spec["risk_free_rate"])
    found = await asyncio.to_thread(
        lambda: compare(record_of(first), record_of(second), rf=rate, seed=SEED)
    )
    if isinstance(found, Missing):
        raise Refused(f"They cannot be compared: {found.reason}.")
    return _comparison_read(first, second, rate, found)


def _comparison_read(
    first: Backtest, second: Backtest, rate: float, found: Comparison
) -> ComparisonRead:
    correlation = found.correlation
    return ComparisonRead(
        first=BacktestItem.model_validate(first),
        second=BacktestItem.model_validate(second),
        risk_free_rate=rate,
        sessions=found.sessions,
        only_first=found.only_first,
        only_second=found.only_second,
        correlation=number(correlation),
        mean=_difference(found.mean),
        sharpe=_difference(found.sharpe),
        reasons={"correlation": correlation.reason} if isinstance(correlation, Missing) else {},
    )


def _difference(found: Difference) -> DifferenceRead:
    named: dict[str, Any] = {each.name: getattr(found, each.name) for each in fields(found)}
    return DifferenceRead(
        value=number(found.value),
        error=number(found.error),
        lags=found.lags,
        p_value=number(found.p_value),
        interval=_interval(found.interval),
        reasons={name: each.reason for name, each in named.items() if isinstance(each, Missing)},
    )


def _interval(found: Interval | Missing) -> IntervalRead | None:
    return None if isinstance(found, Missing) else IntervalRead.model_validate(found)
