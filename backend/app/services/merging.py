"""Bring a market's stored bars up to a newer reading of them: add, correct, leave the rest alone.

Works inside the caller's transaction. Millions of rows are compared as arrays and enter by binary
COPY; only what differs is written.
"""

import asyncio
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.progress import Progress
from app.market_data.copying import ROWS_PER_CHUNK, binary_rows, unpack_days, unpack_floats
from app.quant.panel import BoolArray, DateArray, FloatArray, IntArray

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_VALUES = ("open", "high", "low", "close", "volume")
_DAY_BITS = 32


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of the usable rows of one series."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    first_difference: date | None = None
    """The earliest day whose stored row was added or changed."""
    unknown: tuple[str, ...] = ()
    """The tickers of rows that were left out as the market has no such ETF, one for each row."""

    @property
    def differs(self) -> bool:
        return self.added + self.changed > 0

    @property
    def rows(self) -> int:
        return self.added + self.changed + self.unchanged + len(self.unknown)

    def __add__(self, other: "Merged") -> "Merged":
        days = (self.first_difference, other.first_difference)
        return Merged(
            self.added + other.added,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            min((day for day in days if day is not None), default=None),
            self.unknown + other.unknown,
        )


@dataclass(frozen=True, slots=True)
class _Bars:
    """One column per bar: its ETF and day in one integer, ascending, and its `_VALUES`."""

    keys: IntArray
    values: FloatArray

    @property
    def etf_ids(self) -> IntArray:
        return self.keys >> _DAY_BITS

    @property
    def days(self) -> DateArray:
        return (self.keys & (2**_DAY_BITS - 1)).astype("datetime64[D]")

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class _Changes:
    """What is to be done about the incoming bars; the masks are aligned with them.

    An ETF of which a bar changed is written anew as a whole, with its stored bars that did not
    arrive again: prices adjusted anew change in every bar, and COPY is the fastest way in.
    """

    is_new: BoolArray
    is_changed: BoolArray
    rewritten_etfs: IntArray
    written: _Bars


async def driver_connection(session: AsyncSession) -> Connection:
    """The psycopg connection below `session`: what is done on it belongs to its transaction."""
    connection = await session.connection()
    driver: Connection | None = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    return driver


async def etf_ids(connection: Connection, market: str, tickers: list[str]) -> dict[str, int]:
    """The id of every ETF of the market, those of `tickers` that are new included."""
    await connection.execute(
        """
        INSERT INTO etfs (market, ticker)
        SELECT %(market)s::text, ticker FROM unnest(%(tickers)s::text[]) AS new (ticker)
        WHERE NOT EXISTS
            (SELECT FROM etfs WHERE market = %(market)s::text AND etfs.ticker = new.ticker)
        ORDER BY ticker
        """,
        {"market": market, "tickers": tickers},
    )
    rows = await connection.execute("SELECT ticker, id FROM etfs WHERE market = %s", [market])
    return dict(await rows.fetchall())


async def merge_bars(
    connection: Connection, bars: pl.DataFrame, ids: dict[str, int], *, progress: Progress
) -> Merged:
    """Store validated bars (columns of `files.BAR_COLUMNS`, one per ETF and day)."""
    if bars.is_empty():
        return Merged()
    incoming = await asyncio.to_thread(_as_arrays, bars, ids)
    stored = await _stored(connection, np.unique(incoming.etf_ids))
    changes = await asyncio.to_thread(_compare, incoming, stored)

    if len(changes.rewritten_etfs):
        await connection.execute(
            "DELETE FROM etf_prices WHERE etf_id = ANY(%s)", [changes.rewritten_etfs.tolist()]
        )
    await _copy(connection, changes.written, progress)
    added, changed = int(changes.is_new.sum()), int(changes.is_changed.sum())
    differing = incoming.days[changes.is_new | changes.is_changed]
    return Merged(
        added=added,
        changed=changed,
        unchanged=len(incoming) - added - changed,
        first_difference=differing.min().item() if len(differing) else None,
    )


