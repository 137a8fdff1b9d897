"""From today's scores to target weights, with a reason for each name: selection, risk, weights.

The one call that services and the backtest make. It sees the panel up to its end and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict

import numpy as np

from app.quant.costs import CostModel, Trades
from app.quant.covariance import Risk, estimate
from app.quant.liquidity import measure
from app.quant.optimizers import Limits, MeanVariance, Optimizer, Problem
from app.quant.optimizers.problem import TOLERANCE
from app.quant.panel import FloatArray, IntArray, Panel
from app.quant.selection import Circumstances, Selection, SelectionRules, select


@dataclass(frozen=True, slots=True)
class ConstructionSettings:
    """How a portfolio is built. `lookback` counts the returns behind the covariance; a name
    without so many is passed over, with that reason."""

    optimizer: Optimizer = field(default_factory=MeanVariance)
    selection: SelectionRules = field(default_factory=SelectionRules)
    limits: Limits = field(default_factory=Limits)
    costs: CostModel = field(default_factory=CostModel)
    lookback: int = 252


@dataclass(frozen=True, slots=True)
class Invested:
    """What is held now: weights by ticker (fractions of `value`), and the value in money."""

    value: float
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetWeight:
    ticker: str
    weight: float
    rank: int
    composite: float
    reason: str


@dataclass(frozen=True, slots=True)
class Target:
    """What to hold, best first. `cash` is what stays uninvested, `shrinkage` the share of the
    target in the covariance."""

    positions: tuple[TargetWeight, ...]
    cash: float
    selection: Selection
    shrinkage: float

    @property
    def weights(self) -> dict[str, float]:
        return {position.ticker: position.weight for position in self.positions}


@dataclass(frozen=True, slots=True)
class Picked:
    """Names that are chosen, best first: aligned arrays. `current` are the weights held now,
    `complete` says that as many were found as asked for."""

    rows: IntArray
    composites: FloatArray
    current: FloatArray
    groups: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Weighed:
    weights: FloatArray
    shrinkage: float


class CostRates(TypedDict):
    buy_rates: FloatArray
    sell_rates: FloatArray


def construct(
    panel: Panel,
    composites: FloatArray,
    settings: ConstructionSettings,
    invested: Invested,
    *,
    groups: Sequence[str] = (),
    barred: Mapping[str, str] | None = None,
    excluded: frozenset[str] = frozenset(),
) -> Target:
    """Target weights at the panel's end.

    `composites` and `groups` (the classes that caps name; empty: none) have one entry per row of
    the panel; a composite of NaN is no score, or a name outside the portfolio's universe. `barred`
    gives the reason for each barred ticker.

    Raises Infeasible, SolveFailed, InsufficientHistory (a panel shorter than the look-backs).
    """
    rules = settings.selection
    rules = replace(rules, history=max(rules.history, settings.lookback))
    held = frozenset(ticker for ticker, weight in invested.weights.items() if weight > 0.0)
    circumstances = Circumstances(held, barred or {}, excluded)
    selection = select(panel, composites, rules, circumstances)
    current = [invested.weights.get(pick.ticker, 0.0) for pick in selection.picks]
    weighed = weigh(
        panel,
        Picked(
            selection.rows,
            np.array([pick.composite for pick in selection.picks]),
            np.array(current),
            tuple(groups[row] if groups else "" for row in selection.rows),
            complete=selection.shortfall is None,
        ),
        settings,
        invested.value,
    )
    return Target(
        _positions(selection, weighed.weights, settings.limits),
        settings.limits.cash_buffer,
        selection,
        weighed.shrinkage,
    )


def weigh(panel: Panel, picked: Picked, settings: ConstructionSettings, value: float) -> Weighed:
    """The optimizer's weights of names that are chosen, at the panel's end, for a portfolio worth
    `value`. Raises what `construct` raises."""
    count = len(picked.rows)
    risk = _risk(panel, picked.rows, settings)
    problem = Problem(
        tickers=tuple(map(panel.tickers.__getitem__, picked.rows.tolist())),
        composites=picked.composites,
        ranks=np.arange(1, count + 1),
        covariance=risk.covariance,
        sigma=risk.sigma,
        current=picked.current,
        groups=picked.groups,
        limits=settings.limits,
        complete=picked.complete,
        **_cost_rates(panel, picked.rows, settings, value),
    )
    return Weighed(settings.optimizer.solve(problem), risk.shrinkage)


def _positions(
    selection: Selection, weights: FloatArray, limits: Limits
) -> tuple[TargetWeight, ...]:
    return tuple(
        TargetWeight(
            pick.ticker,
            weight,
            pick.rank,
            pick.composite,
            pick.reason + _bound(weight, limits),
        )
        for pick, weight in zip(selection.picks, weights.tolist(), strict=True)
    )


def _risk(panel: Panel, rows: IntArray, settings: ConstructionSettings) -> Risk:
    if not len(rows):
        return Risk(np.zeros((0, 0)), np.zeros(0), 0.0)
    return estimate(panel, rows, settings.lookback)


def _cost_rates(
    panel: Panel, rows: IntArray, settings: ConstructionSettings, value: float
) -> CostRates:
    """Expected cost per unit of weight bought and sold.

    Impact grows with the order; a quadratic program weighs a constant rate, taken at an order of
    the average target weight: a little too dear for the many smaller orders of a rebalance, right
    for a name that enters or leaves. What is fixed per order cannot be weighed and is left out.
    """
    volatility, daily_value = measure(panel, rows)
    typical = np.full(len(rows), value * settings.limits.invested / max(len(rows), 1))
    trades = Trades(typical, volatility, daily_value, panel.close[rows, -1])
    buy_rates, sell_rates = settings.costs.proportional(trades)
    return {"buy_rates": buy_rates, "sell_rates": sell_rates}


def _bound(weight: float, limits: Limits) -> str:
    if weight <= limits.min_weight + TOLERANCE:
        return ", at the least weight"
    return ", at the most weight" if weight >= limits.max_weight - TOLERANCE else ""
