"""From the tables to a market's snapshot: prices as packed bytes, one row per ETF."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from sqlalchemy import URL, make_url

from app.core import calendar
from app.core.errors import NoMarketData, NotFound
from app.market_data import adjustment
from app.market_data.copying import driver_faults, unpack_days, unpack_floats
from app.market_data.panels import PanelFiles, PriceArrays
from app.market_data.snapshot import Action, EtfFacts, MarketSnapshot
from app.models import ActionKind
from app.quant.panel import DateArray, Facts, FloatArray, IntArray, Panel

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Market:
    code: str
    name: str
    simulated: bool
    adjusted_only: bool
    currency: str
    benchmark: str
    volatility_index: str
    data_version: UUID


@contextmanager
def reading_connection(url: str | URL) -> Iterator[Connection]:
    """A connection of its own whose statements all see one state of the database.

    Outside any pool: loading must not wait for connections held by those who wait for the load.
    Raises `Unavailable` when the database is away.
    """
    address = make_url(url)
    _, arguments = address.get_dialect()().create_connect_args(address)
    arguments.update(connect_timeout=2, application_name="etftrader panel")
    with driver_faults(), psycopg.connect(**arguments) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield connection


def load_snapshot(connection: Connection, market: str, files: PanelFiles) -> MarketSnapshot:
    """The market as the connection's transaction sees it, its panel from `files` if kept there.

    Raises `NotFound` for an unknown market and `NoMarketData` for one without a bar.
    """
    about = _market(connection, market)
    actions = _actions(connection, market)
    prices = files.read(about.data_version)
    if prices is None:
        prices = read_prices(connection, _ids_with_bars(connection, market))
        if not about.adjusted_only and actions:
            prices = _adjusted(prices, actions)
        files.write(about.data_version, prices, keep=_versions(connection))
    etfs, facts = _etfs(connection, market, prices.etf_ids)
    vix_sessions, vix = _index(connection, market, about.volatility_index)

    return MarketSnapshot(
        code=about.code,
        name=about.name,
        simulated=about.simulated,
        adjusted_only=about.adjusted_only,
        currency=about.currency,
        benchmark=about.benchmark,
        data_version=about.data_version,
        panel=Panel(
            tickers=tuple(etf.ticker for etf in etfs),
            sessions=prices.sessions,
            close=prices.close,
            adjusted=prices.adjusted,
            volume=prices.volume,
        ),
        opens=prices.opens,
        facts=facts,
        etfs=etfs,
        row_of={etf.ticker: row for row, etf in enumerate(etfs)},
        row_of_id={etf.id: row for row, etf in enumerate(etfs)},
        actions=actions,
        vix_sessions=vix_sessions,
        vix=vix,
    )


def read_prices(connection: Connection, etf_ids: IntArray) -> PriceArrays:
    """The bars of the given ETFs, aligned to the exchange's sessions; `adjusted` is `close`.

    PostgreSQL packs each ETF's bars into a few byte strings: a row per ETF instead of one per bar
    is what makes this fast. The lateral join keeps it to one index scan per ETF whatever the
    planner believes about the table. An open outside the range of its bar is moved to the edge.
    """
    with connection.cursor(binary=True) as cursor:
        cursor.execute(
            """
            SELECT etf.row, packed.* FROM unnest(%s::int[]) WITH ORDINALITY AS etf (id, row),
            LATERAL (
                SELECT string_agg(date_send(session), ''), string_agg(float8send(close), ''),
                       string_agg(float8send(volume), ''),
                       string_agg(float8send(greatest(least(open, high), low)), '')
                FROM etf_prices WHERE etf_id = etf.id
            ) AS packed
            """,
            [etf_ids.tolist()],
        )
        packed = cursor.fetchall()

    days = unpack_days(b"".join(row[1] for row in packed))
    sessions = calendar.sessions(days.min().item(), days.max().item())
    at = _Places(
        rows=np.repeat([row[0] - 1 for row in packed], [len(row[2]) // 8 for row in packed]),
        columns=_columns(sessions, days),
        shape=(len(etf_ids), len(sessions)),
    )
    close = at.place([row[2] for row in packed])
    volume = at.place([row[3] for row in packed])
    opens = at.place([row[4] for row in packed])
    return PriceArrays(etf_ids, sessions, opens, close=close, adjusted=close, volume=volume)


def _columns(sessions: DateArray, days: DateArray) -> IntArray:
    columns = np.searchsorted(sessions, days)
    if not np.array_equal(sessions[np.minimum(columns, len(sessions) - 1)], days):
        raise RuntimeError("a stored bar lies on a day that is no session; import refuses those")
    return columns


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the bars, in the order in which they were read, belong in the aligned arrays."""

    rows: IntArray
    columns: IntArray
    shape: tuple[int, int]

    def place(self, packed: Sequence[bytes]) -> FloatArray:
        aligned = np.full(self.shape, np.nan)
        aligned[self.rows, self.columns] = unpack_floats(b"".join(packed))
        aligned.flags.writeable = False
        return aligned


