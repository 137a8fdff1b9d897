"""What earlier imports say about bars that arrive now."""

from typing import Any

import polars as pl

from app.market_data.plausibility import Before
from app.market_data.validation import Reason
from app.models import ActionKind
from app.services.merging import Connection

_LAST = """
    SELECT etfs.ticker, last.close, held.session IS NOT NULL
    FROM etfs
    JOIN LATERAL (
        SELECT close, session FROM etf_prices
        WHERE etf_id = etfs.id AND session < %(first)s ORDER BY session DESC LIMIT 1
    ) AS last ON true
    LEFT JOIN LATERAL (
        SELECT session FROM quarantined_bars
        WHERE market = etfs.market AND ticker = etfs.ticker AND reason = %(reason)s
            AND session > last.session AND session < %(first)s
        LIMIT 1
    ) AS held ON true
    WHERE etfs.market = %(market)s
    """
_SPLITS = """
    SELECT etfs.ticker, ex_date FROM corporate_actions JOIN etfs ON etfs.id = etf_id
    WHERE market = %(market)s AND kind = %(kind)s AND ex_date >= %(first)s
    """


async def before(
    connection: Connection, market: str, bars: pl.DataFrame, actions: pl.DataFrame | None
) -> Before:
    """Of the market before the first of `bars`, and the splits known by now, `actions` included."""
    if bars.is_empty():
        return Before()
    about: dict[str, Any] = {
        "market": market,
        "first": bars["date"].min(),
        "reason": str(Reason.SPLIT_OR_UNIT),
        "kind": str(ActionKind.SPLIT),
    }
    last = await (await connection.execute(_LAST, about)).fetchall()
    splits = set(await (await connection.execute(_SPLITS, about)).fetchall())
    if actions is not None:
        arriving = actions.filter(pl.col("kind").cast(pl.String) == str(ActionKind.SPLIT))
        splits |= set(arriving.select("ticker", "ex_date").iter_rows())
    return Before(
        closes={ticker: close for ticker, close, _ in last},
        held=frozenset(ticker for ticker, _, held in last if held),
        splits=frozenset(splits),
    )
