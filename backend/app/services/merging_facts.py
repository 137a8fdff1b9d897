"""Bring facts about ETFs and closes of an index up to a newer reading of them."""

from datetime import date
from typing import Any, LiteralString

import polars as pl
from psycopg.sql import SQL, Composed, Identifier

from app.services.merging import Connection, Merged

_FACT_TYPES: dict[str, LiteralString] = {
    "name": "text",
    "issuer": "text",
    "category": "text",
    "asset_class": "text",
    "region": "text",
    "expense_ratio": "float8",
    "leverage": "float8",
    "is_leveraged": "bool",
    "is_inverse": "bool",
    "inception_date": "date",
    "closed_on": "date",
    "benchmark": "text",
}


_CLOSED_ON = SQL("""
    CASE WHEN EXISTS (SELECT FROM corporate_actions WHERE etf_id = etfs.id AND kind = 'closure'
                      AND ex_date = etfs.{0})
         THEN etfs.{0} ELSE coalesce(excluded.{0}, etfs.{0}) END
    """)


async def merge_facts(connection: Connection, market: str, facts: pl.DataFrame) -> Merged:
    """Store facts (`ticker` and any of `etfs`' columns), one row per ticker, new ETFs included.

    An empty cell says that this source does not know; what another one said stays, and so does the
    day on which an ETF pays out its holders.
    """
    columns = [name for name in facts.columns if name in _FACT_TYPES]
    found = await connection.execute(
        _facts_statement(columns),
        [market, facts["ticker"].to_list(), *(facts[name].to_list() for name in columns)],
    )
    written = [row[0] for row in await found.fetchall()]
    return Merged(
        added=sum(written),
        changed=len(written) - sum(written),
        unchanged=len(facts) - len(written),
    )


def _facts_statement(columns: list[str]) -> Composed:
    names = [Identifier(name) for name in columns]
    new = [
        (_CLOSED_ON if name == "closed_on" else SQL("coalesce(excluded.{0}, etfs.{0})")).format(
            Identifier(name)
        )
        for name in columns
    ]
    update = (
        SQL("UPDATE SET {} WHERE ({}) IS DISTINCT FROM ({})").format(
            SQL(", ").join(SQL("{} = {}").format(*pair) for pair in zip(names, new, strict=True)),
            SQL(", ").join(SQL("etfs.{}").format(name) for name in names),
            SQL(", ").join(new),
        )
        if columns
        else SQL("NOTHING")
    )
    # xmax is 0 in a row that this statement inserted.
    return SQL("""
        INSERT INTO etfs (market, {columns})
        SELECT %s, * FROM unnest(%s::text[]{arrays})
        ON CONFLICT (market, ticker) DO {update} RETURNING xmax = 0
        """).format(
        columns=SQL(", ").join([Identifier("ticker"), *names]),
        arrays=SQL("").join(SQL(", %s::{}[]").format(SQL(_FACT_TYPES[n])) for n in columns),
        update=update,
    )


async def merge_index(
    connection: Connection, market: str, symbol: str, closes: pl.DataFrame
) -> Merged:
    """Store validated closes (`date`, `close`) of an index."""
    found = await connection.execute(
        """
        INSERT INTO index_prices (market, symbol, session, close)
        SELECT %s, %s, * FROM unnest(%s::date[], %s::float8[])
        ON CONFLICT (market, symbol, session) DO UPDATE SET close = excluded.close
            WHERE index_prices.close <> excluded.close
        RETURNING xmax = 0, session
        """,
        [market, symbol, closes["date"].to_list(), closes["close"].to_list()],
    )
    return _merged(await found.fetchall(), len(closes))


def _merged(written: list[tuple[Any, ...]], offered: int) -> Merged:
    """From the rows that an upsert touched: whether each is new, and its day."""
    added = sum(is_new for is_new, _ in written)
    days: list[date] = [day for _, day in written]
    return Merged(
        added=added,
        changed=len(written) - added,
        unchanged=offered - len(written),
        first_difference=min(days, default=None),
    )
