"""Positions as they are shown: what is held, what it is worth, its target and its stop.

All of it follows from one entry of the ledger, the rules, the last executed rebalance and one data
version; an answer is remembered under these and never goes out of date.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias, cast
from uuid import UUID

from sqlalchemy import Row, Text, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import database
from app.core.errors import NotFound
from app.core.money import to_micros
from app.market_data.live import MarketData
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio, Position, RebalanceEvent, RebalanceStatus
from app.quant.measured import number
from app.schemas.position import PositionList, PositionRead
from app.schemas.settings import stored_settings
from app.services import corporate_actions, freshness, stops, strategy, valuation
from app.services.corporate_actions import Account
from app.services.projection import Book, Holding
from app.services.stops import WatchedLine

REMEMBERED = 2_000

_Key: TypeAlias = tuple[int, int, Decimal, int | None, str, UUID, int]
_answers: OrderedDict[_Key, bytes] = OrderedDict()

_LAST_EXECUTED = (
    select(func.max(RebalanceEvent.id))
    .where(
        RebalanceEvent.portfolio_id == Portfolio.id,
        RebalanceEvent.status == RebalanceStatus.EXECUTED,
    )
    .correlate(Portfolio)
    .scalar_subquery()
)

_STATE = (
    Portfolio.id,
    Portfolio.last_sequence,
    Portfolio.cash,
    _LAST_EXECUTED.label("event_id"),
    func.md5(Portfolio.settings.cast(Text)).label("settings_hash"),
)

_MINE = (
    Portfolio.id == bindparam("portfolio_id"),
    Portfolio.owner_id == bindparam("owner_id"),
)

# The columns of `_STATE` and the market; written out, because every request runs it.
_SEEN = """
    SELECT market, id, last_sequence, cash, md5(CAST(settings AS text)) AS settings_hash,
        (SELECT max(rebalance_events.id) FROM rebalance_events
         WHERE portfolio_id = portfolios.id AND status = 'executed') AS event_id
    FROM portfolios WHERE id = %(portfolio_id)s AND owner_id = %(owner_id)s
    """
_BOOK = (
    select(
        *_STATE,
        Portfolio.settings,
        Portfolio.status,
        Portfolio.opened_on,
        Portfolio.settled_version,
        RebalanceEvent.targets,
        Position.etf_id,
        Position.quantity,
        Position.cost_basis,
        Position.opened_on.label("held_since"),
    )
    .outerjoin(RebalanceEvent, RebalanceEvent.id == _LAST_EXECUTED)
    .outerjoin(Position, Position.portfolio_id == Portfolio.id)
    .where(*_MINE)
)


async def answer(
    session: AsyncSession,
    market_data: MarketData,
    *,
    owner_id: int,
    portfolio_id: int,
    now: datetime,
) -> bytes:
    """The positions of this owner's portfolio at its market's latest close, as JSON.

    Raises NotFound.
    """
    mine = {"portfolio_id": portfolio_id, "owner_id": owner_id}
    seen = await database.rows(session, _SEEN, mine)
    if not seen:
        raise NotFound("portfolio")
    (state,) = seen
    market = await market_data.snapshot(session, state.market)
    known = _answers.get(_key(state, market, now))
    if known is not None:
        return known
    rows = (await session.execute(_BOOK, mine)).all()
    book = await corporate_actions.settled(session, market, cast("Account", rows[0]), _book(rows))
    made = _shown(market, rows[0], book, now).model_dump_json().encode()
    # Of the moment of the second reading: the book may have changed since the first.
    _answers[_key(rows[0], market, now)] = made
    while len(_answers) > REMEMBERED:
        _answers.popitem(last=False)
    return made


def _key(state: Any, market: MarketSnapshot, now: datetime) -> _Key:
    return (
        state.id,
        state.last_sequence,
        state.cash,
        state.event_id,
        state.settings_hash,
        market.data_version,
        freshness.behind(market, now),
    )


def _book(rows: Sequence[Row[Any]]) -> Book:
    holdings = {
        row.etf_id: Holding(row.etf_id, row.quantity, row.cost_basis, row.held_since)
        for row in rows
        if row.etf_id is not None
    }
    return Book(rows[0].cash, holdings)


def _shown(market: MarketSnapshot, state: Row[Any], book: Book, now: datetime) -> PositionList:
    worth = valuation.value(market, book.cash, book.holdings.values(), market.latest_session)
    settings = stored_settings(state.settings)
    watch = stops.watch(market, worth, strategy.stop_policy(settings))
    return PositionList(
        **freshness.as_of(market, now),
        portfolio_id=state.id,
        price_date=market.latest_session,
        cash=book.cash,
        positions_value=worth.positions_value,
        total_value=worth.total,
        stop_threshold=watch.threshold.fall,
        vix_regime=watch.threshold.regime,
        warning=watch.threshold.warning,
        positions=[
            _position(market, watched, worth.weights, state.targets) for watched in watch.lines
        ],
    )


def _position(
    market: MarketSnapshot,
    watched: WatchedLine,
    weights: Mapping[str, float],
    targets: Mapping[str, float] | None,
) -> PositionRead:
    line, status = watched.line, watched.status
    etf = market.etfs[line.row]
    gain = line.value - line.cost_basis
    return PositionRead(
        ticker=line.ticker,
        name=etf.name,
        asset_class=etf.asset_class,
        quantity=line.quantity,
        entry_price=line.entry_price,
        cost_basis=line.cost_basis,
        opened_on=line.opened_on,
        price=line.last.price,
        price_date=line.last.session,
        carried=line.last.carried,
        halted=line.last.halted,
        market_value=line.value,
        weight=weights[line.ticker],
        target_weight=None if targets is None else targets.get(line.ticker, 0.0),
        unrealised_pnl=gain,
        unrealised_return=float(gain / line.cost_basis) if line.cost_basis else None,
        stop_price=to_micros(status.stop_price),
        distance_to_stop=number(status.distance),
        at_risk=status.at_risk,
        stop_note=status.note,
    )
