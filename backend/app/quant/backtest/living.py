"""The days of a simulated portfolio, compiled: trade, value, check stops, ask the rules.

At each session: money comes or goes and corporate actions reach the book (the caller is asked to do
that); what was decided at the close before is filled; the book is valued at the close; stops are
checked; and where the schedule says so the rules are asked what they want. `services.replay` has
the same order. A question waits for a session on which no stop acts.
"""

from typing import NamedTuple

import numpy as np

from app.quant.backtest import deciding
from app.quant.backtest.booking import fill_order
from app.quant.backtest.choosing import Choice, choose
from app.quant.backtest.deciding import Bands, judge, names_of, propose
from app.quant.backtest.exact import cents_of, compare_products, half_even
from app.quant.backtest.filling import (
    Terms,
    market_price,
)
from app.quant.backtest.state import (
    FULL_EXPOSURE,
    NAME,
    Because,
    Phase,
    Record,
    Records,
    State,
    Wants,
    Why,
)
from app.quant.backtest.tape import MarketArrays, ScoreArrays
from app.quant.backtest.units import BILLION, CENT_MICROS, SHARE
from app.quant.compiled import exactly
from app.quant.panel import FloatArray

ROUNDING = 1e-12
CARRY = 5
YEAR = 365

_OPENING, _TRADING, _DECIDING, _OVER = (
    int(Phase.OPENING),
    int(Phase.TRADING),
    int(Phase.DECIDING),
    int(Phase.OVER),
)
_NOTHING, _EVENTS, _WEIGHTS, _ROOM = (
    int(Wants.NOTHING),
    int(Wants.EVENTS),
    int(Wants.WEIGHTS),
    int(Wants.ROOM),
)
_STOP = int(Why.STOP)
_NO_SCORES, _SHORT_HISTORY = int(Because.NO_SCORES), int(Because.SHORT_HISTORY)
_INSIDE, _NO_WEIGHTS = int(Because.INSIDE), int(Because.NO_WEIGHTS)


class Rules(NamedTuple):
    """Everything that governs a simulated day, as numbers.

    `by_drift` says that the rules are asked when the book
    has drifted from its last targets, and not by date. `interest` is a yearly rate in millionths.
    """

    terms: Terms
    choice: Choice
    bands: Bands
    by_drift: bool
    acts: bool
    trailing: bool
    reduce_at: float
    restore_below: float
    restore_after: int
    reduced: float
    interest: int
    last: int


@exactly
def advance(market: MarketArrays, scores: ScoreArrays, rules: Rules, state: State) -> int:
    """Live on until something is wanted of the caller, or all is over."""
    now = state.now[0]
    while now.phase != _OVER:
        if now.phase == _OPENING:
            if len(state.trades) < now.trades + now.orders + now.exits:
                return _ROOM
            if rules.interest:
                _earn_interest(rules, state)
            now.phase = _TRADING
            if state.schedule[now.column].events:
                return _EVENTS
        if now.phase == _TRADING:
            if _live(market, scores, rules, state):
                now.phase = _DECIDING
                if not _knows_weights(state):
                    return _WEIGHTS
            else:
                _next_day(rules, state)
        if now.phase == _DECIDING:
            _decide(market, rules, state)
            _next_day(rules, state)
    return _NOTHING


@exactly
def _next_day(rules: Rules, state: State) -> None:
    now = state.now[0]
    now.phase = _OVER if now.column == rules.last else _OPENING
    now.column += now.phase == _OPENING


@exactly
def _knows_weights(state: State) -> bool:
    """Whether weights follow from the number of picks alone, and were asked for before."""
    now = state.now[0]
    if now.picks == 0 or np.isnan(state.by_count[now.picks, 0]):
        return False
    for pick in range(now.picks):
        state.picks[pick].weight = state.by_count[now.picks, pick]
    return True


