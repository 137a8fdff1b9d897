"""The market's stored scores: made once per session and data, read back as they were."""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import Row, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound, NotScored, Refused
from app.core.progress import Progress, silent
from app.market_data.snapshot import MarketSnapshot
from app.models import FactorScore
from app.quant.factors.score_history import score_history
from app.quant.factors.scoring import FACTORS, FORMULA_VERSION, ScoreSettings
from app.quant.factors.universe import Exclusion, UniverseRules
from app.quant.panel import DateArray
from app.schemas.factor import (
    LatestScores,
    ScoredEtf,
    ScoreHistory,
    ScoreOnDate,
    UnscoredEtf,
)
from app.services import freshness

STORED_SESSIONS = 252
"""How many sessions an import scores: a year to look back on."""

AT_A_TIME = 64
"""Sessions scored and written together: some megabytes with thousands of ETFs."""

COLUMNS = (
    "market",
    "session",
    "etf_id",
    "momentum",
    "quality",
    "value",
    "volatility",
    "composite",
    "rank",
    "exclusion",
    "formula_version",
    "data_version",
)


@dataclass(frozen=True, slots=True)
class Scored:
    """How many sessions were scored now, and of the latest: how many ETFs have a score."""

    sessions: int
    latest: date
    etfs_scored: int
    etfs_excluded: int


async def score_missing(
    session: AsyncSession, market: MarketSnapshot, *, progress: Progress = silent
) -> Scored:
    """Score those of the last 252 sessions that have no scores of the present formula."""
    wanted = market.panel.sessions[-STORED_SESSIONS:]
    query = select(FactorScore.session).where(
        FactorScore.market == market.code,
        FactorScore.session >= wanted[0].item(),
        FactorScore.formula_version == FORMULA_VERSION,
    )
    stored = np.array((await session.scalars(query.distinct())).all(), "datetime64[D]")
    return await score_and_store(session, market, np.setdiff1d(wanted, stored), progress=progress)


async def score_and_store(
    session: AsyncSession,
    market: MarketSnapshot,
    sessions: DateArray,
    *,
    progress: Progress = silent,
) -> Scored:
    """Score the given sessions, each from what was known at its close, replacing what is stored.

    Raises `InsufficientHistory` for a day that is not a session of the market's data.
    """
    for begin in range(0, len(sessions), AT_A_TIME):
        part = sessions[begin : begin + AT_A_TIME]
        rows = await asyncio.to_thread(_rows, market, part)
        await _replace(session, market, part.tolist(), rows)
        progress("scoring sessions", begin + len(part), len(sessions))
    return await _summary(session, market, len(sessions))


async def score_between(
    session: AsyncSession,
    market: MarketSnapshot,
    begin: date | None,
    end: date | None,
    *,
    progress: Progress = silent,
) -> Scored:
    """Score the market's sessions from `begin` to `end`, both included, None being its first and
    last, replacing what is stored.

    Raises `Refused` where there is none.
    """
    days = market.panel.sessions
    if begin is not None:
        days = days[days >= np.datetime64(begin)]
    if end is not None:
        days = days[days <= np.datetime64(end)]
    if not len(days):
        first, latest = market.panel.sessions[[0, -1]].tolist()
        raise Refused(f"No session lies between these days: there are prices {first} to {latest}.")
    return await score_and_store(session, market, days, progress=progress)


async def _replace(
    session: AsyncSession, market: MarketSnapshot, days: list[date], rows: bytes
) -> None:
    await session.execute(
        delete(FactorScore).where(FactorScore.market == market.code, FactorScore.session.in_(days))
    )
    connection = (await (await session.connection()).get_raw_connection()).driver_connection
    assert connection is not None
    async with connection.cursor() as cursor:
        statement = f"COPY factor_scores ({', '.join(COLUMNS)}) FROM STDIN (FORMAT csv)"
        async with cursor.copy(statement) as copy:
            await copy.write(rows)


async def _summary(session: AsyncSession, market: MarketSnapshot, sessions: int) -> Scored:
    latest = market.latest_session
    query = select(FactorScore.exclusion).where(
        FactorScore.market == market.code, FactorScore.session == latest
    )
    exclusions = (await session.scalars(query)).all()
    scored = sum(exclusion is None for exclusion in exclusions)
    return Scored(sessions, latest, scored, len(exclusions) - scored)