def _market(connection: Connection, market: str) -> _Market:
    found = connection.execute(
        """
        SELECT code, name, simulated, adjusted_only, currency, benchmark, volatility_index,
               data_version
        FROM markets WHERE code = %s
        """,
        [market],
    ).fetchone()
    if found is None:
        raise NotFound("market")
    if found[-1] is None:
        raise NoMarketData(market)
    return _Market(*found)


def _ids_with_bars(connection: Connection, market: str) -> IntArray:
    """By ticker; raises `NoMarketData` where there is none."""
    found = connection.execute(
        """
        SELECT id FROM etfs
        WHERE market = %s AND EXISTS (SELECT FROM etf_prices WHERE etf_id = etfs.id)
        ORDER BY ticker COLLATE "C"
        """,
        [market],
    ).fetchall()
    if not found:
        raise NoMarketData(market)
    return np.array(found, dtype=np.int64)[:, 0]


def _etfs(
    connection: Connection, market: str, etf_ids: IntArray
) -> tuple[tuple[EtfFacts, ...], Facts]:
    """What is known of each ETF, in the order of `etf_ids`."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(
            """
            SELECT id, ticker, name, issuer, category, asset_class, region, expense_ratio,
                   closed_on, is_leveraged, is_inverse
            FROM etfs WHERE market = %s
            """,
            [market],
        )
        row_of_id = {row[0]: row for row in cursor}
    rows = [row_of_id[etf_id] for etf_id in etf_ids.tolist()]
    etfs = tuple(EtfFacts(*row[:-2]) for row in rows)
    return etfs, Facts(
        expense_ratio=np.array([etf.expense_ratio for etf in etfs], dtype=np.float64),
        leveraged=np.array([row[-2] is True for row in rows]),
        inverse=np.array([row[-1] is True for row in rows]),
        asset_class=np.array([etf.asset_class for etf in etfs], dtype=object),
    )


def _actions(connection: Connection, market: str) -> tuple[Action, ...]:
    """By ex-date, then ETF, then kind."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(
            """
            SELECT corporate_actions.id, etf_id, ex_date, kind, value, pay_date,
                   corporate_actions.ticker, source,
                   kind = 'closure' AND ex_date IS DISTINCT FROM closed_on
            FROM corporate_actions JOIN etfs ON etfs.id = etf_id
            WHERE market = %s ORDER BY ex_date, etf_id, kind
            """,
            [market],
        )
        return tuple(
            Action(number, etf_id, ex_date, ActionKind(kind), *rest)
            for number, etf_id, ex_date, kind, *rest in cursor
        )


def _adjusted(prices: PriceArrays, actions: Sequence[Action]) -> PriceArrays:
    row_of_id = {etf_id: row for row, etf_id in enumerate(prices.etf_ids.tolist())}
    known = [
        action
        for action in actions
        if action.etf_id in row_of_id and action.kind in {ActionKind.SPLIT, ActionKind.DIVIDEND}
    ]
    factors = adjustment.adjustment_factors(
        prices.sessions,
        prices.close,
        adjustment.Actions(
            rows=np.array([row_of_id[action.etf_id] for action in known], dtype=np.int64),
            ex_dates=np.array([action.ex_date for action in known], dtype="datetime64[D]"),
            is_split=np.array([action.kind is ActionKind.SPLIT for action in known], dtype=bool),
            values=np.array([action.value for action in known], dtype=np.float64),
        ),
    )
    adjusted = np.ascontiguousarray(prices.close * factors)
    adjusted.flags.writeable = False
    return replace(prices, adjusted=adjusted)


def _index(connection: Connection, market: str, symbol: str) -> tuple[DateArray, FloatArray]:
    with connection.cursor(binary=True) as cursor:
        cursor.execute(
            """
            SELECT string_agg(date_send(session), ''), string_agg(float8send(close), '')
            FROM index_prices WHERE market = %s AND symbol = %s
            """,
            [market, symbol],
        )
        row = cursor.fetchone()
    packed_days, packed_closes = row if row and row[0] is not None else (b"", b"")
    days = unpack_days(packed_days)
    order = np.argsort(days)
    return days[order], unpack_floats(packed_closes)[order]


def _versions(connection: Connection) -> list[UUID]:
    found = connection.execute("SELECT data_version FROM markets WHERE data_version IS NOT NULL")
    return [row[0] for row in found]
