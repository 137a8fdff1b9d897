"""Portfolios as they are shown: what each has and what it is worth at the latest close.

A line of the list depends on the portfolio's row, on the prices of one data version and on how many
sessions these are behind, so the bytes of a line are remembered under the versions of all three and
never go out of date. Reading a list is then one small query.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, cast
from uuid import UUID

from sqlalchemy import Row, Select, String, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import database
from app.core.money import ZERO, to_cents
from app.market_data.live import MarketData
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, LedgerEntry, Portfolio, PortfolioStatus, Position
from app.schemas.portfolio import (
    PortfolioItem,
    PortfolioPosition,
    PortfolioRead,
    PortfolioSummary,
)
from app.schemas.settings import stored_settings
from app.services import corporate_actions, freshness, valuation
from app.services.corporate_actions import Account
from app.services.projection import Book, Holding
from app.services.valuation import Valuation

REMEMBERED = 20_000
"""Lines of lists; each takes about half a kilobyte."""

REPLAYED = (
    "Its history up to {} was replayed from past prices by its rules, session by session; "
    "nobody lived through it."
)

_Key: TypeAlias = tuple[int, str, UUID, int]
"""Portfolio, version of its row, data version, sessions behind."""
_lines: OrderedDict[_Key, bytes] = OrderedDict()

# `xmin` is PostgreSQL's own version of a row: it changes with every update, and every entry of the
# ledger updates the row of its portfolio.
_VERSION = "CAST(portfolios.xmin AS text)"
_VERSIONS = """
    SELECT id, CAST(xmin AS text) AS version, market FROM portfolios
    WHERE owner_id = %(owner_id)s
        AND (CAST(%(status)s AS text) IS NULL OR status = CAST(%(status)s AS text))
    ORDER BY id LIMIT %(limit)s OFFSET %(offset)s
    """


@dataclass(frozen=True, slots=True)
class Standing:
    """What a portfolio had at one instant: the columns of `_standings`, and its holdings."""

    row: Row[*tuple[Any, ...]]
    holdings: dict[int, Holding] = field(default_factory=dict)


async def listed(
    session: AsyncSession,
    market_data: MarketData,
    owner_id: int,
    *,
    status: PortfolioStatus | None,
    limit: int,
    offset: int,
    now: datetime,
) -> bytes:
    """This owner's portfolios, oldest first: the JSON of a list of `PortfolioItem`."""
    about = {"owner_id": owner_id, "status": status, "limit": limit, "offset": offset}
    rows = await database.rows(session, _VERSIONS, about)
    markets = {
        code: await market_data.snapshot(session, code) for code in {row.market for row in rows}
    }
    state = {
        code: (market.data_version, freshness.behind(market, now))
        for code, market in markets.items()
    }
    lines = {row.id: _lines.get((row.id, row.version, *state[row.market])) for row in rows}
    if missing := [portfolio_id for portfolio_id, line in lines.items() if line is None]:
        lines |= await _read_lines(session, markets, missing, now=now)
    return b"[" + b",".join(line for line in lines.values() if line is not None) + b"]"


async def detail(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, now: datetime
) -> PortfolioRead:
    """One portfolio with its positions, valued at the market's latest close."""
    standing = (await read_standings(session, [portfolio.id]))[portfolio.id]
    valued = await _valued(session, market, standing)
    item = _item(standing, valued, freshness.as_of(market, now))
    return PortfolioRead(
        **dict(item),
        last_sequence=standing.row.last_sequence,
        note=REPLAYED.format(item.replayed_until) if item.replayed_until else None,
        summary=PortfolioSummary(
            cash=item.cash,
            positions_value=item.positions_value,
            total_value=item.total_value,
            net_deposits=standing.row.net_deposits,
            pnl=item.pnl,
        ),
        positions=_positions(market, valued),
        settings=stored_settings(standing.row.settings),
    )


