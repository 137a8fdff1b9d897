"""From wanted weights to orders, compiled: the twin of `quant.drift` and `quant.orders`."""

from typing import NamedTuple

import numpy as np

from app.quant.backtest import filling
from app.quant.backtest.exact import compare_products, value_of
from app.quant.backtest.filling import Terms, fill, liquidity_of
from app.quant.backtest.state import GAP, NAME, Because, Record, Records, State, Why
from app.quant.backtest.tape import MarketArrays
from app.quant.backtest.units import BILLION, CENT_MICROS, SHARE
from app.quant.compiled import exactly

ROUNDING = 1e-12
SMALLEST_PART = 1e-6
MILLIONTHS = 1_000_000

ABSOLUTE, RELATIVE, HYBRID = 0, 1, 2

_INSIDE = int(Because.INSIDE)
_MEMBERSHIP = int(Because.MEMBERSHIP)
_ABSOLUTE = int(Because.ABSOLUTE)
_RELATIVE = int(Because.RELATIVE)
_FIRST = int(Because.FIRST)
_ENTERS, _LEFT, _UNDER, _OVER = int(Why.ENTERS), int(Why.LEFT), int(Why.UNDER), int(Why.OVER)


class Bands(NamedTuple):
    """A drift policy and the smallest trade, as numbers; `mode` is one of the three above."""

    mode: int
    threshold: float
    relative: float
    minimum: float
    min_trade: float


@exactly
def names_of(state: State, held: Records, free: float) -> Records:
    """What is held (see `living.standing`) or picked, by row; picks share the `free` part."""
    now = state.now[0]
    picks = state.picks[: now.picks]
    names = np.zeros(len(held) + len(picks), NAME)
    count = 0
    for slot in range(len(held)):
        names[count] = held[slot]
        names[count].target = held[slot].weight if held[slot].frozen else 0.0
        count += 1
    for k in range(len(picks)):
        place = _place_of(names, count, picks[k].row)
        if place == count or names[place].row != picks[k].row:
            for later in range(count, place, -1):
                names[later] = names[later - 1]
            names[place].row, names[place].frozen = picks[k].row, 0
            names[place].weight = 0.0
            count += 1
        names[place].target = picks[k].weight * free
    return names[:count]


@exactly
def _place_of(names: Records, count: int, row: int) -> int:
    """Of the first name whose row is not below."""
    place = 0
    while place < count and names[place].row < row:
        place += 1
    return place


@exactly
def judge(names: Records, bands: Bands, state: State, decision: Record) -> None:
    """Which rule calls for a rebalance, if one does."""
    now = state.now[0]
    _measure(names, decision)
    worst = decision.max_drift
    sizeable = bands.mode == ABSOLUTE or worst >= bands.minimum - ROUNDING
    if bands.mode == HYBRID and _has_changed(names, state):
        decision.because = _MEMBERSHIP
    elif bands.mode != RELATIVE and worst > bands.threshold + ROUNDING and sizeable:
        decision.because = _ABSOLUTE
    elif bands.mode != ABSOLUTE:
        _judge_relative(names, bands, decision)
    if not now.begun and not now.held and now.picks:
        decision.because = _FIRST


@exactly
def is_outside(bands: Bands, weight: float, target: float) -> bool:
    """Whether one name has left its bands."""
    size = abs(weight - target)
    if bands.mode == HYBRID and size < bands.minimum - ROUNDING:
        return False
    if bands.mode != RELATIVE and size > bands.threshold + ROUNDING:
        return True
    return bands.mode != ABSOLUTE and size > bands.relative * target + ROUNDING


@exactly
def _has_changed(names: Records, state: State) -> bool:
    """Whether a name entered or left the targets that were traded last; before there were any,
    those that are held stand for them."""
    now = state.now[0]
    met = 0
    for place in range(len(names)):
        etf = state.etfs[names[place].row]
        before = names[place].weight > 0.0
        if now.begun:
            before = etf.aims > 0 or names[place].frozen > 0
        if before != (names[place].target > 0.0):
            return True
        met += etf.aims
    return now.begun > 0 and met < now.aims


@exactly
def _measure(names: Records, decision: Record) -> None:
    decision.because, decision.row = _INSIDE, -1
    decision.max_drift = decision.turnover = decision.weight = decision.target = 0.0
    for place in range(len(names)):
        name = names[place]
        size = abs(name.weight - name.target)
        decision.turnover += 0.5 * size
        if decision.row < 0 or size > decision.max_drift:
            decision.max_drift, decision.row = size, name.row
            decision.weight, decision.target = name.weight, name.target


