"""The risk that daily returns show by themselves: a portfolio's, a backtest's, anyone's."""

from dataclasses import dataclass, replace

import numpy as np

from app.quant.measured import Missing
from app.quant.panel import FloatArray
from app.quant.risk import volatilities
from app.quant.risk.tails import FEWEST, WINDOW, Tail, tails
from app.quant.risk.volatilities import Estimate, Volatilities


@dataclass(frozen=True, slots=True)
class SeriesRisk:
    """`observations` are the returns that today's figures are from, at most those of the last 252
    sessions; `history` is how many there are in all, which the coverage tests go through."""

    observations: int
    history: int
    volatility: Volatilities
    tails: tuple[Tail, ...] | Missing


def of_series(returns: FloatArray) -> SeriesRisk:
    """Of T daily returns, oldest first; NaN where there was none."""
    known = returns[np.isfinite(returns)]
    recent = returns[-WINDOW:]
    recent = recent[np.isfinite(recent)]
    if len(recent) < FEWEST:
        return missing(
            Missing(f"{len(recent)} returns in the last {WINDOW} sessions; {FEWEST} are needed"),
            observations=len(recent),
            history=len(known),
        )
    return SeriesRisk(
        observations=len(recent),
        history=len(known),
        volatility=volatilities.of_series(recent, before=known[: len(known) - len(recent)]),
        tails=tails(known, len(recent)),
    )


def missing(why: Missing, *, observations: int = 0, history: int = 0) -> SeriesRisk:
    nothing = Estimate.missing(why)
    return SeriesRisk(observations, history, Volatilities(nothing, nothing, nothing, why), why)


def of_weights(weights: FloatArray, returns: FloatArray) -> SeriesRisk:
    """Of N weights held through N x T returns, as they are today on every day.

    A session on which any of them has no return is none of the series.
    """
    if not weights.any():
        return missing(Missing("nothing is held"))
    found = of_series(weights @ returns)
    recent = returns[:, -WINDOW:]
    observed = recent[:, np.isfinite(recent).all(axis=0)]
    if isinstance(found.tails, Missing):
        return found
    estimate, shrinkage = volatilities.shrunk(weights, observed)
    return replace(
        found,
        volatility=replace(found.volatility, shrunk=estimate, shrinkage=shrinkage),
    )
