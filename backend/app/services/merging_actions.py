"""Bring corporate actions up to a newer reading of them.

An action of an ETF that the market does not have is left out and named: it would concern nobody.
"""

from collections.abc import Collection
from datetime import date

import polars as pl

from app.core.money import price_of
from app.market_data.action_files import ACTION_COLUMNS
from app.models import ActionKind
from app.services import ticker_changes
from app.services.merging import Connection, Merged, etf_ids
from app.services.ticker_changes import TickerChange

PER_SHARE = (ActionKind.SPLIT, ActionKind.DIVIDEND)
"""What a market of adjusted prices cannot take: it is in its prices already."""


def completed(actions: pl.DataFrame, source: str) -> pl.DataFrame:
    """With all `ACTION_COLUMNS`, each row with its source and one row per ETF, day and kind.

    Where several disagree the first is kept.
    """
    rows = actions.select(
        (pl.col(name) if name in actions.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in ACTION_COLUMNS.items()
    )
    rows = rows.with_columns(pl.col("source").fill_null(source))
    return rows.unique(["ticker", "ex_date", "kind"], keep="first", maintain_order=True)


async def merge_ticker_changes(
    connection: Connection,
    market: str,
    actions: pl.DataFrame,
    *,
    arriving: Collection[str],
    today: date,
) -> Merged:
    """Rename ETFs, earliest change first; raises what `ticker_changes.record` raises.

    `arriving`: the tickers of which bars or facts come with these actions.
    """
    rows = actions.filter(pl.col("kind") == str(ActionKind.TICKER_CHANGE)).sort("ex_date")
    borne = await etf_ids(connection, market, [])
    former = [each.old for each in await ticker_changes.former_tickers(connection, market)]
    concerned = _chained(rows, {*borne, *former, *arriving})
    total = Merged(unknown=tuple(rows.filter(~pl.col("ticker").is_in(concerned))["ticker"]))
    for row in rows.filter(pl.col("ticker").is_in(concerned)).iter_rows(named=True):
        change = TickerChange(row["ticker"], row["new_ticker"], row["ex_date"], row["source"])
        total += await ticker_changes.record(connection, market, change, today=today)
    return total


def _chained(changes: pl.DataFrame, known: Collection[str]) -> list[str]:
    """`known` and every ticker that leads to one of them or follows from one by `changes`."""
    found, pairs = set(known), list(changes.select("ticker", "new_ticker").iter_rows())
    while grown := {ticker for pair in pairs if found & set(pair) for ticker in pair} - found:
        found |= grown
    return list(found)


async def merge_actions(connection: Connection, market: str, actions: pl.DataFrame) -> Merged:
    """Store splits, dividends and closures, one per ETF, day and kind."""
    rows = actions.filter(pl.col("kind") != str(ActionKind.TICKER_CHANGE))
    ids = await etf_ids(connection, market, [])
    is_known = pl.col("ticker").is_in(list(ids))
    unknown = tuple(rows.filter(~is_known)["ticker"])
    rows = rows.filter(is_known)
    found = await connection.execute(
        """
        INSERT INTO corporate_actions AS known (etf_id, ex_date, kind, value, pay_date, source)
        SELECT * FROM unnest(
            %s::int[], %s::date[], %s::text[], %s::numeric[], %s::date[], %s::text[])
        ON CONFLICT (etf_id, ex_date, kind) DO UPDATE SET value = excluded.value,
            pay_date = coalesce(excluded.pay_date, known.pay_date), source = excluded.source
            WHERE (known.value, known.pay_date) IS DISTINCT FROM
                (excluded.value, coalesce(excluded.pay_date, known.pay_date))
        RETURNING etf_id, kind, ex_date, xmax = 0
        """,
        [
            [ids[ticker] for ticker in rows["ticker"]],
            rows["ex_date"].to_list(),
            rows["kind"].to_list(),
            [None if value is None else price_of(value) for value in rows["value"]],
            rows["pay_date"].to_list(),
            rows["source"].to_list(),
        ],
    )
    written = {(etf_id, kind, day): is_new for etf_id, kind, day, is_new in await found.fetchall()}
    added = sum(written.values())
    for etf_id, day in await _close(connection, rows, ids):
        written.setdefault((etf_id, str(ActionKind.CLOSURE), day), False)
    return Merged(
        added=added,
        changed=len(written) - added,
        unchanged=len(rows) - len(written),
        first_difference=min((day for _, _, day in written), default=None),
        unknown=unknown,
    )


async def _close(
    connection: Connection, actions: pl.DataFrame, ids: dict[str, int]
) -> list[tuple[int, date]]:
    """An ETF that pays out its holders is traded no more from that day on, which is the latest one
    that is told of it; those whose day is another than before."""
    closures = (
        actions.filter(pl.col("kind") == str(ActionKind.CLOSURE))
        .sort("ex_date")
        .unique("ticker", keep="last")
    )
    found = await connection.execute(
        """
        UPDATE etfs SET closed_on = closure.ex_date
        FROM unnest(%s::int[], %s::date[]) AS closure (etf_id, ex_date)
        WHERE etfs.id = closure.etf_id AND closed_on IS DISTINCT FROM closure.ex_date
        RETURNING etfs.id, closed_on
        """,
        [[ids[ticker] for ticker in closures["ticker"]], closures["ex_date"].to_list()],
    )
    return await found.fetchall()
