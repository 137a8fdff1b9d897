"""The performance of a period: every statistic of its daily returns, alone and against a benchmark.

The definitions are in `app.quant.statistics`. What cannot be computed is `Missing` with a reason.
"""

from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import numpy as np

from app.quant.measured import Measured, Missing, ratio
from app.quant.panel import SESSIONS_PER_YEAR, DateArray, FloatArray
from app.quant.statistics import (
    TAIL_95,
    TAIL_99,
    Drawdown,
    alpha,
    beta,
    cagr,
    capture,
    day_of,
    deepest_fall,
    expected_shortfall,
    shape,
    sharpe,
    sortino,
    value_at_risk,
    volatility,
)


@dataclass(frozen=True, slots=True)
class Dated:
    """A return and the session it ended with."""

    value: float
    on: date


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that is said about a period's returns; yearly unless the name says otherwise."""

    observations: int
    total_return: Measured
    cagr: Measured
    volatility: Measured
    sharpe: Measured
    sortino: Measured
    calmar: Measured
    max_drawdown: Measured
    worst_drawdown: Drawdown | Missing
    win_rate: Measured
    best_day: Dated | Missing
    worst_day: Dated | Missing
    best_month: Dated | Missing
    worst_month: Dated | Missing
    skew: Measured
    kurtosis: Measured
    var_95: Measured
    var_99: Measured
    cvar_95: Measured
    cvar_99: Measured
    alpha: Measured
    beta: Measured
    tracking_error: Measured
    information_ratio: Measured
    up_capture: Measured
    down_capture: Measured

    def reasons(self) -> dict[str, str]:
        """Why, for each field that has no value."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value.reason for name, value in named if isinstance(value, Missing)}


TOO_FEW = Missing("fewer than 2 observations")
NO_BENCHMARK = Missing("no benchmark was given")


def compute(
    returns: FloatArray,
    dates: DateArray,
    *,
    rf: float,
    benchmark: FloatArray | None = None,
) -> Metrics:
    """The metrics of T returns between the T + 1 values dated `dates`, ascending.

    `rf` is the yearly risk-free rate, `benchmark` its T returns over the same sessions. A return
    that is NaN (no capital at work, or no benchmark that day) is not an observation.
    """
    if len(dates) != len(returns) + 1:
        raise ValueError(f"{len(returns)} returns lie between {len(returns) + 1} dates")
    known = np.isfinite(returns)
    observed, ends = returns[known], dates[1:][known]
    absolute = _absolute(observed, ends, rf=rf, start=dates[0])
    return Metrics(**absolute, **_relative(returns, benchmark, rf))


def _absolute(
    returns: FloatArray, ends: DateArray, *, rf: float, start: np.datetime64
) -> dict[str, Any]:
    if len(returns) < 2:
        return {"observations": len(returns)} | dict.fromkeys(ABSOLUTE, TOO_FEW)
    wealth = (1.0 + returns).cumprod()
    days = int((ends[-1] - start).astype("timedelta64[D]").astype(int))
    growth = cagr(float(wealth[-1]), days)
    worst = deepest_fall(wealth, ends, start)
    depth = worst.depth if isinstance(worst, Drawdown) else 0.0
    ordered = np.sort(returns)
    low, high = int(returns.argmin()), int(returns.argmax())
    skew, kurtosis = shape(returns)
    return {
        "observations": len(returns),
        "total_return": float(wealth[-1]) - 1.0,
        "cagr": growth,
        "volatility": volatility(returns),
        "sharpe": sharpe(returns, rf),
        "sortino": sortino(returns, rf),
        "calmar": ratio(growth, -depth, "there was no drawdown"),
        "max_drawdown": depth,
        "worst_drawdown": worst,
        "win_rate": float(np.count_nonzero(returns > 0.0) / len(returns)),
        "best_day": Dated(float(returns[high]), day_of(ends[high])),
        "worst_day": Dated(float(returns[low]), day_of(ends[low])),
        **_months(wealth, ends),
        "skew": skew,
        "kurtosis": kurtosis,
        "var_95": value_at_risk(ordered, TAIL_95),
        "var_99": value_at_risk(ordered, TAIL_99),
        "cvar_95": expected_shortfall(ordered, TAIL_95),
        "cvar_99": expected_shortfall(ordered, TAIL_99),
    }


def _relative(returns: FloatArray, benchmark: FloatArray | None, rf: float) -> dict[str, Any]:
    if benchmark is None:
        return dict.fromkeys(RELATIVE, NO_BENCHMARK)
    if len(benchmark) != len(returns):
        raise ValueError(f"{len(benchmark)} benchmark returns for {len(returns)} returns")
    known = np.isfinite(returns) & np.isfinite(benchmark)
    mine, market = returns[known], benchmark[known]
    if len(mine) < 2:
        return dict.fromkeys(RELATIVE, TOO_FEW)
    active = mine - market
    slope = beta(mine, market)
    error = volatility(active)
    mean_active = float(active.mean()) * SESSIONS_PER_YEAR
    return {
        "alpha": alpha(mine, market, slope, rf),
        "beta": slope,
        "tracking_error": error,
        "information_ratio": ratio(mean_active, error, "there is no tracking error"),
        "up_capture": capture(mine, market, market > 0.0, "rose"),
        "down_capture": capture(mine, market, market < 0.0, "fell"),
    }


RELATIVE = ("alpha", "beta", "tracking_error", "information_ratio", "up_capture", "down_capture")
ABSOLUTE = tuple(
    field.name for field in fields(Metrics) if field.name not in {"observations", *RELATIVE}
)


def _months(wealth: FloatArray, ends: DateArray) -> dict[str, Dated]:
    """Best and worst calendar month, each dated by its last session; months may be partial."""
    months = ends.astype("datetime64[M]")
    last = np.append(np.flatnonzero(months[1:] != months[:-1]), len(months) - 1)
    closing = wealth[last]
    opening = np.concatenate(([1.0], closing[:-1]))
    # Nothing can be earned on nothing: months after a total loss have no return.
    alive = opening > 0.0
    growth, last = closing[alive] / opening[alive] - 1.0, last[alive]
    low, high = int(growth.argmin()), int(growth.argmax())
    return {
        "best_month": Dated(float(growth[high]), day_of(ends[last[high]])),
        "worst_month": Dated(float(growth[low]), day_of(ends[last[low]])),
    }
