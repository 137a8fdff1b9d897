"""Portfolios as they are shown: what each has and what it is worth at the latest close.

What a portfolio's positions are worth depends on its ledger up to some sequence and on the prices
of one data version, so a worth is remembered under these and never goes out of date. Only committed
books are remembered.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

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
from app.schemas.settings import OptimizerName, PortfolioSettings
from app.services import freshness, valuation
from app.services.projection import Holding
from app.services.valuation import Valuation

REMEMBERED = 20_000

REPLAYED = (
    "Its history up to {} was replayed from past prices by its rules, session by session; "
    "nobody lived through it."
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a portfolio had after one entry of its ledger, read in one statement."""

    sequence: int
    cash: Decimal
    net_deposits: Decimal
    holdings: tuple[Holding, ...]


@dataclass(frozen=True, slots=True)
class Worth:
    """What a list says about a standing at some prices."""

    cash: Decimal
    positions_value: Decimal
    net_deposits: Decimal
    positions_held: int


Listed: TypeAlias = Row[*tuple[Any, ...]]
_Key: TypeAlias = tuple[int, int, Decimal, UUID]
_worths: OrderedDict[_Key, Worth] = OrderedDict()

_LISTED = (
    Portfolio.id,
    Portfolio.name,
    Portfolio.market,
    Portfolio.status,
    Portfolio.initial_capital,
    Portfolio.settings["optimizer"].astext.label("optimizer"),
    Portfolio.settings["num_positions"].as_integer().label("num_positions"),
    Portfolio.settings["drift_threshold"].as_float().label("drift_threshold"),
    Portfolio.cash,
    Portfolio.last_sequence,
    Portfolio.opened_on,
    Portfolio.replayed_until,
    Portfolio.created_at,
    Portfolio.closed_at,
)


async def items(
    session: AsyncSession,
    market_data: MarketData,
    owner_id: int,
    *,
    status: PortfolioStatus | None,
    limit: int,
    offset: int,
    now: datetime,
) -> list[PortfolioItem]:
    """This owner's portfolios, oldest first."""
    query = select(*_LISTED).where(Portfolio.owner_id == owner_id)
    if status is not None:
        query = query.where(Portfolio.status == status)
    rows = (await session.execute(query.order_by(Portfolio.id).limit(limit).offset(offset))).all()
    markets = {
        code: await market_data.snapshot(session, code) for code in {row.market for row in rows}
    }
    worths = await _worths_of(session, markets, rows)
    ages = {code: freshness.as_of(market, now) for code, market in markets.items()}
    return [_item(row, worths[row.id], ages[row.market]) for row in rows]


async def detail(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, now: datetime
) -> PortfolioRead:
    """One portfolio with its positions, valued at the market's latest close."""
    standing = (await read_standings(session, [portfolio.id]))[portfolio.id]
    valued = valuation.value(market, standing.cash, standing.holdings, market.latest_session)
    settings = PortfolioSettings.model_validate(portfolio.settings)
    positions_value = to_cents(valued.positions_value)
    pnl = valued.total - standing.net_deposits
    return PortfolioRead(
        **freshness.as_of(market, now),
        id=portfolio.id,
        name=portfolio.name,
        status=PortfolioStatus(portfolio.status),
        initial_capital=portfolio.initial_capital,
        optimizer=settings.optimizer,
        num_positions=settings.num_positions,
        drift_threshold=settings.drift_threshold,
        cash=standing.cash,
        positions_value=positions_value,
        total_value=valued.total,
        pnl=pnl,
        positions_held=len(valued.lines),
        opened_on=portfolio.opened_on,
        replayed_until=portfolio.replayed_until,
        created_at=portfolio.created_at,
        closed_at=portfolio.closed_at,
        last_sequence=standing.sequence,
        note=REPLAYED.format(portfolio.replayed_until) if portfolio.replayed_until else None,
        summary=PortfolioSummary(
            cash=standing.cash,
            positions_value=positions_value,
            total_value=valued.total,
            net_deposits=standing.net_deposits,
            pnl=pnl,
        ),
        positions=_positions(market, valued),
        settings=settings,
    )


async def read_standings(
    session: AsyncSession, portfolio_ids: Sequence[int]
) -> dict[int, Standing]:
    """Cash, flows and holdings of each portfolio, all of one instant."""
    standings: dict[int, Standing] = {}
    holdings: dict[int, list[Holding]] = {}
    for row in await session.execute(_standings(portfolio_ids)):
        if row.etf_id is not None:
            held = Holding(row.etf_id, row.quantity, row.cost_basis, row.opened_on)
            holdings.setdefault(row.id, []).append(held)
        standings[row.id] = Standing(
            row.last_sequence, row.cash, row.net_deposits, tuple(holdings.get(row.id, ()))
        )
    return standings


def _standings(
    portfolio_ids: Sequence[int],
) -> Select[int, int, Decimal, Decimal, int, Decimal, Decimal, date]:
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
            Portfolio.id,
            Portfolio.last_sequence,
            Portfolio.cash,
            net_deposits.label("net_deposits"),
            Position.etf_id,
            Position.quantity,
            Position.cost_basis,
            Position.opened_on,
        )
        .outerjoin(Position, Position.portfolio_id == Portfolio.id)
        .where(Portfolio.id.in_(portfolio_ids))
    )


async def _worths_of(
    session: AsyncSession,
    markets: dict[str, MarketSnapshot],
    rows: Sequence[Listed],
) -> dict[int, Worth]:
    """Remembered, or read now: then of the moment of that reading, cash included."""
    known: dict[int, Worth] = {}
    unknown: dict[int, MarketSnapshot] = {}
    for row in rows:
        market = markets[row.market]
        worth = _worths.get((row.id, row.last_sequence, row.cash, market.data_version))
        if worth is None:
            unknown[row.id] = market
        else:
            known[row.id] = worth
    if unknown:
        for portfolio_id, standing in (await read_standings(session, list(unknown))).items():
            market = unknown[portfolio_id]
            known[portfolio_id] = _remember(portfolio_id, standing, market)
    return known


def _remember(portfolio_id: int, standing: Standing, market: MarketSnapshot) -> Worth:
    valued = valuation.value(market, standing.cash, standing.holdings, market.latest_session)
    worth = Worth(
        standing.cash,
        to_cents(valued.positions_value),
        standing.net_deposits,
        len(standing.holdings),
    )
    _worths[portfolio_id, standing.sequence, standing.cash, market.data_version] = worth
    while len(_worths) > REMEMBERED:
        _worths.popitem(last=False)
    return worth


def _item(row: Listed, worth: Worth, age: freshness.AsOfFields) -> PortfolioItem:
    total = worth.cash + worth.positions_value
    return PortfolioItem.model_construct(
        **age,
        id=row.id,
        name=row.name,
        status=PortfolioStatus(row.status),
        initial_capital=row.initial_capital,
        optimizer=OptimizerName(row.optimizer),
        num_positions=row.num_positions,
        drift_threshold=row.drift_threshold,
        cash=worth.cash,
        positions_value=worth.positions_value,
        total_value=total,
        pnl=total - worth.net_deposits,
        positions_held=worth.positions_held,
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