def _as_arrays(bars: pl.DataFrame, ids: dict[str, int]) -> _Bars:
    tickers = bars["ticker"].cast(pl.Categorical)
    names = tickers.unique()
    codes = names.to_physical().to_numpy()
    id_of_code = np.zeros(codes.max() + 1, dtype=np.int64)
    id_of_code[codes] = [ids[name] for name in names]

    days = bars["date"].to_physical().cast(pl.Int64).to_numpy()
    keys = (id_of_code[tickers.to_physical().to_numpy()] << _DAY_BITS) + days
    values = np.stack([bars[name].to_numpy() for name in _VALUES])
    return _in_order(keys, values)


async def _stored(connection: Connection, ids: IntArray) -> _Bars:
    """The bars now stored of the given ETFs, packed by PostgreSQL into one row per ETF."""
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(
            """
            SELECT etf.id, packed.* FROM unnest(%s::int[]) AS etf (id),
            LATERAL (
                SELECT string_agg(date_send(session), ''), string_agg(float8send(open), ''),
                       string_agg(float8send(high), ''), string_agg(float8send(low), ''),
                       string_agg(float8send(close), ''), string_agg(float8send(volume), '')
                FROM etf_prices WHERE etf_id = etf.id
            ) AS packed (days)
            WHERE days IS NOT NULL
            """,
            [ids.tolist()],
        )
        packed = await cursor.fetchall()
    return await asyncio.to_thread(_unpack, packed)


def _unpack(packed: list[tuple[Any, ...]]) -> _Bars:
    counts = [len(row[1]) // 4 for row in packed]
    days = unpack_days(b"".join(row[1] for row in packed)).astype(np.int64)
    owners = np.repeat(np.array([row[0] for row in packed], dtype=np.int64), counts)
    keys = (owners << _DAY_BITS) + days
    values = np.stack(
        [unpack_floats(b"".join(row[2 + i] for row in packed)) for i in range(len(_VALUES))]
    )
    return _in_order(keys, values)


def _compare(incoming: _Bars, stored: _Bars) -> _Changes:
    known, place = _find(incoming.keys, stored.keys)
    differs = np.zeros(len(incoming), dtype=bool)
    for ours, theirs in zip(incoming.values, stored.values, strict=True):
        differs[known] |= ours[known] != theirs[place[known]]

    rewritten_etfs = np.unique(incoming.etf_ids[differs])
    kept = np.isin(stored.etf_ids, rewritten_etfs) & ~_find(stored.keys, incoming.keys)[0]
    written = ~known | np.isin(incoming.etf_ids, rewritten_etfs)
    return _Changes(
        is_new=~known,
        is_changed=differs,
        rewritten_etfs=rewritten_etfs,
        written=_in_order(
            np.concatenate([incoming.keys[written], stored.keys[kept]]),
            np.concatenate([incoming.values[:, written], stored.values[:, kept]], axis=1),
        ),
    )


def _find(keys: IntArray, among: IntArray) -> tuple[BoolArray, IntArray]:
    """Which of `keys` are among others, ascending, and where."""
    place = np.searchsorted(among, keys)
    found = place < len(among)
    found[found] = among[place[found]] == keys[found]
    return found, place


def _in_order(keys: IntArray, values: FloatArray) -> _Bars:
    if (keys[1:] > keys[:-1]).all():
        return _Bars(keys, values)
    order = np.argsort(keys)
    return _Bars(keys[order], values[:, order])


async def _copy(connection: Connection, bars: _Bars, progress: Progress) -> None:
    columns = [bars.etf_ids, bars.days, *bars.values]
    async with (
        connection.cursor() as cursor,
        cursor.copy("COPY etf_prices FROM STDIN (FORMAT binary)") as copy,
    ):
        for number, chunk in enumerate(binary_rows(columns)):
            await copy.write(chunk)
            progress("storing bars", min(number * ROWS_PER_CHUNK, len(bars)), len(bars))