@exactly
def _judge_relative(names: Records, bands: Bands, decision: Record) -> None:
    minimum = bands.minimum if bands.mode == HYBRID else 0.0
    largest = -1.0
    for place in range(len(names)):
        name = names[place]
        size = abs(name.weight - name.target)
        outside = size > bands.relative * name.target + ROUNDING and size >= minimum - ROUNDING
        if outside and size > largest:
            largest = size
            decision.because, decision.row = _RELATIVE, name.row
            decision.weight, decision.target = name.weight, name.target


@exactly
def _gaps(names: Records, market: MarketArrays, state: State) -> tuple[Records, int]:
    """What can be traded, the largest gap first, and the value of all of it with the cash."""
    now = state.now[0]
    kept = 0.0
    for place in range(len(names)):
        kept += names[place].weight if names[place].frozen else 0.0
    free = 1.0 - kept
    found = np.zeros(len(names), GAP)
    total, rest, count = now.cash * CENT_MICROS, 0, 0
    for place in range(len(names) if free >= SMALLEST_PART else 0):
        if names[place].frozen:
            continue
        gap, row = found[count], names[place].row
        count += 1
        gap.row, gap.target = row, names[place].target / free
        gap.reference = filling.market_price(market.close[row], now.column)
        gap.held, gap.rest = value_of(state.etfs[row].shares, gap.reference)
        rest += gap.rest
        gap.volatility, gap.daily_value = liquidity_of(market, row, now.column + 1)
        billionths = np.rint(gap.target * BILLION)
        gap.billionths = int(billionths) if billionths / BILLION == gap.target else -1
        total += gap.held
    gaps = found[:count]
    for k in range(count):
        gap = gaps[k]
        gap.amount = gap.target * (total + rest / SHARE) - (gap.held + gap.rest / SHARE)
        if rest:
            gap.billionths = -1
    _put_largest_first(gaps)
    return gaps, total


@exactly
def _put_largest_first(gaps: Records) -> None:
    """Equal ones stay in the order of their rows."""
    for k in range(1, len(gaps)):
        place = k
        while place > 0 and abs(gaps[place].amount) > abs(gaps[place - 1].amount):
            moved = gaps[place : place + 1].copy()
            gaps[place] = gaps[place - 1]
            gaps[place - 1] = moved[0]
            place -= 1


@exactly
def propose(names: Records, market: MarketArrays, terms: Terms, bands: Bands, state: State) -> None:
    """Put the orders that bring the book to its targets into `orders`: sales, then purchases."""
    now = state.now[0]
    gaps, total = _gaps(names, market, state)
    least = bands.min_trade * total
    now.orders = 0
    cash = _propose_sales(gaps, terms, state, (total, least))
    for k in range(len(gaps)):
        value = _value(gaps[k], terms, MILLIONTHS, total)
        gaps[k].wanted = gaps[k].amount > 0.0 and value > CENT_MICROS and value >= least
    part = _cut_to_cash(gaps, terms, cash, (total, least))
    for k in range(len(gaps)):
        gap = gaps[k]
        if not gap.wanted:
            continue
        order = state.orders[now.orders]
        now.orders += 1
        order.row, order.buys, order.part = gap.row, 1, part
        order.quantity = _quantity(gap, terms, part, total)
        order.why, order.x = _UNDER, gap.amount / total * 100.0
        order.y, order.z = gap.target, 0.0
        if state.etfs[gap.row].shares == 0:
            order.why, order.x = _ENTERS, float(_rank_of(state, gap.row))


@exactly
def _rank_of(state: State, row: int) -> int:
    for k in range(state.now[0].picks):
        if state.picks[k].row == row:
            return state.picks[k].place
    return 0


