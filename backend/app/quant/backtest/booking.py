"""What fills do to a simulated book, compiled: the twin of `services.desk` and `projection`."""

import numpy as np

from app.quant.backtest.exact import cents_of, half_even
from app.quant.backtest.filling import (
    Terms,
    affordable,
    fill,
    liquidity_of,
    market_price,
    within_volume,
)
from app.quant.backtest.state import Record, State, Why
from app.quant.backtest.tape import MarketArrays
from app.quant.compiled import exactly

_STOP = int(Why.STOP)


@exactly
def fill_order(market: MarketArrays, terms: Terms, state: State, order: Record) -> None:
    """Trade what of an order its ETF, the book and the daily volume allow, at the session's price.

    How an ETF trades is known from the sessions before an open, and from that of a close.
    """
    now, row = state.now[0], order.row
    prices = market.opens if terms.at_open else market.close
    reference = market_price(prices[row], now.column)
    shares = state.etfs[row].shares
    if reference == 0 or not market.close[row, now.column] > 0.0:
        return
    if market.closed[row] <= now.column or order.quantity == 0:
        return
    known = now.column if terms.at_open else now.column + 1
    liquidity = liquidity_of(market, row, known)
    ordered = shares if order.why == _STOP else order.quantity
    quantity = ordered
    if order.buys:
        quantity = min(quantity, affordable(terms, now.cash, reference, liquidity))
    else:
        quantity = min(quantity, shares)
    if order.why == _STOP and cents_of(quantity, reference) <= 1:
        return
    quantity = within_volume(terms, market, row, known, (quantity, reference))
    if quantity > 0:
        book(state, order, (quantity, ordered), terms, (reference, *liquidity))


@exactly
def book(
    state: State,
    order: Record,
    quantities: tuple[int, int],
    terms: Terms,
    priced: tuple[int, float, float],
) -> None:
    """Write down a fill of (quantity, ordered) and what it does to the book. It is `priced` by its
    reference and how its ETF trades (see `filling.liquidity_of`)."""
    now, row, (quantity, ordered) = state.now[0], order.row, quantities
    reference, liquidity = priced[0], (priced[1], priced[2])
    price, gross, net, cost = fill(terms, order.buys, quantity, reference, liquidity)
    if now.cash + net < 0:
        return
    trade = state.trades[now.trades]
    now.trades += 1
    trade.column, trade.decided = now.column, max(now.column - 1, 0)
    trade.row, trade.buys, trade.quantity, trade.ordered = row, order.buys, quantity, ordered
    trade.reference, trade.price, trade.gross = reference, price, gross
    trade.fee, trade.net, trade.cost = terms.commission, net, cost
    trade.part, trade.why = order.part, order.why
    trade.x, trade.y, trade.z = order.x, order.y, order.z
    trade.of_volume = gross / 100.0 / liquidity[1] if liquidity[1] > 0.0 else np.nan
    day = state.days[now.column]
    day.costs += cost
    now.cash += net
    if order.buys:
        day.bought += gross
        buy(state, row, quantity, gross)
    else:
        day.sold += gross
        sell(state, row, quantity)
        if order.why == _STOP:
            state.etfs[row].stopped = now.column


@exactly
def buy(state: State, row: int, quantity: int, gross: int) -> None:
    now = state.now[0]
    if state.etfs[row].shares == 0:
        slot = now.held
        while slot > 0 and state.held[slot - 1] > row:
            state.held[slot] = state.held[slot - 1]
            slot -= 1
        state.held[slot] = row
        now.held += 1
        state.etfs[row].opened = now.column
        state.etfs[row].highest = state.etfs[row].basis = 0
    state.etfs[row].shares += quantity
    state.etfs[row].basis += gross


@exactly
def sell(state: State, row: int, quantity: int) -> None:
    """Shares leave with their part of the cost basis, rounded half to even."""
    owned = state.etfs[row].shares
    state.etfs[row].basis -= half_even(state.etfs[row].basis, quantity, owned)
    state.etfs[row].shares = owned - quantity
    if quantity == owned:
        drop(state, row)


@exactly
def drop(state: State, row: int) -> None:
    """A name that is not held any more."""
    now = state.now[0]
    state.etfs[row].shares = state.etfs[row].basis = 0
    slot = np.searchsorted(state.held[: now.held], row)
    for later in range(slot, now.held - 1):
        state.held[later] = state.held[later + 1]
    now.held -= 1