@exactly
def _live(market: MarketArrays, scores: ScoreArrays, rules: Rules, state: State) -> bool:
    """One session up to its question; whether weights are to be found for the picks."""
    now = state.now[0]
    day = state.days[now.column]
    if now.exits or now.orders or now.proposed:
        _trade(market, rules, state)
    _value(market, state, day)
    _watch_drawdown(rules, state, day)
    now.exits = 0
    if rules.acts:
        _check_stops(market, rules, state)
    if rules.by_drift:
        now.asking = now.asking or _has_drifted(rules, state)
    now.asking = now.asking or state.schedule[now.column].asks
    if not now.asking or now.exits:
        return False
    now.asking = False
    return _ask(market, scores, rules, state)


@exactly
def _earn_interest(rules: Rules, state: State) -> None:
    """Simple interest for the days since the close before, on the cash that was there."""
    now = state.now[0]
    weight = rules.interest * state.schedule[now.column].interest_days
    interest = half_even(now.cash, weight, SHARE * YEAR)
    state.days[now.column].interest = interest
    now.cash += interest


@exactly
def _trade(market: MarketArrays, rules: Rules, state: State) -> None:
    """Fill what was decided at the close before: stops, or the orders of a rebalance."""
    now = state.now[0]
    for k in range(now.exits):
        fill_order(market, rules.terms, state, state.exits[k])
    for k in range(now.orders):
        fill_order(market, rules.terms, state, state.orders[k])
    if now.proposed:
        now.aims = 0
        for row in range(len(state.etfs)):
            etf = state.etfs[row]
            etf.aims, etf.aim = etf.next_aims, etf.next_aim
            now.aims += etf.aims
        now.begun, now.proposed = 1, 0
    now.orders = now.exits = 0


@exactly
def _value(market: MarketArrays, state: State, day: Record) -> None:
    """The book at the close; a missing price is the last one."""
    now = state.now[0]
    worth, carried = 0, 0
    for slot in range(now.held):
        row = state.held[slot]
        price = market_price(market.close[row], now.column)
        if price:
            state.etfs[row].last, state.etfs[row].seen = price, now.column
            state.etfs[row].highest = max(state.etfs[row].highest, price)
        else:
            carried += 1
        value = cents_of(state.etfs[row].shares, state.etfs[row].last)
        state.class_values[now.column, market.classes[row]] += value
        worth += value
    now.before = now.total
    now.total = now.cash + worth
    day.cash, day.positions = now.cash, worth
    day.holdings, day.carried = now.held, carried


@exactly
def _watch_drawdown(rules: Rules, state: State, day: Record) -> None:
    """Follow the growth of one unit, and how much of the targets may be held after a deep fall."""
    now = state.now[0]
    start = now.before + day.flow
    if start > 0:
        now.index *= now.total / start
    now.peak = max(now.peak, now.index)
    fall = max(1.0 - now.index / now.peak, 0.0)
    if now.reduced == FULL_EXPOSURE:
        if fall >= rules.reduce_at - ROUNDING:
            now.reduced = 0
    elif fall < rules.restore_below - ROUNDING:
        now.reduced = FULL_EXPOSURE
    elif now.reduced + 1 >= rules.restore_after:
        now.reduced, now.peak = FULL_EXPOSURE, now.index
    else:
        now.reduced += 1
    day.reduced = now.reduced != FULL_EXPOSURE


@exactly
def _check_stops(market: MarketArrays, rules: Rules, state: State) -> None:
    """Positions at or below their stop, at a price of this very session, are to be sold."""
    now = state.now[0]
    fall = state.schedule[now.column].fall
    kept = BILLION - int(np.rint(fall * BILLION))
    for slot in range(now.held):
        row = state.held[slot]
        price = state.etfs[row].last
        if state.etfs[row].seen != now.column or market.closed[row] <= now.column:
            continue
        if cents_of(state.etfs[row].shares, price) <= 1 or is_splitting(state, row):
            continue
        entry = half_even(state.etfs[row].basis, CENT_MICROS * SHARE, state.etfs[row].shares)
        reference = max(entry, state.etfs[row].highest) if rules.trailing else entry
        if compare_products(price, BILLION, reference, kept) <= 0:
            order = state.exits[now.exits]
            order.row, order.buys, order.quantity = row, 0, state.etfs[row].shares
            order.part, order.why = deciding.MILLIONTHS, _STOP
            order.x, order.y, order.z = float(price), float(reference), fall
            now.exits += 1


