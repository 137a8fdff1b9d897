"""Stops of a portfolio at a close: thresholds, distances, breaches and cool-downs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.money import CENT, price_of
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, LedgerEntry, Portfolio
from app.quant import stop_loss
from app.quant.book import Market, ProposedOrder, order_for
from app.quant.costs import Side
from app.quant.stop_loss import Exit, Holding, PriceState, StopPolicy, StopStatus, Threshold, Vix
from app.schemas.settings import PortfolioSettings
from app.services import pricing
from app.services.valuation import Held, Line, Valuation, splits_between, trades_on

STOP_MARK = "Stop: "
"""How the reason of a sale made by a stop begins; the cool-down is read from it."""


@dataclass(frozen=True, slots=True)
class WatchedLine:
    line: Line
    status: StopStatus


@dataclass(frozen=True, slots=True)
class Watch:
    """Every position against its stop, in the order of the valuation's lines."""

    threshold: Threshold
    lines: tuple[WatchedLine, ...]

    @property
    def breaches(self) -> tuple[Exit, ...]:
        """What is to be sold; the reasons carry the mark."""
        exits = (watched.status.exit for watched in self.lines)
        return tuple(Exit(found.ticker, STOP_MARK + found.reason) for found in exits if found)

    @property
    def at_risk(self) -> tuple[Line, ...]:
        return tuple(watched.line for watched in self.lines if watched.status.at_risk)


def watch(market: MarketSnapshot, valuation: Valuation, policy: StopPolicy) -> Watch:
    """Measure every position at the valuation's session; a price that is not of that session is
    measured where it is known and never acted on."""
    limit = threshold_at(market, policy, valuation.session)
    lines = tuple(
        WatchedLine(
            line,
            stop_loss.assess(_holding(market, line, policy, valuation.session), policy, limit),
        )
        for line in valuation.lines
    )
    return Watch(limit, lines)


def threshold_at(market: MarketSnapshot, policy: StopPolicy, session: date) -> Threshold:
    """The fall that stops a position out, by the VIX as of `session`."""
    found = market.vix_as_of(session)
    if found is None:
        return stop_loss.threshold(policy, None)
    close, day = found
    return stop_loss.threshold(policy, Vix(close, calendar.sessions_between(day, session)))


def _holding(market: MarketSnapshot, line: Line, policy: StopPolicy, session: date) -> Holding:
    entry = line.entry_price
    highest = _highest_close(market, line, session) if policy.trailing else None
    return Holding(
        line.ticker,
        entry,
        entry if highest is None else highest,
        line.last.price,
        PriceState.STALE if line.last.carried else PriceState.GOOD,
    )


def _highest_close(market: MarketSnapshot, line: Line, session: date) -> Decimal | None:
    """The highest close since the position was opened, in shares of `session`."""
    span = slice(market.column(line.opened_on), market.column(session) + 1)
    closes = market.panel.close[line.row, span].copy()
    days = market.panel.sessions[span]
    for action in splits_between(market, line.etf_id, (line.opened_on, session)):
        closes[days < np.datetime64(action.ex_date, "D")] /= float(action.value)
    known = closes[np.isfinite(closes)]
    return price_of(known.max()) if len(known) else None


async def barred(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    at: date,
    policy: StopPolicy,
) -> dict[str, str]:
    """The names stopped out so recently that they may not be bought at `at`, and until when."""
    end = market.column(at)
    first: date = market.panel.sessions[max(end - policy.cooldown_sessions, 0)].item()
    query = (
        select(LedgerEntry.etf_id, func.max(LedgerEntry.session))
        .where(
            LedgerEntry.portfolio_id == portfolio.id,
            LedgerEntry.kind == EntryKind.SELL,
            LedgerEntry.reason.startswith(STOP_MARK),
            LedgerEntry.session.between(first, at),
        )
        .group_by(LedgerEntry.etf_id)
    )
    found: dict[str, str] = {}
    for etf_id, stopped in await session.execute(query):
        if etf_id is None or not stop_loss.in_cooldown(end - market.column(stopped), policy):
            continue
        until = sessions_after(stopped, policy.cooldown_sessions)
        ticker = market.etfs[market.row_of_id[etf_id]].ticker
        found[ticker] = f"barred until {until} after its stop on {stopped}"
    return found


def orders(
    market: MarketSnapshot,
    settings: PortfolioSettings,
    exits: Sequence[Exit],
    *,
    holdings: Mapping[int, Held],
    at: date,
) -> list[ProposedOrder]:
    """Sell the whole of each position at the close of `at`.

    One without a close waits; one worth no more than a cent is not worth its fee.
    """
    costs = pricing.cost_model(settings)
    found: list[ProposedOrder] = []
    for stop in exits:
        held = holdings.get(market.etfs[market.row(stop.ticker)].id)
        if held is None or not trades_on(market, stop.ticker, at):
            continue
        desk = Market({stop.ticker: pricing.priced(market, stop.ticker, at).quote}, costs)
        order = order_for(stop.ticker, Side.SELL, held.quantity, market=desk, reason=stop.reason)
        if order.value > CENT:
            found.append(order)
    return found


def sessions_after(session: date, count: int) -> date:
    for _ in range(count):
        session = calendar.next_session(session)
    return session
