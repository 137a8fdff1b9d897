"""How much of a portfolio's risk is its factors', and how much is its own.

A day's return of an ETF is its exposures of the close before (1 to the market, its factor scores)
times the day's factor returns, and a residual. With today's exposures x and weights w the variance
is x'Fx, F the covariance of the factor returns, plus w'Dw, D the covariance of the residuals of
what is held (Rosenberg, "Extra-market components of covariance in security returns", 1974). D is
whole, not diagonal: funds of the same index have the same residual. Factors and residuals
are taken as uncorrelated, so the sum is not the sample variance.
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
    """Yearly volatilities of the model; the factors' components and `specific_component` add up to
    `total`. Squares add up too: total^2 = systematic^2 + specific^2.

    `covered` is the part of the invested weight that has exposures; what has none is all specific.
    """

    sessions: int
    total: float
    systematic: float
    specific: float
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
    latest = np.where(known[:, np.newaxis], model.latest, 0.0)
    residuals = _residuals(returns, model)
    common = np.isfinite(residuals).all(axis=0) & np.isfinite(model.returns).all(axis=1)
    sessions = int(np.count_nonzero(common))
    if sessions < FEWEST:
        return Missing(
            f"{sessions} sessions with factor returns and a return of every position; "
            f"{FEWEST} are needed"
        )
    exposure = weights @ latest
    factors = np.atleast_2d(np.cov(model.returns[common].T)) * SESSIONS_PER_YEAR
    own = weights @ residuals[:, common]
    systematic = float(exposure @ factors @ exposure)
    specific = float(own.var(ddof=1)) * SESSIONS_PER_YEAR
    total = math.sqrt(systematic + specific)
    nothing = "the portfolio's value did not vary"
    components = exposure * (factors @ exposure) / total if total else np.zeros(len(exposure))
    return FactorRisk(
        sessions=sessions,
        total=total,
        systematic=math.sqrt(max(systematic, 0.0)),
        specific=math.sqrt(specific),
        specific_component=specific / total if total else 0.0,
        systematic_share=ratio(systematic, total * total, nothing),
        covered=float(weights[known].sum() / weights.sum()),
        factors=tuple(
            FactorPart(
                factor=name,
                exposure=float(x),
                volatility=math.sqrt(float(variance)),
                component=float(component),
                share=ratio(float(component), total, nothing),
            )
            for name, x, variance, component in zip(
                model.names, exposure, np.diag(factors), components, strict=True
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
