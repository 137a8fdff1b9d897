"""Small problems to weigh: random ones, and ones with a closed form."""

from collections.abc import Mapping

import numpy as np

from app.quant.optimizers import Limits, Problem
from app.quant.panel import FloatArray

CLASSES = ("bond", "equity", "gold")


def problem(covariance: FloatArray, limits: Limits | None = None, **changes: object) -> Problem:
    """Names of the given covariance with equal composites, nothing held, trading free."""
    size = len(covariance)
    fields: dict[str, object] = {
        "tickers": tuple(f"T{i}" for i in range(size)),
        "composites": np.ones(size),
        "ranks": np.arange(1, size + 1),
        "covariance": covariance,
        "sigma": np.sqrt(np.diag(covariance)),
        "current": np.zeros(size),
        "buy_rates": np.zeros(size),
        "sell_rates": np.zeros(size),
        "groups": ("",) * size,
        "limits": limits or Limits(0.0, 1.0, 0.0),
    }
    return Problem(**(fields | changes))  # type: ignore[arg-type]


def random_problem(
    seed: int, size: int, *, caps: Mapping[str, float] | None = None, limits: Limits | None = None
) -> Problem:
    """A factor model's covariance, random scores, current weights and costs."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(0.1, 0.06, (size, 3))
    covariance = loadings @ loadings.T + np.diag(rng.uniform(0.0004, 0.04, size))
    return problem(
        covariance,
        limits or Limits(0.01, min(2.5 / size, 1.0), 0.02, caps or {}),
        composites=np.sort(rng.uniform(0.3, 0.9, size))[::-1],
        current=np.where(rng.random(size) < 0.6, rng.dirichlet(np.ones(size)), 0.0),
        buy_rates=rng.uniform(0.0, 0.02, size),
        sell_rates=rng.uniform(0.0, 0.02, size),
        groups=tuple(rng.choice(CLASSES, size)),
    )