@exactly
def _propose_sales(gaps: Records, terms: Terms, state: State, sums: tuple[int, float]) -> int:
    """The cash in cents after the sales; `sums` are the total and the least value of a trade."""
    now, (total, least) = state.now[0], sums
    cash = now.cash
    for k in range(len(gaps)):
        gap = gaps[k]
        shares, closes = state.etfs[gap.row].shares, gap.target == 0.0
        if not gap.amount < 0.0 or shares == 0:
            continue
        quantity = shares if closes else _surplus(gap, terms, total)
        value, _ = value_of(quantity, gap.reference)
        if value <= CENT_MICROS or (not closes and value < least):
            continue
        liquidity = (gap.volatility, gap.daily_value)
        _, _, net, _ = fill(terms, 0, quantity, gap.reference, liquidity)
        if cash + net < 0:
            continue
        cash += net
        order = state.orders[now.orders]
        now.orders += 1
        order.row, order.buys, order.quantity, order.part = gap.row, 0, quantity, MILLIONTHS
        order.why = _LEFT if closes else _OVER
        order.x, order.y, order.z = -gap.amount / total * 100.0, gap.target, 0.0
    return cash


@exactly
def _cut_to_cash(gaps: Records, terms: Terms, cash: int, sums: tuple[int, float]) -> int:
    """The millionths of their gaps that all purchases are sized at, so that cash pays for them.

    While that leaves one under the smallest trade, the smallest is given up.
    """
    total, least = sums
    while True:
        part = _affordable_part(gaps, terms, cash, total)
        smallest, lowest = -1, 0
        for k in range(len(gaps)):
            if gaps[k].wanted:
                value = _value(gaps[k], terms, part, total)
                if smallest < 0 or value < lowest:
                    smallest, lowest = k, value
        if smallest < 0 or (lowest > CENT_MICROS and lowest >= least):
            return part
        gaps[smallest].wanted = 0


@exactly
def _affordable_part(gaps: Records, terms: Terms, cash: int, total: int) -> int:
    if _fits(gaps, terms, MILLIONTHS, (cash, total)):
        return MILLIONTHS
    low, high = 0, MILLIONTHS + 1
    while high - low > 1:
        middle = (low + high) // 2
        if _fits(gaps, terms, middle, (cash, total)):
            low = middle
        else:
            high = middle
    return low


@exactly
def _fits(gaps: Records, terms: Terms, part: int, money: tuple[int, int]) -> bool:
    """Whether cash, in cents, pays for so much of every gap and its costs, and is worth as much."""
    cash, total = money
    worth, paid = 0, 0
    for k in range(len(gaps)):
        gap = gaps[k]
        if not gap.wanted:
            continue
        quantity = _quantity(gap, terms, part, total)
        if quantity == 0:
            continue
        micros, _ = value_of(quantity, gap.reference)
        liquidity = (gap.volatility, gap.daily_value)
        _, _, net, _ = fill(terms, 1, quantity, gap.reference, liquidity)
        worth += micros
        paid -= net
    return worth <= cash * CENT_MICROS and paid <= cash


@exactly
def _value(gap: Record, terms: Terms, part: int, total: int) -> int:
    """Of the shares that so much of a gap buys, in millionths of a dollar."""
    micros, _ = value_of(_quantity(gap, terms, part, total), gap.reference)
    return micros


@exactly
def _quantity(gap: Record, terms: Terms, part: int, total: int) -> int:
    """The most millionths of a share, in whole steps, worth no more than a part of the gap.

    Floats cannot tell whether a quotient that is a whole number reaches it: then the products are
    compared, if the target is a round number, as a share of a whole by twenty is.
    """
    step = terms.step
    if not gap.amount > 0.0:
        return 0
    steps = gap.amount * (part / MILLIONTHS) / gap.reference * (SHARE // step)
    near = int(np.rint(steps))
    if part == MILLIONTHS and gap.billionths >= 0 and abs(steps - near) < _doubt(step):
        worth, _ = value_of(near * step, gap.reference)
        reached = compare_products(gap.held + worth, BILLION, gap.billionths, total) <= 0
        return near * step if reached else (near - 1) * step
    return int(np.floor(steps)) * step


@exactly
def _surplus(gap: Record, terms: Terms, total: int) -> int:
    """The most millionths of a share worth no more than what is held beyond the target."""
    step = terms.step
    steps = -gap.amount / gap.reference * (SHARE // step)
    near = int(np.rint(steps))
    if gap.billionths >= 0 and abs(steps - near) < _doubt(step):
        worth, _ = value_of(near * step, gap.reference)
        reached = compare_products(gap.held - worth, BILLION, gap.billionths, total) >= 0
        return near * step if reached else (near - 1) * step
    return int(np.floor(steps)) * step


@exactly
def _doubt(step: int) -> float:
    """How near to a whole number of steps a quotient of floats says nothing."""
    return 1e-6 if step == SHARE else 1e-3
