"""What an order fills at and how much of it, compiled: the twin of `quant.costs`, `quant.sizing`,
`quant.liquidity` and `quant.fills.volume_cap`, equal to them to the cent.

Only market impact is computed in floats, whose error is a hundred million times smaller than the
step that prices are rounded to.
"""

from typing import NamedTuple

import numpy as np

from app.quant.backtest.exact import cents_of, half_even, price_micros, quotient, value_of
from app.quant.backtest.tape import MarketArrays
from app.quant.backtest.units import BILLION, CENT_MICROS, SHARE
from app.quant.compiled import exactly
from app.quant.panel import FloatArray

LIQUIDITY_SESSIONS = 63
CARRY = 5
MAX_MOVE = 0.5


class Terms(NamedTuple):
    """A cost model and the limits of an order, as numbers.

    `friction` is a fraction of the price, `friction_billionths` the same exactly, or -1 where it
    has more digits. `commission` is in cents, `step` in millionths of a share; `volume_billionths`
    the part of the median daily volume that one session takes, `refuse` whether a larger order is
    refused whole; `at_open` says that orders fill at the open.
    """

    friction: float
    friction_billionths: int
    impact: float
    commission: int
    step: int
    volume_share: float
    volume_billionths: int
    refuse: bool
    at_open: bool


@exactly
def fill(
    terms: Terms, buys: int, quantity: int, reference: int, liquidity: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Price in millionths; gross, signed net and cost against the reference in cents."""
    price = fill_price(terms, buys, quantity, reference, liquidity)
    gross = cents_of(quantity, price)
    fee = terms.commission
    net = -(gross + fee) if buys else gross - fee
    return price, gross, net, cents_of(quantity, abs(price - reference)) + fee


@exactly
def fill_price(
    terms: Terms, buys: int, quantity: int, reference: int, liquidity: tuple[float, float]
) -> int:
    volatility, daily_value = liquidity
    impact = 0.0
    if terms.impact > 0.0 and volatility > 0.0 and daily_value > 0.0:
        micros, _ = value_of(quantity, reference)
        impact = terms.impact * volatility * np.sqrt(micros / SHARE / daily_value)
    if impact == 0.0 and 0 <= terms.friction_billionths <= BILLION // 2:
        moved = BILLION + terms.friction_billionths if buys else BILLION - terms.friction_billionths
        return max(half_even(reference, moved, BILLION), 1)
    move = min(terms.friction + impact, MAX_MOVE)
    return max(int(np.rint(reference * (1.0 + move if buys else 1.0 - move))), 1)


@exactly
def affordable(terms: Terms, cash: int, reference: int, liquidity: tuple[float, float]) -> int:
    """The most millionths of a share, in whole steps, that `cash` pays for with their costs."""
    if cash <= 0:
        return 0
    low, high = 0, steps_worth(terms, (cash + 1) * CENT_MICROS, reference) + 1
    while high - low > 1:
        middle = (low + high) // 2
        _, gross, _, _ = fill(terms, 1, middle * terms.step, reference, liquidity)
        if gross + terms.commission <= cash:
            low = middle
        else:
            high = middle
    return low * terms.step


@exactly
def steps_worth(terms: Terms, micros: int, reference: int) -> int:
    """The most steps worth no more than so many millionths of a dollar."""
    return quotient(micros, SHARE // terms.step, reference)[0]


@exactly
def session_cap(terms: Terms, median_value: float, reference: int) -> int:
    """The most millionths of a share of one order in one session; -1 where there is no limit."""
    cents = int(np.rint(median_value * 100.0)) if median_value > 0.0 else 0
    if cents == 0:
        return -1
    if terms.volume_billionths >= 0:
        micros, _ = quotient(cents * 10, terms.volume_billionths, BILLION // 1000)
        # The part below a millionth of a dollar is nothing a share could be bought for.
        return steps_worth(terms, micros, reference) * terms.step
    return steps_worth(terms, int(cents * CENT_MICROS * terms.volume_share), reference) * terms.step


@exactly
def liquidity_of(market: MarketArrays, row: int, end: int) -> tuple[float, float]:
    """Daily volatility and average daily value in the 63 sessions before column `end`, as precise
    as orders are priced with; 0 where unknown."""
    return volatility_of(market, row, end), value_traded(market, row, end)


@exactly
def volatility_of(market: MarketArrays, row: int, end: int) -> float:
    sessions = min(LIQUIDITY_SESSIONS, end - 1)
    closes = np.empty(sessions + 1)
    carried_window(market.adjusted[row], end, closes)
    total, known = 0.0, 0
    for column in range(1, sessions + 1):
        change = closes[column] / closes[column - 1] - 1.0
        if not np.isnan(change):
            total += change
            known += 1
    if known < 2:
        return 0.0
    mean, squares = total / known, 0.0
    for column in range(1, sessions + 1):
        change = closes[column] / closes[column - 1] - 1.0
        if not np.isnan(change):
            squares += (change - mean) ** 2
    return np.rint(np.sqrt(squares / (known - 1)) * 1e10) / 1e10


@exactly
def value_traded(market: MarketArrays, row: int, end: int) -> float:
    """The mean of close times volume, of what is known."""
    total, known = 0.0, 0
    for column in range(max(end - LIQUIDITY_SESSIONS, 0), end):
        value = market.close[row, column] * market.volume[row, column]
        if not np.isnan(value):
            total += value
            known += 1
    return np.rint(total / known * 100.0) / 100.0 if known and total > 0.0 else 0.0


@exactly
def median_traded(market: MarketArrays, row: int, end: int) -> float:
    """The median of close times volume of the 63 sessions before column `end`; 0 where unknown."""
    values = np.empty(LIQUIDITY_SESSIONS)
    known = 0
    for column in range(max(end - LIQUIDITY_SESSIONS, 0), end):
        value = market.close[row, column] * market.volume[row, column]
        if not np.isnan(value):
            values[known] = value
            known += 1
    if known == 0:
        return 0.0
    ordered = np.sort(values[:known])
    return (ordered[(known - 1) // 2] + ordered[known // 2]) / 2.0


@exactly
def within_volume(
    terms: Terms, market: MarketArrays, row: int, end: int, order: tuple[int, int]
) -> int:
    """How much of an order (millionths of a share, at a reference price) one session takes."""
    quantity, reference = order
    # Far below the limit for most orders: more than half of the sessions traded enough.
    enough, known = 0, 0
    needed = quantity / SHARE * (reference / SHARE) / terms.volume_share * 1.001
    for column in range(max(end - LIQUIDITY_SESSIONS, 0), end):
        value = market.close[row, column] * market.volume[row, column]
        if not np.isnan(value):
            known += 1
            enough += value >= needed
    if 2 * enough > known:
        return quantity
    cap = session_cap(terms, median_traded(market, row, end), reference)
    if cap < 0 or quantity <= cap:
        return quantity
    return 0 if terms.refuse else cap


@exactly
def carried_window(prices: FloatArray, end: int, closes: FloatArray) -> None:
    """Fill `closes` with those before column `end`, a missing one from at most five sessions back
    and none from before the six sessions that precede the window."""
    begin = end - len(closes)
    last, age = np.nan, CARRY
    for column in range(max(begin - CARRY, 0), end):
        price = prices[column]
        if price > 0:
            last, age = price, 0
        else:
            age += 1
        if column >= begin:
            closes[column - begin] = last if age <= CARRY else np.nan


@exactly
def market_price(prices: FloatArray, column: int) -> int:
    """A price in millionths, 0 where there is none."""
    price = prices[column]
    return price_micros(price) if price > 0 else 0
