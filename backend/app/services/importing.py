"""From files, or tables like them, to a market whose data are newer: all of it or nothing.

One import is one transaction under one lock per market. Importing the same again changes
nothing; a corrected row replaces the stored one and gives the market a new data version. A
refused bar never replaces a stored one.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

import polars as pl
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.errors import NoMarketData, NotFound, Refused
from app.core.progress import Progress
from app.market_data import plausibility, validation
from app.market_data.copying import driver_faults
from app.market_data.validation import Reason, Sorted
from app.models import DataImport, Market
from app.services import (
    deliveries,
    merging_actions,
    plausible,
    price_kinds,
    ticker_changes,
    turns,
)
from app.services.arrivals import Arrival, Delivery, ImportReport, SeriesReport
from app.services.deliveries import NamedFiles
from app.services.merging import (
    Connection,
    Merged,
    driver_connection,
    etf_ids,
    merge_bars,
)
from app.services.merging_facts import merge_facts, merge_index
from app.services.price_kinds import AlreadyAdjusted
from app.services.quarantining import keep_refused
from app.services.ticker_changes import followed

BARS, FACTS, ACTIONS = "bars", "facts", "actions"


@dataclass(frozen=True, slots=True)
class _Taken:
    delivery: Delivery
    series: str
    merged: Merged
    refused: pl.DataFrame | None = None
    first: date | None = None
    latest: date | None = None

    def report(self) -> SeriesReport:
        counts = {} if self.refused is None else dict(self.refused["reason"].value_counts().rows())
        merged = self.merged
        quarantined = sum(counts.values())
        return SeriesReport(
            series=self.series,
            source=self.delivery.source,
            read=merged.rows + quarantined,
            added=merged.added,
            changed=merged.changed,
            unchanged=merged.unchanged,
            quarantined=quarantined,
            reasons={reason: counts[reason] for reason in Reason if reason in counts},
            first_session=self.first,
            latest_session=self.latest,
            first_difference=merged.first_difference,
            left_out=len(merged.unknown),
            unknown_tickers=tuple(sorted(set(merged.unknown))),
        )


async def import_files(
    session: AsyncSession,
    market: str,
    prices: Path | None,
    *,
    metadata: Path | None = None,
    vix: Path | None = None,
    actions: Path | None = None,
    traded: bool = False,
    now: datetime,
    data_version: UUID,
    progress: Progress,
) -> ImportReport:
    """Import those files that are given: bars, facts, the volatility index, corporate actions.

    `traded`: prices are as traded, and `dividend` and `split_ratio` are read too. Raises `BadFile`
    before anything is written, `Refused` for a simulated market, and what `import_arrival` raises.
    """
    if await session.scalar(select(Market.simulated).where(Market.code == market)):
        raise Refused(f"The market '{market}' is simulated: real prices never mix with it.")
    progress("reading files", 0, 1)
    named = NamedFiles(prices, metadata, vix, actions)
    arrival = await asyncio.to_thread(deliveries.read, named, traded=traded)
    progress("reading files", 1, 1)
    return await import_arrival(
        session,
        market,
        arrival,
        traded=traded,
        now=now,
        data_version=data_version,
        progress=progress,
    )


async def import_arrival(
    session: AsyncSession,
    market: str,
    arrival: Arrival,
    *,
    traded: bool | None = None,
    now: datetime,
    data_version: UUID,
    progress: Progress,
) -> ImportReport:
    """Validate, merge and record, inside the transaction of `session`.

    `data_version` becomes the market's if anything changes. `traded`: whether the bars are as they
    were traded (True), adjusted (False), or of the market's kind whichever that is (None); a market
    without bars becomes one of their kind. A second import of the market waits for the first.
    Raises `NotFound` for an unknown market, `NoMarketData` for actions of one without prices,
    `Refused` for bars of the other kind, for dividends and splits in a market of adjusted prices
    and for changes of tickers that cannot be, and `Unavailable` when the database is away.
    """
    with driver_faults():
        connection = await driver_connection(session)
        await turns.take(session, market, progress)
        about = await session.scalar(
            select(Market).where(Market.code == market).execution_options(populate_existing=True)
        )
        if about is None:
            raise NotFound("market")
        if arrival.bars is not None and traded is not None:
            price_kinds.decide(about, traded=traded)
        actions = _actions_of(about, arrival)
        taken = await _take(connection, about, replace(arrival, actions=actions), now, progress)
        return await _record(session, about, taken, now=now, data_version=data_version)


def _actions_of(about: Market, arrival: Arrival) -> Delivery | None:
    """What can be taken of actions: all of it, or the import is refused."""
    if arrival.actions is None:
        return None
    source = arrival.actions.source
    rows = merging_actions.completed(arrival.actions.rows, source)
    if about.adjusted_only:
        per_share = rows.filter(pl.col("kind").is_in(list(map(str, merging_actions.PER_SHARE))))
        if len(per_share):
            raise AlreadyAdjusted(about.code, *per_share.select("kind", "ticker", "ex_date").row(0))
    if arrival.bars is None and about.data_version is None:
        raise NoMarketData(about.code)
    return Delivery(rows, source)


async def _take(
    connection: Connection, about: Market, arrival: Arrival, now: datetime, progress: Progress
) -> list[_Taken]:
    """Merge every part.

    Changes of tickers come first, so that everything else finds its ETF, and facts before bars, so
    that an ETF is not made twice.
    """
    taken, last_completed = [], calendar.last_completed_session(now)
    renamed = Merged()
    if arrival.actions is not None:
        renamed = await merging_actions.merge_ticker_changes(
            connection,
            about.code,
            arrival.actions.rows,
            arriving=arrival.tickers(),
            today=now.date(),
        )
    former = await ticker_changes.former_tickers(connection, about.code)
    if arrival.facts is not None:
        facts = await ticker_changes.facts_followed(
            connection, about.code, arrival.facts.rows, former
        )
        merged = await merge_facts(connection, about.code, facts)
        taken.append(_Taken(arrival.facts, FACTS, merged))
    if arrival.bars is not None:
        bars = replace(arrival.bars, rows=followed(arrival.bars.rows, former, "date"))
        taken.append(
            await _take_bars(
                connection,
                about.code,
                bars,
                None if arrival.actions is None else arrival.actions.rows,
                last_completed=last_completed,
                progress=progress,
            )
        )
    if arrival.actions is not None:
        rows = followed(arrival.actions.rows, former, "ex_date")
        merged = await merging_actions.merge_actions(connection, about.code, rows)
        taken.append(_Taken(arrival.actions, ACTIONS, renamed + merged))
    if arrival.index is not None:
        taken.append(await _take_index(connection, about, arrival.index, last_completed))
    return taken


async def _take_index(
    connection: Connection, about: Market, index: Delivery, last_completed: date
) -> _Taken:
    symbol = about.volatility_index
    split = validation.sort_index(index.rows, last_completed=last_completed)
    merged = await merge_index(connection, about.code, symbol, split.good)
    refused = split.quarantined.with_columns(ticker=pl.lit(symbol))
    return _Taken(index, symbol, merged, refused, *_ends(split))


async def _take_bars(
    connection: Connection,
    market: str,
    bars: Delivery,
    actions: pl.DataFrame | None,
    *,
    last_completed: date,
    progress: Progress,
) -> _Taken:
    progress("checking bars", 0, len(bars.rows))
    split = await asyncio.to_thread(validation.sort_bars, bars.rows, last_completed=last_completed)
    known = await plausible.before(connection, market, split.good, actions)
    split = await asyncio.to_thread(plausibility.sift, split, known)
    progress("checking bars", len(bars.rows), len(bars.rows))
    ids = await etf_ids(connection, market, split.good["ticker"].unique().cast(pl.String).to_list())
    merged = await merge_bars(connection, split.good, ids, progress=progress)
    return _Taken(bars, BARS, merged, split.quarantined, *_ends(split))


def _ends(split: Sorted) -> tuple[date | None, date | None]:
    if split.good.is_empty():
        return None, None
    return split.good["date"].min(), split.good["date"].max()  # type: ignore[return-value]


async def _record(
    session: AsyncSession,
    about: Market,
    taken: list[_Taken],
    *,
    now: datetime,
    data_version: UUID,
) -> ImportReport:
    """Note what arrived, and name the market's new state if there is one."""
    changed = any(each.merged.differs for each in taken)
    if changed:
        about.data_version, about.updated_at = data_version, now
        for each in taken:
            if each.series == BARS and each.first is not None and each.latest is not None:
                about.first_session = min(about.first_session or each.first, each.first)
                about.latest_session = max(about.latest_session or each.latest, each.latest)

    for each in taken:
        report = each.report()
        row = DataImport(
            market=about.code,
            source=report.source,
            series=report.series,
            rows_read=report.read,
            rows_added=report.added,
            rows_changed=report.changed,
            rows_unchanged=report.unchanged,
            rows_quarantined=report.quarantined,
            first_session=report.first_session,
            latest_session=report.latest_session,
            data_version=about.data_version,
            finished_at=now,
        )
        session.add(row)
        await session.flush()
        if each.refused is not None:
            await keep_refused(await driver_connection(session), about.code, row.id, each.refused)

    return ImportReport(
        market=about.code,
        series=tuple(each.report() for each in taken),
        data_version=about.data_version,
        changed=changed,
        redo_from=_redo_from(about, taken),
    )


def _redo_from(about: Market, taken: list[_Taken]) -> date | None:
    """Facts enter every score; a bar or an action those of its day and after."""
    days = [
        each.merged.first_difference
        for each in taken
        if each.series in {BARS, ACTIONS} and each.merged.first_difference is not None
    ]
    if about.first_session and any(e.series == FACTS and e.merged.differs for e in taken):
        days.append(about.first_session)
    return min(days, default=None)
