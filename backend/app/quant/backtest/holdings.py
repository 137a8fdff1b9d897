"""What a simulation held at every close, made from its trades and what else moved its shares.

A simulation keeps no holdings of each day: they follow from its fills, from splits and from what
ETFs paid, which are few.
"""

import numpy as np

from app.quant.backtest.simulation import Simulation
from app.quant.backtest.units import SHARE
from app.quant.book_over_time import BookOverTime, Money, of_money
from app.quant.panel import FloatArray, IntArray

CENTS = 100.0


def book_over_time(simulation: Simulation) -> BookOverTime:
    """The sessions after the first, at whose close the money came and nothing was held yet."""
    rows = _rows(simulation)
    days, count = simulation.days, len(simulation.sessions)
    shares, bought = np.zeros((count, len(rows)), np.int64), np.zeros((count, len(rows)))
    trades = simulation.trades
    at = trades["column"] - simulation.first, np.searchsorted(rows, trades["row"])
    sign = np.where(trades["buys"] == 1, 1, -1)
    np.add.at(shares, at, sign * trades["quantity"])
    np.add.at(bought, at, sign * _usd(trades["quantity"], trades["reference"]))
    income, ratios = np.zeros(bought.shape), np.ones(bought.shape)
    for move in simulation.movements:
        place = move.column - simulation.first, int(np.searchsorted(rows, move.row))
        shares[place] += move.shares
        income[place] += move.cents / CENTS
        ratios[place] *= move.ratio
    held = shares.cumsum(axis=0)
    values = np.where(held > 0, np.round(_usd(held, _prices(simulation, rows, ratios)), 2), 0.0)
    capital = simulation.values[:-1] + days["flow"][1:] / CENTS
    later = slice(1, None)
    return of_money(
        simulation.sessions,
        (tuple(simulation.tape.panel.tickers[row] for row in rows), rows),
        Money(values[later], bought[later], income[later], capital, days["costs"][1:] / CENTS),
        simulation.returns,
    )


def _rows(simulation: Simulation) -> IntArray:
    moved = [move.row for move in simulation.movements]
    return np.unique(np.append(simulation.trades["row"], moved).astype(np.int64))


def _usd(shares: IntArray, prices: FloatArray | IntArray) -> FloatArray:
    """Millionths of shares at millionths of a dollar."""
    return (shares / SHARE) * (prices / SHARE)


def _prices(simulation: Simulation, rows: IntArray, ratios: FloatArray) -> FloatArray:
    """The last close of each session in millionths, in shares of that session."""
    first, panel = simulation.first, simulation.tape.panel
    close = np.rint(panel.close[rows, first : first + len(simulation.sessions)].T * SHARE)
    split = ratios.cumprod(axis=0)
    known = np.where(close > 0.0, close * split, np.nan)
    places = np.where(np.isnan(known), -1, np.arange(len(known))[:, np.newaxis])
    last = np.maximum.accumulate(places, axis=0)
    carried = np.take_along_axis(known, np.maximum(last, 0), axis=0)
    found: FloatArray = np.where(last < 0, 0.0, np.rint(carried / split))
    return found
