"""Stops at a close: thresholds, distances, breaches, and the orders that sell."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from app.core import calendar
from app.core.money import CENT, price_of
from app.market_data.snapshot import MarketSnapshot
from app.quant import stop_loss
from app.quant.book import Market, ProposedOrder, order_for
from app.quant.costs import Side
from app.quant.panel import FloatArray
from app.quant.stop_loss import Exit, Holding, PriceState, StopPolicy, StopStatus, Threshold, Vix
from app.schemas.settings import PortfolioSettings
from app.services import pricing
from app.services.valuation import (
    Held,
    Line,
    Valuation,
    splits_between,
    trades_on,
)

NOBODY: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class WatchedLine:
    """A position against its stop; the fall is measured from `reference`."""

    line: Line
    state: PriceState
    reference: Decimal
    status: StopStatus

    @property
    def breached(self) -> bool:
        """Whether a good price stands at or below the stop."""
        return self.status.exit is not None


@dataclass(frozen=True, slots=True)
class Watch:
    """Every position against its stop, in the order of the valuation's lines."""

    threshold: Threshold
    lines: tuple[WatchedLine, ...]


def watch(
    market: MarketSnapshot,
    valuation: Valuation,
    policy: StopPolicy,
    *,
    quarantined: AbstractSet[int] = NOBODY,
) -> Watch:
    """Measure every position at the valuation's session; a price that is not of that session is
    measured where it is known and never acted on. `quarantined` are ETFs whose bar was refused."""
    limit = threshold_at(market, policy, valuation.session)
    lines = tuple(
        _watched(market, line, (policy, limit), valuation.session, quarantined)
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


def _watched(
    market: MarketSnapshot,
    line: Line,
    rules: tuple[StopPolicy, Threshold],
    session: date,
    quarantined: AbstractSet[int],
) -> WatchedLine:
    policy, limit = rules
    entry = line.entry_price
    highest = _highest_close(market, line, session) if policy.trailing else None
    state = _price_state(market, line, session, quarantined)
    holding = Holding(
        line.ticker,
        entry,
        entry if highest is None else highest,
        None if state is PriceState.MISSING else line.last.price,
        state,
    )
    reference = max(holding.highest_close, entry)
    return WatchedLine(line, state, reference, stop_loss.assess(holding, policy, limit))


def _price_state(
    market: MarketSnapshot, line: Line, session: date, quarantined: AbstractSet[int]
) -> PriceState:
    if not line.last.carried:
        return PriceState.GOOD
    if line.etf_id in quarantined:
        return PriceState.QUARANTINED
    known = market.panel.close[line.row, : market.column(session) + 1]
    if line.last.halted and not np.isfinite(known).any():
        return PriceState.MISSING
    return PriceState.STALE


def _highest_close(market: MarketSnapshot, line: Line, session: date) -> Decimal | None:
    """The highest close since the position was opened, in shares of `session`."""
    closes = closes_since(market, line, (market.column(line.opened_on), session))
    known = closes[np.isfinite(closes)]
    return price_of(known.max()) if len(known) else None


def closes_since(market: MarketSnapshot, line: Line, span: tuple[int, date]) -> FloatArray:
    """Closes from a column of the panel up to a session, in shares of that session."""
    first, session = span
    columns = slice(max(first, 0), market.column(session) + 1)
    closes = market.panel.close[line.row, columns].copy()
    days = market.panel.sessions[columns]
    if len(days):
        for action in splits_between(market, line.etf_id, (days[0].item(), session)):
            closes[days < np.datetime64(action.ex_date, "D")] /= float(action.ratio)
    return closes


def sale(
    market: MarketSnapshot, settings: PortfolioSettings, stop: Exit, quantity: Decimal, *, at: date
) -> ProposedOrder:
    """So many shares at the close of `at`; raises what `pricing.priced` raises."""
    quote = pricing.priced(market, stop.ticker, at).quote
    desk = Market({stop.ticker: quote}, pricing.cost_model(settings))
    return order_for(stop.ticker, Side.SELL, quantity, market=desk, reason=stop.reason)


def orders(
    market: MarketSnapshot,
    settings: PortfolioSettings,
    exits: Sequence[Exit],
    *,
    holdings: Mapping[int, Held],
    at: date,
) -> list[ProposedOrder]:
    """Sell the whole of each position at the close of `at`, a later one than that of the breach.

    One without a close waits; one worth no more than a cent is not worth its fee.
    """
    found: list[ProposedOrder] = []
    for stop in exits:
        held = holdings.get(market.etfs[market.row(stop.ticker)].id)
        if held is None or not trades_on(market, stop.ticker, at):
            continue
        order = sale(market, settings, stop, held.quantity, at=at)
        if order.value > CENT:
            found.append(order)
    return found