def _rows(market: MarketSnapshot, sessions: DateArray) -> bytes:
    """Scores as COPY reads them, session after session; an ETF without a score has its reason."""
    scores = score_history(market.panel, market.facts, ScoreSettings(), sessions)
    return (
        pl.DataFrame(
            {
                "session": np.repeat(scores.sessions, len(market.etfs)),
                "etf_id": np.tile(np.array([etf.id for etf in market.etfs]), len(scores.sessions)),
                **{name: scores.factors.factor(name).ravel() for name in FACTORS},
                "composite": scores.composite.ravel(),
                "rank": scores.rank.ravel(),
                "exclusion": scores.exclusion.ravel(),
            }
        )
        .with_columns(
            pl.col(pl.Float64).fill_nan(None),
            rank=pl.when(pl.col("rank") > 0).then(pl.col("rank")),
            exclusion=pl.col("exclusion").replace_strict(_REASONS, return_dtype=pl.String),
            market=pl.lit(market.code),
            formula_version=pl.lit(FORMULA_VERSION),
            data_version=pl.lit(str(market.data_version)),
        )
        .select(COLUMNS)
        .write_csv(include_header=False)
        .encode()
    )


_REASONS = {0: None, **{reason.code: reason.value for reason in Exclusion}}


async def latest_scores(
    session: AsyncSession, market: MarketSnapshot, *, unscored: bool, now: datetime
) -> LatestScores:
    """The scores of the market's latest session, best first.

    Raises `NotScored` while that session has none.
    """
    query = (
        select(*_ANSWERED)
        .where(FactorScore.market == market.code, FactorScore.session == market.latest_session)
        .order_by(FactorScore.rank.nulls_last(), FactorScore.etf_id)
    )
    rows = (await session.execute(query)).all()
    if not rows:
        raise NotScored(market.code)
    scored = [row for row in rows if row.exclusion is None]
    return LatestScores(
        **freshness.as_of(market, now),
        formula_version=rows[0].formula_version,
        scored=len(scored),
        excluded=len(rows) - len(scored),
        scores=[
            ScoredEtf.model_construct(**_named(market, row.etf_id), **_factors(row))
            for row in scored
        ],
        unscored=[_unscored(market, row) for row in rows[len(scored) :]] if unscored else None,
    )


async def history(
    session: AsyncSession, market: MarketSnapshot, ticker: str, *, days: int, now: datetime
) -> ScoreHistory:
    """The last `days` stored sessions of one ETF, newest first.

    Raises `NotFound` for a ticker the market does not have, `NotScored` while it has no scores.
    """
    if ticker not in market.row_of:
        raise NotFound("ETF in this market")
    etf = market.etfs[market.row_of[ticker]]
    query = (
        select(*_ANSWERED)
        .where(FactorScore.etf_id == etf.id, FactorScore.market == market.code)
        .order_by(FactorScore.session.desc())
        .limit(days)
    )
    rows = (await session.execute(query)).all()
    if not rows:
        raise NotScored(market.code)
    return ScoreHistory(
        **freshness.as_of(market, now),
        **_named(market, etf.id),
        expense_ratio=etf.expense_ratio,
        formula_version=rows[0].formula_version,
        history=[_on_date(row) for row in rows],
    )


ScoreRow = Row[*tuple[Any, ...]]

_ANSWERED = (
    FactorScore.session,
    FactorScore.etf_id,
    FactorScore.momentum,
    FactorScore.quality,
    FactorScore.value,
    FactorScore.volatility,
    FactorScore.composite,
    FactorScore.rank,
    FactorScore.exclusion,
    FactorScore.formula_version,
)


def _named(market: MarketSnapshot, etf_id: int) -> dict[str, Any]:
    etf = market.etfs[market.row_of_id[etf_id]]
    return {"ticker": etf.ticker, "name": etf.name, "asset_class": etf.asset_class}


def _factors(row: ScoreRow) -> dict[str, Any]:
    return {
        "momentum": row.momentum,
        "quality": row.quality,
        "value": row.value,
        "volatility": row.volatility,
        "composite": row.composite,
        "rank": row.rank,
    }


def _unscored(market: MarketSnapshot, row: ScoreRow) -> UnscoredEtf:
    return UnscoredEtf(
        **_named(market, row.etf_id), exclusion=row.exclusion, reason=_reason(row.exclusion)
    )


def _on_date(row: ScoreRow) -> ScoreOnDate:
    reason = None if row.exclusion is None else _reason(row.exclusion)
    return ScoreOnDate(session=row.session, **_factors(row), exclusion=row.exclusion, reason=reason)


def _reason(exclusion: str) -> str:
    return UniverseRules().explain(Exclusion(exclusion))
