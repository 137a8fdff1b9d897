"""Optimizers: one file each, all in one table."""

from collections.abc import Mapping
from types import MappingProxyType

from app.quant.optimizers.minvar import MinimumVariance
from app.quant.optimizers.mvo import MeanVariance
from app.quant.optimizers.problem import Limits, Optimizer, Problem
from app.quant.optimizers.rank_based import RankBased
from app.quant.optimizers.simple import Simple

OPTIMIZERS: Mapping[str, Optimizer] = MappingProxyType(
    {
        "simple": Simple(),
        "rank_based": RankBased(),
        "minvar": MinimumVariance(),
        "mvo": MeanVariance(),
    }
)

__all__ = [
    "OPTIMIZERS",
    "Limits",
    "MeanVariance",
    "MinimumVariance",
    "Optimizer",
    "Problem",
    "RankBased",
    "Simple",
]
