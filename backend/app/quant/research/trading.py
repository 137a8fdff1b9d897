"""What the spread between the highest and the lowest quantile leaves after trading.

The highest quantile is bought and the lowest sold short, each with `capital` in equal weights that
are set anew every h sessions; a portfolio begins on every session. Between the portfolio of h
sessions ago, grown by its returns, and today's lie the trades. They cost what `app.quant.costs`
says in proportion to their value: spread, slippage and the impact of orders of their size. A
commission per order is left out, since what it comes to depends on how many orders one cares to
place; so are the fees for borrowing what is sold short.
"""

from dataclasses import dataclass

import numpy as np

from app.quant.costs import CostModel, Trades
from app.quant.factors.factor_history import RowArray
from app.quant.factors.history import CARRY_LIMIT
from app.quant.factors.history import kernels as factor_kernels
from app.quant.liquidity import LIQUIDITY_SESSIONS
from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray, IntArray, Panel
from app.quant.research.averages import Average, average
from app.quant.research.forward import Forward
from app.quant.research.signals import Arranged, Signals, kernels


@dataclass(frozen=True, slots=True)
class NetOfCost:
    """Per horizon, over the sessions that have a portfolio h sessions before: the spread less
    costs, its mean `traded` value (both sides together, as a multiple of `capital`) and `cost`, and
    the cost per value traded that would leave nothing."""

    net: Average
    traded: Measured
    cost: Measured
    break_even: Measured


@dataclass(frozen=True, slots=True)
class Liquid:
    """Daily volatility and mean value traded [T, ETF] of the last 63 sessions, NaN unknown."""

    volatility: FloatArray
    value: FloatArray


def liquidity(found: Signals, panel: Panel) -> Liquid:
    """Of every scored ETF at the close of its session."""
    inside = np.zeros((len(found), len(panel.tickers)), np.bool_)
    inside[found.session_of, found.rows] = True
    begin = max(int(found.columns[0]) - LIQUIDITY_SESSIONS, 0)
    end = int(found.columns[-1]) + 1
    rows, ends = np.arange(len(panel.tickers)), found.columns + 1 - begin
    returns = factor_kernels().carried_closes(panel.adjusted, rows, begin, end, CARRY_LIMIT)[1]
    traded = panel.close[:, begin:end] * panel.volume[:, begin:end]
    moments = factor_kernels().moments
    return Liquid(
        volatility=moments(returns, inside, ends, LIQUIDITY_SESSIONS)[1],
        value=moments(np.ascontiguousarray(traded), inside, ends, LIQUIDITY_SESSIONS)[0],
    )


def net_of_cost(
    found: Signals,
    arranged: Arranged,
    after: Forward,
    which: int,
    spread: FloatArray,
    *,
    liquid: Liquid,
    quantiles: int,
    costs: CostModel,
    capital: float,
) -> NetOfCost:
    """For horizon number `which`, from the gross `spread` [T] of its quantiles."""
    horizon, sessions = after.horizons[which], len(found)
    traded, cost = np.zeros(sessions), np.zeros(sessions)
    both = np.full(sessions, fill_value=True)
    for quantile, side in ((quantiles - 1, 1.0), (0, -1.0)):
        when, rows, change = kernels().rebalanced(
            arranged.at(quantile) & after.enterable,
            after.returns[which],
            found.starts,
            found.rows,
            (liquid.value.shape[1], horizon),
        )
        size = np.abs(change)
        sized = _trades(liquid, when, rows, size * capital, horizon)
        rates = np.where(side * change > 0.0, *costs.proportional(sized))
        traded += np.bincount(when, size, minlength=sessions)
        cost += np.bincount(when, size * rates, minlength=sessions)
        both &= np.bincount(when, minlength=sessions) > 0
    known = both & np.isfinite(spread)
    if not known.any():
        none = Missing("no session has a portfolio of a horizon before")
        return NetOfCost(average(np.full(sessions, np.nan), horizon), none, none, none)
    gross, value = float(spread[known].mean()), float(traded[known].mean())
    net = average(np.where(known, spread - cost, np.nan), horizon)
    return NetOfCost(net, value, float(cost[known].mean()), _break_even(gross, value))


def _trades(
    liquid: Liquid, when: IntArray, rows: RowArray, value: FloatArray, horizon: int
) -> Trades:
    """What was not scored at the session has the liquidity of the session it was bought after."""

    now, then = (session * liquid.value.shape[1] + rows for session in (when, when - horizon))

    def known(table: FloatArray) -> FloatArray:
        flat = table.ravel()
        values = flat[now]
        missing = np.flatnonzero(np.isnan(values))
        values[missing] = flat[then[missing]]
        return values

    nothing = np.full(len(value), np.nan)
    return Trades(value, known(liquid.volatility), known(liquid.value), nothing)


def _break_even(gross: float, traded: float) -> Measured:
    if gross <= 0.0:
        return Missing("the spread is not positive before costs")
    if traded == 0.0:
        return Missing("nothing is traded")
    return gross / traded
