"""Keep refused rows, each once, with the reason."""

import polars as pl

from app.services.merging import Connection

_COLUMNS = ("ticker", "date", "copy", "reason", "open", "high", "low", "close", "volume")


async def keep_refused(
    connection: Connection, market: str, import_id: int, refused: pl.DataFrame
) -> None:
    """Store what `validation` refused; a row that says what a kept one said is not kept again."""
    if refused.is_empty():
        return
    missing = [name for name in _COLUMNS if name not in refused.columns]
    complete = refused.with_columns(pl.lit(None, pl.Float64).alias(name) for name in missing)
    await connection.execute("""
        CREATE TEMP TABLE refused (
            ticker text, session date, copy int, reason text,
            open float8, high float8, low float8, close float8, volume float8
        ) ON COMMIT DROP
        """)
    async with (
        connection.cursor() as cursor,
        cursor.copy("COPY refused FROM STDIN") as copy,
    ):
        for row in complete.select(_COLUMNS).iter_rows():
            await copy.write_row(row)
    await connection.execute(
        """
        INSERT INTO quarantined_bars AS kept (import_id, market, ticker, session, copy, reason,
                                              open, high, low, close, volume)
        SELECT %s, %s, refused.* FROM refused
        ON CONFLICT (market, ticker, session, copy, reason) DO UPDATE
        SET import_id = excluded.import_id, open = excluded.open, high = excluded.high,
            low = excluded.low, close = excluded.close, volume = excluded.volume
        WHERE (kept.open, kept.high, kept.low, kept.close, kept.volume) IS DISTINCT FROM
              (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume)
        """,
        [import_id, market],
    )
    await connection.execute("DROP TABLE refused")
