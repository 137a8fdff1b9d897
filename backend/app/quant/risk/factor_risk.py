"""How much of a portfolio's risk is its factors', and how much is its own.

A day's return of an ETF is its exposures of the close before (1 to the market, its factor scores)
times the day's factor returns, and a residual: a fundamental factor model (Rosenberg, "Extra-market
components of covariance in security returns", 1974). With today's exposures x and weights w the
portfolio's model return of a day is x'f + w'e, and its variance

    x'Fx + w'Dw + 2 x'C,

F the covariance of the factor returns, D that of the residuals of what is held, C that of the
factor returns with w'e. D is whole, not diagonal: funds of one index have the same residual. C is
not taken for zero: every ETF has the same exposure to the market, so the residual of a bond fund
moves against it. Components are covariances with the whole over its deviation (Euler), so those of
the factors and the specific one add up to the volatility of the model.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.quant.measured import Measured, Missing, ratio
from app.quant.panel import SESSIONS_PER_YEAR, BoolArray, FloatArray

FEWEST = 63


@dataclass(frozen=True, slots=True)
class FactorModel:
    """Factor returns of T sessions (T x K) and, for each of them, the exposures of N positions
    that were known at the close before (T x N x K), NaN where one has none.

    `latest` (N x K) are the exposures known now. The first factor is the market, with exposure 1.
    """

    names: tuple[str, ...]
    returns: FloatArray
    exposures: FloatArray
    latest: FloatArray


@dataclass(frozen=True, slots=True)
class FactorPart:
    """`component` is the part of the model's volatility; `share` = component / volatility."""

    factor: str
    exposure: float
    volatility: float
    component: float
    share: Measured


@dataclass(frozen=True, slots=True)
class FactorRisk:
    """Yearly volatilities; the factors' components and `specific_component` add up to `total`.

    total^2 = systematic^2 + specific^2 + 2 correlation systematic specific. `systematic_share` is
    that of the factors' components in the total: above 1 where the specific part takes risk away.
    `covered` is the part of the invested weight that has exposures; what has none is all specific.
    """

    sessions: int
    total: float
    systematic: float
    specific: float
    correlation: Measured
    specific_component: float
    systematic_share: Measured
    covered: float
    factors: tuple[FactorPart, ...]


def factor_risk(
    weights: FloatArray, returns: FloatArray, model: FactorModel
) -> FactorRisk | Missing:
    """Of N weights with N x T returns over the sessions of the model."""
    if not weights.any():
        return Missing("nothing is held")
    known = has_exposures(model)
    if not (known & (weights != 0.0)).any():
        return Missing("none of the positions has factor exposures")
    residuals = _residuals(returns, model)
    common = np.isfinite(residuals).all(axis=0) & np.isfinite(model.returns).all(axis=1)
    sessions = int(np.count_nonzero(common))
    if sessions < FEWEST:
        return Missing(
            f"{sessions} sessions with factor returns and a return of every position; "
            f"{FEWEST} are needed"
        )
    exposure = weights @ np.where(known[:, np.newaxis], model.latest, 0.0)
    own = weights @ residuals[:, common]
    covered = float(weights[known].sum() / weights.sum())
    return _split(model.names, exposure, (model.returns[common], own), covered)


def _split(
    names: tuple[str, ...],
    exposure: FloatArray,
    made: tuple[FloatArray, FloatArray],
    covered: float,
) -> FactorRisk:
    """Of T x K factor returns and the T specific returns of the portfolio."""
    factors, own = made
    parts = np.column_stack((factors * exposure, own))
    covariance = np.cov(parts.T) * SESSIONS_PER_YEAR
    total = math.sqrt(max(float(covariance.sum()), 0.0))
    components = covariance.sum(axis=1) / total if total else np.zeros(len(exposure) + 1)
    systematic = math.sqrt(max(float(covariance[:-1, :-1].sum()), 0.0))
    specific = math.sqrt(float(covariance[-1, -1]))
    nothing = "the portfolio's value did not vary"
    deviations = factors.std(axis=0, ddof=1) * math.sqrt(SESSIONS_PER_YEAR)
    return FactorRisk(
        sessions=len(own),
        total=total,
        systematic=systematic,
        specific=specific,
        correlation=ratio(
            float(covariance[:-1, -1].sum()), systematic * specific, "one of the two is nothing"
        ),
        specific_component=float(components[-1]),
        systematic_share=ratio(float(components[:-1].sum()), total, nothing),
        covered=covered,
        factors=tuple(
            FactorPart(
                factor=name,
                exposure=float(x),
                volatility=float(deviation),
                component=float(component),
                share=ratio(float(component), total, nothing),
            )
            for name, x, deviation, component in zip(
                names, exposure, deviations, components[:-1], strict=True
            )
        ),
    )


def has_exposures(model: FactorModel) -> BoolArray:
    """Which of the N positions have all exposures now."""
    known: BoolArray = np.all(np.isfinite(model.latest), axis=1)
    return known


def _residuals(returns: FloatArray, model: FactorModel) -> FloatArray:
    """What the factors do not explain, N x T: all of it where an ETF had no exposures."""
    explained = np.einsum("tnk,tk->nt", model.exposures, model.returns)
    unexposed = np.isnan(model.exposures).any(axis=2).T
    return np.where(unexposed, returns, returns - explained)
