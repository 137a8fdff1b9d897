"""From total returns to what an exchange would have printed: traded prices, payments, volume."""

from dataclasses import dataclass

import numpy as np

from app.market_data.simulated.factors import Drivers
from app.market_data.simulated.roster import Roster, typical_volatility
from app.market_data.simulated.streams import BLOCK, Purpose, in_blocks
from app.quant.panel import SESSIONS_PER_YEAR, BoolArray, FloatArray

SPLIT_ABOVE = 400.0
REVERSE_BELOW, REVERSE_BELOW_SHARE, REVERSE_RATIO = 2.0, 0.22, 0.2
LONGEST_IDLE = 3


@dataclass(frozen=True, slots=True)
class Prices:
    """(funds, sessions) each. `split_ratio` is 1 and `dividend` 0 where nothing happens;
    `alive` says where there is a bar at all."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    dividend: FloatArray
    split_ratio: FloatArray
    alive: BoolArray


def traded_prices(seed: int, roster: Roster, drivers: Drivers, returns: FloatArray) -> Prices:
    """Bars of all funds. A close is the previous close less the dividend, times 1 + return."""
    blocks = returns.shape[1] // BLOCK
    payments = _payments(seed, blocks, roster)
    unsplit = _before_splits(roster, returns, payments)
    listed = _listed(roster, returns.shape[1])
    split_ratio = _splits(roster, unsplit, listed)
    shares = np.cumprod(split_ratio, axis=1)
    close = unsplit / shares

    previous = np.concatenate([close[:, :1], unsplit[:, :-1] / shares[:, 1:]], axis=1)
    dividend = np.round(payments * previous, 4)
    idle, missing = _idle_and_missing(seed, blocks, roster)
    opening, high, low = _range_of_the_day(
        seed, roster, drivers, start=previous - dividend, close=close
    )
    printed = [np.where(idle, close, price) for price in (opening, high, low)]
    opening, high, low, close = (np.round(price, 2) for price in (*printed, close))
    volume = np.where(idle, 0.0, _volume(seed, roster, drivers, close=close, returns=returns))
    alive = listed & ~missing
    return Prices(opening, high, low, close, volume, dividend, split_ratio, alive)


def _payments(seed: int, blocks: int, roster: Roster) -> FloatArray:
    """Distributions as fractions of the previous close, 0 on days without one."""
    draws = in_blocks(
        seed,
        Purpose.PAYMENTS,
        blocks,
        lambda rng: rng.standard_normal((len(roster.funds), BLOCK)),
    )
    paid = np.zeros_like(draws)
    for row, fund in enumerate(roster.funds):
        if fund.segment.payments:
            period = SESSIONS_PER_YEAR // fund.segment.payments
            days = slice(fund.first + period + fund.payment_phase % period, None, period)
            amount = fund.segment.payout / fund.segment.payments
            paid[row, days] = amount * np.exp(0.08 * draws[row, days])
    return paid


def _before_splits(roster: Roster, returns: FloatArray, payments: FloatArray) -> FloatArray:
    """Closes as if no fund had ever split, equal to `first_close` in a fund's first session."""
    growth = np.cumprod((1.0 + returns) * (1.0 - payments), axis=1)
    first = np.array([min(fund.first, growth.shape[1] - 1) for fund in roster.funds])
    start = roster.column([fund.first_close for fund in roster.funds])
    return start * growth / growth[np.arange(len(first)), first][:, None]


def _listed(roster: Roster, columns: int) -> BoolArray:
    day = np.arange(columns)
    last = [columns if fund.last is None else fund.last for fund in roster.funds]
    return (day >= roster.column([fund.first for fund in roster.funds])) & (
        day <= roster.column([float(column) for column in last])
    )


def _splits(roster: Roster, unsplit: FloatArray, listed: BoolArray) -> FloatArray:
    """New shares per old share in the session after a close too high or too low for the fund."""
    ratios = np.ones_like(unsplit)
    for row, fund in enumerate(roster.funds):
        low = max(REVERSE_BELOW, REVERSE_BELOW_SHARE * fund.first_close)
        tradable = listed[row, :-1] & listed[row, 1:]
        shares, day = 1.0, 0
        while True:
            close = unsplit[row, day:-1] / shares
            odd = ((close > SPLIT_ABOVE) | (close < low)) & tradable[day:]
            if not odd.any():
                break
            first = int(np.argmax(odd))
            day += first + 1
            ratios[row, day] = fund.split_ratio if close[first] > SPLIT_ABOVE else REVERSE_RATIO
            shares *= ratios[row, day]
    return ratios


def _range_of_the_day(
    seed: int, roster: Roster, drivers: Drivers, *, start: FloatArray, close: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Open, high and low around a day that begins at `start` and ends at `close`."""
    draws = in_blocks(
        seed,
        Purpose.BARS,
        close.shape[1] // BLOCK,
        lambda rng: rng.standard_normal((3, len(close), BLOCK)).clip(-3.0, 3.0),
    )
    daily = [
        abs(fund.segment.leverage) * typical_volatility(roster.indices[fund.index])
        for fund in roster.funds
    ]
    wiggle = roster.column(daily) / np.sqrt(SESSIONS_PER_YEAR) * np.sqrt(drivers.strain)
    opening = start * np.exp(0.45 * np.log(close / start) + 0.3 * wiggle * draws[0])
    high = np.maximum(opening, close) * np.exp(0.4 * wiggle * np.abs(draws[1]))
    low = np.minimum(opening, close) * np.exp(-0.4 * wiggle * np.abs(draws[2]))
    return opening, high, low


def _volume(
    seed: int, roster: Roster, drivers: Drivers, *, close: FloatArray, returns: FloatArray
) -> FloatArray:
    """Whole shares: more when the market is strained and on days with a large move."""
    draws = in_blocks(
        seed,
        Purpose.VOLUME,
        close.shape[1] // BLOCK,
        lambda rng: rng.standard_normal((len(close), BLOCK)),
    )
    turnover = roster.column([fund.turnover for fund in roster.funds])
    busy = 0.4 * draws + 0.5 * np.log(drivers.strain) + 8.0 * np.abs(returns).clip(0.0, 0.06)
    return np.maximum(np.round(turnover * np.exp(busy) / close), 1.0)


def _idle_and_missing(seed: int, blocks: int, roster: Roster) -> tuple[BoolArray, BoolArray]:
    """Sessions without a trade, never more than three in a row, and sessions without a bar.

    A fund's first session has a bar.
    """
    draws = in_blocks(
        seed, Purpose.GAPS, blocks, lambda rng: rng.random((2, len(roster.funds), BLOCK))
    )
    wanted = draws[0] < roster.column([fund.segment.idle for fund in roster.funds])
    run = np.ones_like(wanted[:, LONGEST_IDLE:])
    for back in range(1, LONGEST_IDLE + 1):
        run &= wanted[:, LONGEST_IDLE - back : -back]
    idle = wanted.copy()
    idle[:, LONGEST_IDLE:] &= ~run
    missing = draws[1] < roster.column([fund.segment.gaps for fund in roster.funds])
    for row, fund in enumerate(roster.funds):
        missing[row, fund.first : fund.first + 1] = False
    return idle, missing
