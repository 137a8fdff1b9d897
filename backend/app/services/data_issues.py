"""The rows that imports refused, as they came, with the reason of each."""

import math
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.market_data.validation import Reason
from app.models import DataImport, Market, QuarantinedBar
from app.schemas.data import QuarantinedBarRead, QuarantineList
from app.services import data_status


async def refused(
    session: AsyncSession,
    market: str,
    *,
    ticker: str | None,
    reason: Reason | None,
    limit: int,
    offset: int,
    now: datetime,
) -> QuarantineList:
    """The refused rows of a market that fit the filters; raises `NotFound` for an unknown one."""
    about = await session.scalar(select(Market).where(Market.code == market))
    if about is None:
        raise NotFound("market")
    fitting = select(QuarantinedBar).where(QuarantinedBar.market == market)
    if ticker is not None:
        fitting = fitting.where(QuarantinedBar.ticker == ticker)
    if reason is not None:
        fitting = fitting.where(QuarantinedBar.reason == reason)
    total = await session.scalar(select(func.count()).select_from(fitting.subquery()))
    rows = await session.execute(
        fitting.add_columns(DataImport.source)
        .join(DataImport, DataImport.id == QuarantinedBar.import_id)
        .order_by(
            QuarantinedBar.ticker,
            QuarantinedBar.session,
            QuarantinedBar.copy,
            QuarantinedBar.reason,
        )
        .limit(limit)
        .offset(offset)
    )
    return QuarantineList(
        **data_status.age_of(about, now).model_dump(),
        total=total or 0,
        limit=limit,
        offset=offset,
        bars=[_row(bar, source) for bar, source in rows],
    )


def _row(bar: QuarantinedBar, source: str) -> QuarantinedBarRead:
    return QuarantinedBarRead(
        ticker=bar.ticker,
        session=bar.session,
        reason=bar.reason,
        sentence=Reason(bar.reason).sentence,
        open=_finite(bar.open),
        high=_finite(bar.high),
        low=_finite(bar.low),
        close=_finite(bar.close),
        volume=_finite(bar.volume),
        import_id=bar.import_id,
        source=source,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
