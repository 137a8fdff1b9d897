"""An ETF under a new ticker is the same ETF: its id, bars, orders and entries stay with it.

What still comes under the old ticker for a day before the change is the same ETF's too. From that
day on the old ticker is free for another fund.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
from psycopg.types.json import Jsonb

from app.core.errors import Refused
from app.schemas.settings import hash_of
from app.services.merging import Connection, Merged, etf_ids


@dataclass(frozen=True, slots=True)
class TickerChange:
    """From `on` on, `old` is called `new`."""

    old: str
    new: str
    on: date
    source: str


@dataclass(frozen=True, slots=True)
class FormerTicker:
    """Before `until`, `old` was the ticker of the ETF now called `current`."""

    old: str
    until: date
    current: str


class NotYet(Refused):
    def __init__(self, change: TickerChange) -> None:
        super().__init__(
            f"{change.old} becomes {change.new} on {change.on}, which has not come yet: "
            "import this change from that day on."
        )


class BothTraded(Refused):
    def __init__(self, change: TickerChange) -> None:
        super().__init__(
            f"{change.old} cannot become {change.new}: portfolios have traded both as two ETFs. "
            f"Sell {change.new}, keep the two apart and leave this row out."
        )


class OtherChange(Refused):
    def __init__(self, change: TickerChange, known: str) -> None:
        super().__init__(
            f"{change.old} already became {known} on {change.on}: "
            f"to call it {change.new}, write a change from {known}."
        )


async def record(
    connection: Connection, market: str, change: TickerChange, *, today: date
) -> Merged:
    """Give the ETF its new ticker; the same change again changes nothing.

    An ETF that bears the new ticker already is taken for the same one: bars for days that the other
    lacks join it, and what is left of it goes. Raises NotYet, OtherChange, or BothTraded.
    """
    if change.on > today:
        raise NotYet(change)
    known = await _successor(connection, market, change)
    if known is not None:
        if known != change.new:
            raise OtherChange(change, known)
        return Merged(unchanged=1)
    await _lock_portfolios(connection, market)
    before = await etf_ids(connection, market, [])
    kept, merged_from = await _one_etf(connection, market, change)
    noted = await connection.execute(
        """
        INSERT INTO corporate_actions (etf_id, ex_date, kind, ticker, source)
        VALUES (%s, %s, 'ticker_change', %s, %s) ON CONFLICT (etf_id, ex_date, kind) DO NOTHING
        """,
        [kept, change.on, change.old, change.source],
    )
    if not noted.rowcount and change.old not in before:
        return Merged(unchanged=1)
    await _rename_wishes(connection, market, change)
    await connection.execute(
        _RENAME_PROPOSALS, {"market": market, "old": change.old, "new": change.new}
    )
    # A second change on one day corrects the first, which says whose ticker it was before.
    return Merged(added=noted.rowcount, changed=1 - noted.rowcount, first_difference=merged_from)


async def _lock_portfolios(connection: Connection, market: str) -> None:
    """Trades lock their portfolio and then look at its ETFs: whoever changes an ETF's ticker, which
    shuts them out, takes both in the same order."""
    await connection.execute(
        "SELECT FROM portfolios WHERE market = %s ORDER BY id FOR UPDATE", [market]
    )


async def _successor(connection: Connection, market: str, change: TickerChange) -> str | None:
    """What this very change was recorded as: the ticker that followed the old one."""
    found = await connection.execute(
        """
        SELECT coalesce(
            (SELECT later.ticker FROM corporate_actions AS later
             WHERE later.etf_id = this.etf_id AND later.kind = this.kind
             AND later.ex_date > this.ex_date ORDER BY later.ex_date LIMIT 1), etfs.ticker)
        FROM corporate_actions AS this JOIN etfs ON etfs.id = this.etf_id
        WHERE etfs.market = %s AND this.kind = 'ticker_change'
        AND this.ticker = %s AND this.ex_date = %s
        """,
        [market, change.old, change.on],
    )
    row = await found.fetchone()
    return None if row is None else str(row[0])


async def _one_etf(
    connection: Connection, market: str, change: TickerChange
) -> tuple[int, date | None]:
    """The id of the ETF under its new ticker, and the first day of bars that joined it."""
    found = await connection.execute(
        """
        SELECT ticker, id, EXISTS (SELECT FROM ledger_entries WHERE etf_id = etfs.id)
            OR EXISTS (SELECT FROM orders WHERE etf_id = etfs.id)
        FROM etfs WHERE market = %s AND ticker IN (%s, %s) FOR UPDATE
        """,
        [market, change.old, change.new],
    )
    etfs = {ticker: (etf_id, traded) for ticker, etf_id, traded in await found.fetchall()}
    match etfs.get(change.old), etfs.get(change.new):
        case (old, _), None:
            await _renamed(connection, old, change)
            return old, None
        case None, (new, _):
            return new, None
        case (_, True), (_, True):
            raise BothTraded(change)
        case (old, old_traded), (new, new_traded):
            kept, other = (new, old) if new_traded and not old_traded else (old, new)
            first = await _join(connection, market, kept, other)
            await _renamed(connection, kept, change)
            return kept, first
    made = await connection.execute(
        "INSERT INTO etfs (market, ticker) VALUES (%s, %s) RETURNING id", [market, change.new]
    )
    row = await made.fetchone()
    assert row is not None
    return row[0], None


async def _renamed(connection: Connection, etf_id: int, change: TickerChange) -> None:
    """A source that took the vanished ticker for the end of the ETF was wrong about it."""
    await connection.execute(
        """
        UPDATE etfs SET ticker = %s, closed_on = CASE WHEN closed_on > %s THEN closed_on END
        WHERE id = %s
        """,
        [change.new, change.on, etf_id],
    )


_FACTS = (
    "name",
    "issuer",
    "category",
    "asset_class",
    "region",
    "expense_ratio",
    "leverage",
    "is_leveraged",
    "is_inverse",
    "inception_date",
    "benchmark",
)

_JOIN = (
    """
    INSERT INTO etf_prices (etf_id, session, open, high, low, close, volume)
    SELECT %(kept)s, session, open, high, low, close, volume
    FROM etf_prices WHERE etf_id = %(other)s ON CONFLICT DO NOTHING
    """,
    "DELETE FROM etf_prices WHERE etf_id = %(other)s",
    "DELETE FROM factor_scores WHERE market = %(market)s AND etf_id = %(other)s",
    """
    UPDATE corporate_actions AS theirs SET etf_id = %(kept)s WHERE etf_id = %(other)s
    AND NOT EXISTS (SELECT FROM corporate_actions AS ours WHERE ours.etf_id = %(kept)s
                    AND ours.ex_date = theirs.ex_date AND ours.kind = theirs.kind)
    """,
    "DELETE FROM corporate_actions WHERE etf_id = %(other)s",
    "DELETE FROM etfs WHERE id = %(other)s",
)


async def _join(connection: Connection, market: str, kept: int, other: int) -> date | None:
    """Everything known of an untraded ETF goes to the kept one, which knows better."""
    about = {"kept": kept, "other": other, "market": market}
    found = await connection.execute(
        "SELECT min(session) FROM etf_prices WHERE etf_id = %(other)s", about
    )
    row = await found.fetchone()
    assert row is not None
    first: date | None = row[0]
    known = ", ".join(f"{name} = coalesce(kept.{name}, other.{name})" for name in _FACTS)
    await connection.execute(
        f"UPDATE etfs AS kept SET {known} FROM etfs AS other"  # noqa: S608
        " WHERE kept.id = %(kept)s AND other.id = %(other)s",
        about,
    )
    for statement in _JOIN:
        await connection.execute(statement, about)
    return first


_RENAME_PROPOSALS = """
    UPDATE rebalance_events AS event SET
        targets = CASE WHEN NOT targets ? %(old)s THEN targets
            ELSE targets - %(old)s || jsonb_build_object(%(new)s::text,
                CASE WHEN targets ? %(new)s
                     THEN to_jsonb(CAST(targets -> %(old)s AS float8)
                                   + CAST(targets -> %(new)s AS float8))
                     ELSE targets -> %(old)s END)
            END,
        decided_at_sequence = CASE WHEN targets ?& ARRAY[%(old)s, %(new)s] THEN -1
                                   ELSE decided_at_sequence END,
        proposal = coalesce((
            SELECT jsonb_object_agg(part.name, CASE jsonb_typeof(part.value) WHEN 'array' THEN (
                SELECT coalesce(jsonb_agg(
                    CASE WHEN line.value ->> 'ticker' = %(old)s
                         THEN line.value || jsonb_build_object('ticker', %(new)s::text)
                         ELSE line.value END ORDER BY line.number), '[]')
                FROM jsonb_array_elements(part.value) WITH ORDINALITY AS line (value, number))
                ELSE part.value END)
            FROM jsonb_each(event.proposal) AS part (name, value)), event.proposal)
    FROM portfolios
    WHERE portfolios.id = event.portfolio_id AND portfolios.market = %(market)s
    AND (targets ? %(old)s OR jsonb_path_exists(
        proposal, '$.*[*].ticker ? (@ == $old)', jsonb_build_object('old', %(old)s::text)))
    """
"""What was decided so far names the ETF by its new ticker. A proposal that names both of two that
become one was decided in another market: no book is at the sequence that it gets."""


async def _rename_wishes(connection: Connection, market: str, change: TickerChange) -> None:
    """Rules that name the ETF go on naming it: benchmarks, and who is in a universe."""
    names = {"market": market, "old": change.old, "new": change.new}
    for table in ("markets", "etfs"):
        column = "code" if table == "markets" else "market"
        await connection.execute(
            f"UPDATE {table} SET benchmark = %(new)s"  # noqa: S608
            f" WHERE {column} = %(market)s AND benchmark = %(old)s",
            names,
        )
    found = await connection.execute(
        """
        SELECT id, settings FROM portfolios
        WHERE market = %(market)s AND settings::text LIKE '%%' || %(old)s || '%%'
        ORDER BY id FOR UPDATE
        """,
        names,
    )
    for portfolio_id, settings in await found.fetchall():
        before = hash_of(settings)
        if settings.get("benchmark") == change.old:
            settings["benchmark"] = change.new
        for tickers in (settings.get("universe", {}).get(name) for name in ("tickers", "excluded")):
            if tickers:
                tickers[:] = [change.new if each == change.old else each for each in tickers]
        await connection.execute(
            "UPDATE portfolios SET settings = %s WHERE id = %s", [Jsonb(settings), portfolio_id]
        )
        await connection.execute(
            "UPDATE rebalance_events SET rules_hash = %s"
            " WHERE portfolio_id = %s AND rules_hash = %s",
            [hash_of(settings), portfolio_id, before],
        )


async def former_tickers(connection: Connection, market: str) -> Sequence[FormerTicker]:
    """Every old ticker, the earliest change first."""
    found = await connection.execute(
        """
        SELECT action.ticker, ex_date, etfs.ticker
        FROM corporate_actions AS action JOIN etfs ON etfs.id = etf_id
        WHERE market = %s AND kind = 'ticker_change' ORDER BY ex_date
        """,
        [market],
    )
    return [FormerTicker(*row) for row in await found.fetchall()]


def followed(rows: pl.DataFrame, former: Sequence[FormerTicker], day: str) -> pl.DataFrame:
    """Rows of an old ticker from before its change, under the ticker that the ETF has now.

    A row of a later day is another fund's. The column `day` says of which day each row is.
    """
    told = rows.get_column("ticker").unique().cast(pl.String).to_list()
    concerned = [each for each in former if each.old in told and each.old != each.current]
    if not concerned:
        return rows
    ticker = pl.col("ticker").cast(pl.String)
    renamed = ticker
    for each in reversed(concerned):
        before = (ticker == each.old) & (pl.col(day) < each.until)
        renamed = pl.when(before).then(pl.lit(each.current)).otherwise(renamed)
    return rows.with_columns(renamed.cast(rows.schema["ticker"]).alias("ticker"))


async def facts_followed(
    connection: Connection, market: str, facts: pl.DataFrame, former: Sequence[FormerTicker]
) -> pl.DataFrame:
    """Facts under an old ticker that no ETF bears now, under the new one unless it has its own."""
    found = await connection.execute("SELECT ticker FROM etfs WHERE market = %s", [market])
    borne = {ticker for (ticker,) in await found.fetchall()}
    current = {each.old: each.current for each in former if each.old not in borne}
    ticker = pl.col("ticker").cast(pl.String)
    own = facts.filter(~ticker.is_in(list(current)))
    if len(own) == len(facts):
        return facts
    moved = facts.filter(ticker.is_in(list(current))).with_columns(
        ticker.replace(current).cast(facts.schema["ticker"]).alias("ticker")
    )
    return pl.concat([own, moved]).unique("ticker", keep="first", maintain_order=True)
