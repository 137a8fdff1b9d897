"""What a simulation amounts to: performance, costs, where it was invested, and caveats."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from app.quant.activity import yearly_share
from app.quant.backtest.caveats import Caveat, caveats
from app.quant.backtest.simulation import Simulation
from app.quant.backtest.state import Because
from app.quant.benchmarks import same_sessions
from app.quant.calendar_returns import PeriodReturn, by_calendar
from app.quant.measured import Measured
from app.quant.metrics import Metrics, compute
from app.quant.panel import BoolArray, FloatArray, IntArray
from app.quant.returns import growth
from app.quant.statistics import falls


@dataclass(frozen=True, slots=True)
class Exposure:
    """Weights of one asset class in the whole portfolio; `cash` is one."""

    name: str
    mean: float
    highest: float
    last: float


@dataclass(frozen=True, slots=True)
class Report:
    """The curves have one entry per session lived through; `growth` is what one unit became,
    `drawdown` its fall from the highest so far, 0 or negative.

    `turnover` is half of what was bought and sold in a year, over the mean value; `cost_drag` what
    trading cost in a year over the mean value. Sums are in USD.
    """

    metrics: Metrics
    benchmark: Metrics | None
    growth: FloatArray
    drawdown: FloatArray
    benchmark_growth: FloatArray | None
    years: tuple[PeriodReturn, ...]
    months: tuple[PeriodReturn, ...]
    turnover: Measured
    cost_drag: Measured
    bought: Decimal
    sold: Decimal
    costs: Decimal
    income: Decimal
    interest: Decimal
    trades: int
    stops_fired: int
    rebalances: int
    decisions: Mapping[Because, int]
    exposures: tuple[Exposure, ...]
    caveats: tuple[Caveat, ...]


def report(simulation: Simulation, *, rf: float, benchmark: FloatArray | None = None) -> Report:
    """`benchmark` are adjusted closes of the sessions lived through, NaN where there is none; `rf`
    the yearly risk-free rate."""
    days, returns = simulation.days, simulation.returns
    theirs = None
    if benchmark is not None:
        theirs = same_sessions(benchmark[1:] / benchmark[:-1] - 1.0, returns)
    grown = _from_one(returns)
    mean_value = float(simulation.values.mean())
    traded = _usd(days["bought"].sum()) + _usd(days["sold"].sum())
    costs = _usd(days["costs"].sum())
    return Report(
        metrics=compute(returns, simulation.sessions, rf=rf, benchmark=theirs),
        benchmark=None if theirs is None else compute(theirs, simulation.sessions, rf=rf),
        growth=grown,
        drawdown=falls(grown),
        benchmark_growth=None if theirs is None else _from_one(theirs),
        years=by_calendar(simulation.sessions, returns, theirs, "Y"),
        months=by_calendar(simulation.sessions, returns, theirs, "M"),
        turnover=yearly_share(float(traded) / 2.0, mean_value, len(returns)),
        cost_drag=yearly_share(float(costs), mean_value, len(returns)),
        bought=_usd(days["bought"].sum()),
        sold=_usd(days["sold"].sum()),
        costs=costs,
        income=_usd(days["income"].sum()),
        interest=_usd(days["interest"].sum()),
        trades=len(simulation.trades),
        stops_fired=simulation.stops_fired,
        rebalances=simulation.rebalances,
        decisions=Counter(Because(each) for each in simulation.decisions["because"].tolist()),
        exposures=_exposures(simulation),
        caveats=caveats(simulation),
    )


def _from_one(returns: FloatArray) -> FloatArray:
    return np.concatenate(([1.0], growth(returns)))


def _exposures(simulation: Simulation) -> tuple[Exposure, ...]:
    """Of the classes that were ever held, the largest first, then cash."""
    total = (simulation.days["cash"] + simulation.days["positions"]).astype(np.float64)
    alive = total > 0
    values = {
        name: simulation.class_values[:, number]
        for number, name in enumerate(simulation.tape.class_names)
    }
    held = [
        _exposure(name or "unclassified", cents, total, alive)
        for name, cents in values.items()
        if cents.any()
    ]
    held.sort(key=lambda each: -each.mean)
    return (*held, _exposure("cash", simulation.days["cash"], total, alive))


def _exposure(name: str, cents: IntArray, total: FloatArray, alive: BoolArray) -> Exposure:
    weights = np.where(alive, cents / np.where(alive, total, 1.0), 0.0)
    return Exposure(name, float(weights.mean()), float(weights.max()), float(weights[-1]))


def _usd(cents: int) -> Decimal:
    return Decimal(int(cents)).scaleb(-2)
