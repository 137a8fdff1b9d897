"""Bring a market's stored bars up to a newer reading of them: add, correct, leave the rest alone.

Works inside the caller's transaction. Millions of rows are compared as arrays and enter by binary
COPY; only what differs is written.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from app.market_data.copying import ROWS_PER_CHUNK, binary_rows, unpack_days, unpack_floats
from app.quant.panel import BoolArray, DateArray, FloatArray, IntArray

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done and how much there is."""

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

    @property
    def differs(self) -> bool:
        return self.added + self.changed > 0


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

    def where(self, mask: BoolArray) -> "_Bars":
        return self if mask.all() else _Bars(self.keys[mask], self.values[:, mask])

    def __len__(self) -> int:
        return len(self.keys)


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
    is_new, is_changed = await asyncio.to_thread(_compare, incoming, stored)

    added, changed = incoming.where(is_new), incoming.where(is_changed)
    await _copy(connection, "etf_prices", added, progress)
    if len(changed):
        await _update(connection, changed, progress)
    differing = incoming.days[is_new | is_changed]
    return Merged(
        added=len(added),
        changed=len(changed),
        unchanged=len(incoming) - len(added) - len(changed),
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
    if (keys[1:] > keys[:-1]).all():
        return _Bars(keys, values)
    order = np.argsort(keys)
    return _Bars(keys[order], values[:, order])


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
    order = np.argsort(keys)
    return _Bars(keys[order], values[:, order])


def _compare(incoming: _Bars, stored: _Bars) -> tuple[BoolArray, BoolArray]:
    """Which incoming bars are new, and which differ from the stored one of that ETF and day."""
    if not len(stored):
        return np.ones(len(incoming), dtype=bool), np.zeros(len(incoming), dtype=bool)
    place = np.minimum(np.searchsorted(stored.keys, incoming.keys), len(stored) - 1)
    known = stored.keys[place] == incoming.keys
    differs = np.zeros(len(incoming), dtype=bool)
    for ours, theirs in zip(incoming.values, stored.values, strict=True):
        differs |= ours != theirs[place]
    return ~known, known & differs


async def _copy(connection: Connection, table: str, bars: _Bars, progress: Progress) -> None:
    columns = [bars.etf_ids, bars.days, *bars.values]
    statement = psycopg.sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(
        psycopg.sql.Identifier(table)
    )
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for number, chunk in enumerate(binary_rows(columns)):
            await copy.write(chunk)
            progress("storing bars", min(number * ROWS_PER_CHUNK, len(bars)), len(bars))


async def _update(connection: Connection, bars: _Bars, progress: Progress) -> None:
    await connection.execute("CREATE TEMP TABLE corrected_bars (LIKE etf_prices) ON COMMIT DROP")
    await _copy(connection, "corrected_bars", bars, progress)
    await connection.execute("""
        UPDATE etf_prices AS old SET open = new.open, high = new.high, low = new.low,
            close = new.close, volume = new.volume
        FROM corrected_bars AS new WHERE old.etf_id = new.etf_id AND old.session = new.session
        """)
    await connection.execute("DROP TABLE corrected_bars")
