"""How many bets a portfolio is.

By weight: the Herfindahl-Hirschman index and its inverse. By risk: Meucci, "Managing
diversification" (2009): the variance split among uncorrelated principal portfolios, p_k = (e_k'w)^2
lambda_k / w'Sw of the eigenvectors e_k and eigenvalues lambda_k of the sample covariance S, and the
exponential of its entropy, exp(-sum p_k ln p_k): 1 where one of them bears it all, N at most.
"""

from dataclasses import dataclass, replace

import numpy as np

from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray


@dataclass(frozen=True, slots=True)
class Concentration:
    """`hhi` of the invested part and the equal positions it is worth; `effective_bets` by risk."""

    hhi: Measured
    effective_number: Measured
    effective_bets: Measured


def concentration_of(weights: FloatArray) -> Concentration:
    """Of the invested part alone: twenty equal positions count as twenty however much is cash."""
    invested = float(weights.sum())
    if invested <= 0.0:
        nothing = Missing("nothing is held")
        return Concentration(nothing, nothing, nothing)
    hhi = float(weights @ weights) / invested**2
    unknown = Missing("too few sessions on which every position has a return")
    return Concentration(hhi, 1.0 / hhi, unknown)


def with_bets(found: Concentration, weights: FloatArray, returns: FloatArray) -> Concentration:
    """The same with the effective number of bets, from N x T returns."""
    return replace(found, effective_bets=effective_bets(weights, np.atleast_2d(np.cov(returns))))


def effective_bets(weights: FloatArray, covariance: FloatArray) -> Measured:
    values, vectors = np.linalg.eigh(covariance)
    variances = (vectors.T @ weights) ** 2 * np.maximum(values, 0.0)
    total = float(variances.sum())
    if total <= 0.0:
        return Missing("the portfolio's value did not vary")
    shares = variances[variances > 0.0] / total
    return float(np.exp(-(shares @ np.log(shares))))
