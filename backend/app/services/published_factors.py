"""Daily factor returns that others publish: imported from a file, read for regressions."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Conflict
from app.market_data.copying import driver_faults, unpack_days, unpack_floats
from app.market_data.factor_files import RISK_FREE, read_factors
from app.quant.panel import DateArray, FloatArray
from app.services.merging import Connection, driver_connection


class NoPublishedFactors(Conflict):
    def __init__(self) -> None:
        super().__init__(
            "No published factors are there yet: 'etftrader data import --published-factors FILE' "
            "brings them."
        )


@dataclass(frozen=True, slots=True)
class FactorReport:
    """What became of one factor's returns; read = added + changed + unchanged."""

    name: str
    source: str
    read: int
    added: int
    changed: int
    unchanged: int
    first_session: date | None
    latest_session: date | None


@dataclass(frozen=True, slots=True)
class Published:
    """The risk-free rate [T] and factors [T, K] of the sessions that have all of them."""

    sessions: DateArray
    risk_free: FloatArray
    values: FloatArray
    until: date
    """The last session of which any of them is known."""


async def import_file(session: AsyncSession, path: Path) -> tuple[FactorReport, ...]:
    """Add what is new, correct what is published otherwise by now, keep what the file lacks.

    Raises `BadFile` before anything is written.
    """
    rows = await asyncio.to_thread(read_factors, path)
    with driver_faults():
        connection = await driver_connection(session)
        return tuple(
            [
                await _merge(connection, name, rows.select("date", name).drop_nulls(), path.name)
                for name in sorted(rows.columns)
                if name != "date"
            ]
        )


async def _merge(
    connection: Connection, name: str, rows: pl.DataFrame, source: str
) -> FactorReport:
    rows = rows.sort("date")
    found = await connection.execute(
        """
        INSERT INTO published_factors (name, session, value)
        SELECT %s, * FROM unnest(%s::date[], %s::float8[])
        ON CONFLICT (name, session) DO UPDATE SET value = excluded.value
            WHERE published_factors.value <> excluded.value
        RETURNING xmax = 0
        """,
        [name, rows["date"].to_list(), rows[name].to_list()],
    )
    written = [is_new for (is_new,) in await found.fetchall()]
    return FactorReport(
        name=name,
        source=source,
        read=len(rows),
        added=sum(written),
        changed=len(written) - sum(written),
        unchanged=len(rows) - len(written),
        first_session=rows["date"].min(),  # type: ignore[arg-type]
        latest_session=rows["date"].max(),  # type: ignore[arg-type]
    )


_PACKED = text("""
    SELECT name, string_agg(date_send(session), ''::bytea ORDER BY session),
           string_agg(float8send(value), ''::bytea ORDER BY session)
    FROM published_factors
    WHERE name = ANY(:names) AND session BETWEEN :first AND :last GROUP BY name
    """)
_UNTIL = text("""
    SELECT min(last) FROM (
        SELECT max(session) AS last FROM published_factors WHERE name = ANY(:names) GROUP BY name
    ) AS each
    """)
"""How far all of them reach."""


async def read(session: AsyncSession, names: Sequence[str], first: date, last: date) -> Published:
    """Of the sessions from `first` to `last`; raises `NoPublishedFactors` where none is stored."""
    wanted = [RISK_FREE, *names]
    until = await session.scalar(_UNTIL, {"names": wanted})
    if until is None:
        raise NoPublishedFactors
    rows = await session.execute(_PACKED, {"names": wanted, "first": first, "last": last})
    found = {name: (unpack_days(days), unpack_floats(values)) for name, days, values in rows}
    nothing = np.empty(0, "datetime64[D]"), np.empty(0)
    series = [found.get(name, nothing) for name in wanted]
    common = series[0][0]
    for days, _ in series[1:]:
        common = np.intersect1d(common, days, assume_unique=True)
    aligned = np.column_stack([values[np.searchsorted(days, common)] for days, values in series])
    return Published(common, aligned[:, 0], aligned[:, 1:], until)
