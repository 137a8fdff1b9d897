"""Which positions made a portfolio's return: their profits of every day, from the ledger."""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, Portfolio
from app.quant import attribution
from app.quant.attribution import PositionAttribution, PositionContribution
from app.quant.measured import Missing
from app.quant.metrics import TOO_FEW
from app.quant.panel import BoolArray, FloatArray
from app.quant.periods import Period
from app.quant.returns import at_work
from app.schemas.attribution import AttributionRead, PositionPart
from app.services import history, performance, valuation
from app.services.history import History, Stretch
from app.services.marking import Entry

SMALLEST_HOLDING = 5e-7
"""Half a millionth of a share: less is rounding of the sum of what was bought and sold."""


@dataclass(frozen=True, slots=True)
class Profits:
    """Of T days and the N ETFs ever held, by ticker: what each earned, in USD, and whether it was
    in the book on that day."""

    tickers: tuple[str, ...]
    earned: FloatArray
    present: BoolArray


async def attribute(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    period: Period,
    now: datetime,
) -> AttributionRead:
    """The period's return by position and costs, with parts that add up to it."""
    lived = await history.read(session, market, portfolio)
    stretch = history.stretch(lived, period)
    found = await asyncio.to_thread(_attributed, market, lived, stretch)
    about = performance.period_fields(market, portfolio, stretch, now)
    if isinstance(found, Missing):
        reasons = dict.fromkeys(("total", "positions", "cash", "costs"), found.reason)
        return AttributionRead(
            **about, total=None, positions=None, cash=None, costs=None, reasons=reasons
        )
    largest_first = sorted(found.positions, key=lambda part: -part.contribution)
    return AttributionRead(
        **about,
        total=found.total,
        positions=[_part(market, part) for part in largest_first],
        cash=found.cash,
        costs=found.costs,
        reasons={},
    )


def _part(market: MarketSnapshot, part: PositionContribution) -> PositionPart:
    etf = market.etfs[market.row_of[part.ticker]]
    return PositionPart(
        ticker=etf.ticker,
        name=etf.name,
        asset_class=etf.asset_class,
        contribution=part.contribution,
    )


def _attributed(
    market: MarketSnapshot, lived: History, stretch: Stretch
) -> PositionAttribution | Missing:
    known = np.isfinite(stretch.returns)
    returns = stretch.returns[known]
    if len(returns) < 2:
        return TOO_FEW
    if (returns <= -1.0).any():
        return Missing("the portfolio lost everything on one day: its returns cannot be linked")
    totals = [stretch.start_value, *(day.total for day in stretch.days)]
    capital = np.array(
        [
            float(at_work(before, day.flow, day.total)[0])
            for before, day in zip(totals, stretch.days, strict=False)
        ]
    )[known]
    costs = np.array([float(day.costs) for day in stretch.days])[known]
    profits = _profits(market, lived)
    shown = np.flatnonzero(profits.present[stretch.first :].any(axis=0))
    earned = profits.earned[stretch.first :, shown][known]
    return attribution.by_position(
        [profits.tickers[place] for place in shown],
        attribution.contributions_of(earned, capital),
        costs=costs / capital,
        returns=returns,
    )


def _profits(market: MarketSnapshot, lived: History) -> Profits:
    end = lived.days[-1].session
    entries = [
        entry for entry in lived.entries if entry.etf_id is not None and entry.session <= end
    ]
    rows = sorted({market.row_of_id[entry.etf_id] for entry in entries})
    shape = (len(lived.days), len(rows))
    earned, present = np.zeros(shape), np.zeros(shape, np.bool_)
    for place, row in enumerate(rows):
        own = [entry for entry in entries if market.row_of_id[entry.etf_id] == row]
        earned[:, place], present[:, place] = _profit(market, lived, row, own)
    return Profits(tuple(market.panel.tickers[row] for row in rows), earned, present)


def _profit(
    market: MarketSnapshot, lived: History, row: int, entries: list[Entry]
) -> tuple[FloatArray, BoolArray]:
    """What one ETF earned on each day, at reference prices, and the days it was in the book."""
    days = len(lived.days)
    added, bought, income = np.zeros(days), np.zeros(days), np.zeros(days)
    for entry in entries:
        day = int(np.searchsorted(lived.dates[1:], np.datetime64(entry.session, "D")))
        match entry.kind:
            case EntryKind.BUY | EntryKind.SELL:
                sign = 1.0 if entry.kind == EntryKind.BUY else -1.0
                added[day] += sign * float(entry.quantity)
                bought[day] += sign * float(entry.quantity * entry.reference_price)
            case EntryKind.SPLIT:
                added[day] += float(entry.quantity)
                income[day] += float(entry.amount)
            case EntryKind.CLOSURE:
                added[day] -= float(entry.quantity)
                income[day] += float(entry.amount)
            case EntryKind.DIVIDEND | EntryKind.TAX | EntryKind.FEE:
                income[day] += float(entry.amount)
    shares = added.cumsum()
    held = shares > SMALLEST_HOLDING
    prices = _prices(market, lived, row, held)
    # Where every close was withdrawn from the data, shares stay at what was put into them.
    values = np.where(np.isfinite(prices), np.round(shares * prices, 2), bought.cumsum())
    values = np.where(held, values, 0.0)
    return np.diff(values, prepend=0.0) - bought + income, held | (bought != 0.0) | (income != 0.0)


def _prices(market: MarketSnapshot, lived: History, row: int, held: BoolArray) -> FloatArray:
    """The last good close of each day on which the ETF is held, as the book is valued."""
    first = market.column(lived.days[0].session)
    prices = market.panel.close[row, first : first + len(held)].copy()
    for day in np.flatnonzero(held & np.isnan(prices)):
        session: date = lived.days[day].session
        last = valuation.last_price(market, row, session)
        prices[day] = np.nan if last is None else float(last.price)
    return prices