@exactly
def is_splitting(state: State, row: int) -> bool:
    """Whether the ETF splits in this session."""
    session = state.schedule[state.now[0].column]
    return bool(np.any(state.split_rows[session.splits_from : session.splits_to] == row))


@exactly
def _ask(market: MarketArrays, scores: ScoreArrays, rules: Rules, state: State) -> bool:
    now = state.now[0]
    now.picks = 0
    if now.reduced != FULL_EXPOSURE and rules.reduced == 0.0:
        return True
    if scores.line_of[now.column] < 0:
        return _unanswered(state, _NO_SCORES)
    if now.column + 1 <= rules.choice.history:
        return _unanswered(state, _SHORT_HISTORY)
    choose(market, scores, rules.choice, state, standing(market, state))
    return True


@exactly
def _unanswered(state: State, because: int) -> bool:
    now = state.now[0]
    decision = state.decisions[now.decisions]
    decision.column, decision.because, decision.row = now.column, because, -1
    now.decisions += 1
    return False


@exactly
def standing(market: MarketArrays, state: State) -> Records:
    """The names that are held, by row, with their weights; frozen is what cannot be traded at this
    close."""
    now = state.now[0]
    names = np.zeros(now.held, NAME)
    for slot in range(now.held):
        name, row = names[slot], state.held[slot]
        etf = state.etfs[row]
        name.row = row
        name.frozen = etf.seen != now.column or market.closed[row] <= now.column
        if now.total > 0:
            name.weight = cents_of(etf.shares, etf.last) / now.total
    return names


@exactly
def free_part(rules: Rules, state: State, held: Records) -> float:
    """Of the portfolio: what may be invested in names of choice."""
    kept = 0.0
    for slot in range(len(held)):
        kept += held[slot].weight if held[slot].frozen else 0.0
    part = 1.0 if state.now[0].reduced == FULL_EXPOSURE else rules.reduced
    return part * max(1.0 - kept, 0.0)


@exactly
def weights_of_picks(market: MarketArrays, rules: Rules, state: State) -> tuple[FloatArray, float]:
    """What is held of each pick, as a part of what may be invested, and how much that is of the
    portfolio; where it is nothing, as a part of the portfolio."""
    now = state.now[0]
    held = standing(market, state)
    free = free_part(rules, state, held)
    current = np.zeros(now.picks)
    for pick in range(now.picks):
        for slot in range(len(held)):
            if held[slot].row == state.picks[pick].row:
                current[pick] = held[slot].weight / free if free > 0.0 else held[slot].weight
    return current, free


@exactly
def _decide(market: MarketArrays, rules: Rules, state: State) -> None:
    """With the weights of the picks found: compare, and make orders where the bands call for it."""
    now = state.now[0]
    decision = state.decisions[now.decisions]
    now.decisions += 1
    decision.column, decision.picks = now.column, now.picks
    if now.picks < 0:
        decision.because, decision.row, decision.picks = _NO_WEIGHTS, -1, 0
        return
    held = standing(market, state)
    names = names_of(state, held, free_part(rules, state, held))
    judge(names, rules.bands, state, decision)
    if decision.because == _INSIDE:
        return
    propose(names, market, rules.terms, rules.bands, state)
    decision.orders = now.orders
    now.proposed = 1
    for row in range(len(state.etfs)):
        state.etfs[row].next_aims, state.etfs[row].next_aim = 0, 0.0
    for place in range(len(names)):
        etf = state.etfs[names[place].row]
        etf.next_aims, etf.next_aim = names[place].target > 0.0, names[place].target


@exactly
def _has_drifted(rules: Rules, state: State) -> bool:
    """Whether the book has left the bands around its last targets."""
    now = state.now[0]
    if not now.begun:
        return False
    for row in range(len(state.etfs)):
        etf = state.etfs[row]
        if etf.shares == 0 and etf.aims == 0:
            continue
        weight = cents_of(etf.shares, etf.last) / now.total if now.total > 0 else 0.0
        if deciding.is_outside(rules.bands, weight, etf.aim):
            return True
    return False
