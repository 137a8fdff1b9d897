"""What data there are, how old they are, what arrived last and what was refused."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.cache import ByteCache
from app.core.errors import NotFound
from app.market_data.validation import Reason
from app.models import (
    CorporateAction,
    DataImport,
    Etf,
    EtfPrice,
    FactorScore,
    IndexPrice,
    Market,
    QuarantinedBar,
)
from app.schemas.data import (
    DataAge,
    DataStatus,
    ImportRead,
    MarketStatus,
    QuarantineCount,
    ScoresStatus,
    SeriesStatus,
)

NO_ROWS = (0, None, None)
NO_PRICES = "The market has no prices yet: import them with 'etftrader data import'."


async def status(
    session: AsyncSession,
    cache: ByteCache,
    *,
    market: str | None,
    default_market: str,
    now: datetime,
) -> DataStatus:
    """Of every market, or of the one that is named; raises `NotFound` where there is no such."""
    query = select(Market).order_by(Market.code)
    if market is not None:
        query = query.where(Market.code == market)
    found = (await session.scalars(query)).all()
    if market is not None and not found:
        raise NotFound("market")
    return DataStatus(
        default_market=default_market,
        markets=[await _of_market(session, cache, each, now) for each in found],
    )


def age_of(market: Market, now: datetime) -> DataAge:
    """The same for a market with prices and without."""
    behind = _behind(market.latest_session, now)
    return DataAge(
        market=market.code,
        simulated=market.simulated,
        as_of=market.latest_session,
        stale=None if behind is None else behind > 0,
        sessions_behind=behind,
        reason=NO_PRICES if behind is None else None,
    )


def _behind(latest: date | None, now: datetime) -> int | None:
    if latest is None:
        return None
    return max(calendar.sessions_between(latest, calendar.last_completed_session(now)), 0)


async def _of_market(
    session: AsyncSession, cache: ByteCache, market: Market, now: datetime
) -> MarketStatus:
    etfs = await _count(session, select(func.count()).where(Etf.market == market.code))
    bars = await _bars(session, cache, market)
    refused = await _refused_by_reason(session, market.code)
    return MarketStatus(
        **age_of(market, now).model_dump(),
        name=market.name,
        currency=market.currency,
        benchmark=market.benchmark,
        adjusted_only=market.adjusted_only,
        data_version=market.data_version,
        updated_at=market.updated_at,
        etfs=etfs,
        bars=bars,
        series=[
            _series("bars", bars, (market.first_session, market.latest_session), now),
            _series("facts", etfs, (None, None), now),
            await _actions(session, market.code),
            *await _indices(session, market, now),
        ],
        scores=await _scores(session, market.code),
        quarantined=sum(each.rows for each in refused),
        quarantine=refused,
        imports=await _imports(session, market.code),
    )


async def _bars(session: AsyncSession, cache: ByteCache, market: Market) -> int:
    """Counted once per data version: a table of millions of rows takes a while."""
    if market.latest_session is None:
        return 0

    async def counted() -> bytes:
        of_market = select(Etf.id).where(Etf.market == market.code)
        query = select(func.count()).where(EtfPrice.etf_id.in_(of_market))
        return str(await _count(session, query)).encode()

    return int(await cache.get_or_make(f"bars:{market.data_version}", counted))


async def _count(session: AsyncSession, query: Select[int]) -> int:
    return (await session.scalars(query)).one()


def _series(
    name: str, rows: int, span: tuple[date | None, date | None], now: datetime
) -> SeriesStatus:
    first, latest = span
    return SeriesStatus(
        series=name,
        rows=rows,
        first_session=first,
        latest_session=latest,
        sessions_behind=_behind(latest, now),
    )


async def _actions(session: AsyncSession, market: str) -> SeriesStatus:
    """Splits and dividends come when they come: the latest one is never behind."""
    query = (
        select(func.count(), func.min(CorporateAction.ex_date), func.max(CorporateAction.ex_date))
        .join(Etf, Etf.id == CorporateAction.etf_id)
        .where(Etf.market == market)
    )
    rows, first, latest = (await session.execute(query)).one()
    return SeriesStatus(
        series="actions",
        rows=rows,
        first_session=first,
        latest_session=latest,
        sessions_behind=None,
    )


async def _indices(session: AsyncSession, market: Market, now: datetime) -> Sequence[SeriesStatus]:
    """The market's volatility index, with or without rows, and whatever else there is."""
    query = (
        select(
            IndexPrice.symbol,
            func.count(),
            func.min(IndexPrice.session),
            func.max(IndexPrice.session),
        )
        .where(IndexPrice.market == market.code)
        .group_by(IndexPrice.symbol)
    )
    stored: dict[str, tuple[int, date | None, date | None]] = {market.volatility_index: NO_ROWS}
    for symbol, rows, first, latest in await session.execute(query):
        stored[symbol] = (rows, first, latest)
    return [
        _series(symbol, rows, (first, latest), now)
        for symbol, (rows, first, latest) in sorted(stored.items())
    ]


async def _scores(session: AsyncSession, market: str) -> ScoresStatus:
    latest = await session.scalar(
        select(FactorScore.session)
        .where(FactorScore.market == market)
        .order_by(FactorScore.session.desc())
        .limit(1)
    )
    query = select(
        func.max(FactorScore.formula_version),
        func.count(FactorScore.composite),
        func.count(FactorScore.exclusion),
    ).where(FactorScore.market == market, FactorScore.session == latest)
    version, scored, excluded = (await session.execute(query)).one()
    return ScoresStatus(
        formula_version=version, latest_session=latest, scored=scored, excluded=excluded
    )


async def _refused_by_reason(session: AsyncSession, market: str) -> list[QuarantineCount]:
    rows = func.count()
    query = (
        select(QuarantinedBar.reason, rows)
        .where(QuarantinedBar.market == market)
        .group_by(QuarantinedBar.reason)
        .order_by(rows.desc(), QuarantinedBar.reason)
    )
    return [
        QuarantineCount(reason=reason, sentence=Reason(reason).sentence, rows=count)
        for reason, count in (await session.execute(query))
    ]


async def _imports(session: AsyncSession, market: str) -> list[ImportRead]:
    last = (
        select(func.max(DataImport.id))
        .where(DataImport.market == market)
        .group_by(DataImport.series)
    )
    query = select(DataImport).where(DataImport.id.in_(last)).order_by(DataImport.id.desc())
    return [ImportRead.model_validate(row) for row in await session.scalars(query)]
