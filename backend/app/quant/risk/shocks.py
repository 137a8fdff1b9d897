"""What a sudden move would cost today's positions.

What moves, an asset class or a factor, loses `DEVIATIONS` of its monthly standard deviations: of
the mean return of the class's unleveraged ETFs over the last 252 sessions, or of the factor's.

`alone`: nothing else moves. The members of the class fall by just that, one for one; a factor costs
exposure times its move. `together`: what usually moves with it does so (Kupiec, "Stress testing in
a value at risk framework", 1998): every position by its beta to the class's mean return, every
other factor j by F_jk / F_kk of the move, F the covariance of the factor returns.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray
from app.quant.risk.factor_risk import FactorModel, has_exposures
from app.quant.risk.tails import FEWEST

DEVIATIONS = 3.0
MONTH = 21


@dataclass(frozen=True, slots=True)
class ClassShock:
    """`move` is that of the class, negative; effects are returns of the portfolio.

    `moves` are those of every position in `together`; missing where one has too few returns.
    """

    asset_class: str
    move: float
    weight: float
    alone: float
    together: Measured
    moves: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class FactorShock:
    factor: str
    move: float
    exposure: float
    alone: float
    together: float


def by_class(
    weights: FloatArray,
    classes: Sequence[str],
    returns: FloatArray,
    indices: dict[str, FloatArray],
) -> tuple[ClassShock, ...]:
    """Of N weights with N x T returns; each class of the market has an index of T returns."""
    labels = np.array(classes, dtype=object)
    found = []
    for name, index in sorted(indices.items()):
        known = index[np.isfinite(index)]
        if len(known) < FEWEST:
            continue
        move = -DEVIATIONS * math.sqrt(MONTH) * float(known.std(ddof=1))
        own = float(weights[labels == name].sum())
        moves = tuple(_times(each, move) for each in _slopes(returns, index))
        found.append(
            ClassShock(
                asset_class=name,
                move=move,
                weight=own,
                alone=own * move if own else 0.0,
                together=_effect(weights, moves),
                moves=moves,
            )
        )
    return tuple(found)


def by_factor(weights: FloatArray, model: FactorModel) -> tuple[FactorShock, ...] | Missing:
    known = has_exposures(model)
    returns = model.returns[np.isfinite(model.returns).all(axis=1)]
    if not known.any():
        return Missing("none of the positions has factor exposures")
    if len(returns) < FEWEST:
        return Missing(f"{len(returns)} sessions with factor returns; {FEWEST} are needed")
    exposure = weights @ np.where(known[:, np.newaxis], model.latest, 0.0)
    covariance = np.atleast_2d(np.cov(returns.T))
    found = []
    for place, name in enumerate(model.names):
        variance = float(covariance[place, place])
        move = -DEVIATIONS * math.sqrt(variance * MONTH)
        follow = covariance[place] / variance if variance else np.zeros(len(exposure))
        found.append(
            FactorShock(
                factor=name,
                move=move,
                exposure=float(exposure[place]),
                alone=float(exposure[place]) * move,
                together=float(exposure @ follow) * move,
            )
        )
    return tuple(found)


def _slopes(returns: FloatArray, index: FloatArray) -> list[Measured]:
    """Of each of N x T returns on T of an index, over the sessions that both have."""
    known = np.isfinite(returns) & np.isfinite(index)
    counts = known.sum(axis=1)
    market = np.where(known, index, 0.0)
    mine = np.where(known, returns, 0.0)
    at_least = np.maximum(counts, 1)
    market = np.where(known, market - (market.sum(axis=1) / at_least)[:, np.newaxis], 0.0)
    variations = np.einsum("ij,ij->i", market, market)
    products = np.einsum("ij,ij->i", market, mine)
    return [
        _slope(count, variation, product)
        for count, variation, product in zip(
            counts.tolist(), variations.tolist(), products.tolist(), strict=True
        )
    ]


def _slope(count: int, variation: float, product: float) -> Measured:
    if count < FEWEST:
        return Missing(f"{count} returns beside the index; {FEWEST} are needed")
    if variation == 0.0:
        return Missing("the index did not move")
    return product / variation


def _times(slope: Measured, move: float) -> Measured:
    return slope if isinstance(slope, Missing) else max(slope * move, -1.0)


def _effect(weights: FloatArray, moves: Sequence[Measured]) -> Measured:
    total = 0.0
    for weight, move in zip(weights.tolist(), moves, strict=True):
        if isinstance(move, Missing):
            return move
        total += weight * move
    return total