async def _read_lines(
    session: AsyncSession,
    markets: Mapping[str, MarketSnapshot],
    portfolio_ids: Sequence[int],
    *,
    now: datetime,
) -> dict[int, bytes]:
    """Lines of portfolios as they are now, remembered under the versions they were read in."""
    lines: dict[int, bytes] = {}
    for portfolio_id, standing in (await read_standings(session, portfolio_ids)).items():
        market = markets[standing.row.market]
        age = freshness.as_of(market, now)
        valued = await _valued(session, market, standing)
        line = _item(standing, valued, age).model_dump_json().encode()
        version: str = standing.row.version
        _lines[portfolio_id, version, market.data_version, age["sessions_behind"]] = line
        lines[portfolio_id] = line
    while len(_lines) > REMEMBERED:
        _lines.popitem(last=False)
    return lines


async def read_standings(
    session: AsyncSession, portfolio_ids: Sequence[int]
) -> dict[int, Standing]:
    """All of one instant, because one statement reads them."""
    standings: dict[int, Standing] = {}
    for row in await session.execute(_standings(portfolio_ids)):
        standing = standings.setdefault(row.id, Standing(row))
        if row.etf_id is not None:
            standing.holdings[row.etf_id] = Holding(
                row.etf_id, row.quantity, row.cost_basis, row.held_since
            )
    return standings


def _standings(portfolio_ids: Sequence[int]) -> Select[*tuple[Any, ...]]:
    net_deposits = (
        select(func.coalesce(func.sum(LedgerEntry.amount), ZERO))
        .where(
            LedgerEntry.portfolio_id == Portfolio.id,
            LedgerEntry.kind.in_((EntryKind.DEPOSIT, EntryKind.WITHDRAWAL)),
        )
        .scalar_subquery()
    )
    return (
        select(
            *Portfolio.__table__.columns,
            literal_column(_VERSION, String).label("version"),
            net_deposits.label("net_deposits"),
            Position.etf_id,
            Position.quantity,
            Position.cost_basis,
            Position.opened_on.label("held_since"),
        )
        .outerjoin(Position, Position.portfolio_id == Portfolio.id)
        .where(Portfolio.id.in_(portfolio_ids))
    )


async def _valued(session: AsyncSession, market: MarketSnapshot, standing: Standing) -> Valuation:
    """At the latest close, with what went ex up to then whether it is booked yet or not."""
    book = await corporate_actions.settled(
        session,
        market,
        cast("Account", standing.row),
        Book(standing.row.cash, standing.holdings),
    )
    return valuation.value(market, book.cash, book.holdings.values(), market.latest_session)


def _item(standing: Standing, valued: Valuation, age: freshness.AsOfFields) -> PortfolioItem:
    row, settings = standing.row, stored_settings(standing.row.settings)
    return PortfolioItem(
        **age,
        id=row.id,
        name=row.name,
        status=PortfolioStatus(row.status),
        initial_capital=row.initial_capital,
        optimizer=settings.optimizer,
        num_positions=settings.num_positions,
        drift_threshold=settings.drift_threshold,
        cash=valued.cash,
        positions_value=to_cents(valued.positions_value),
        total_value=valued.total,
        pnl=valued.total - row.net_deposits,
        positions_held=len(valued.lines),
        opened_on=row.opened_on,
        replayed_until=row.replayed_until,
        created_at=row.created_at,
        closed_at=row.closed_at,
    )


def _positions(market: MarketSnapshot, valued: Valuation) -> list[PortfolioPosition]:
    weights = valued.weights
    return [
        PortfolioPosition(
            ticker=line.ticker,
            name=market.etfs[line.row].name,
            quantity=line.quantity,
            cost_basis=line.cost_basis,
            entry_price=line.entry_price,
            price=line.last.price,
            price_date=line.last.session,
            carried=line.last.carried,
            market_value=line.value,
            weight=weights[line.ticker],
            unrealised_pnl=line.value - line.cost_basis,
        )
        for line in valued.lines
    ]
