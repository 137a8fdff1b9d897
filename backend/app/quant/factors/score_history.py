"""Composites, ranks and the order of the scored ETFs on many sessions.

    history = score_history(panel, facts)              # every session of the panel
    mixed = recombine(history, FactorWeights(momentum=1, quality=1), Composite.MIX)

One sweep over prices gives the z-scores; other weights and the other rule of combination are then
worked out from those.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from app.quant.factors.cross_section import Composite
from app.quant.factors.distributions import Distributions
from app.quant.factors.factor_history import (
    FactorHistory,
    RowArray,
    Sessions,
    Sweep,
    columns_after,
)
from app.quant.factors.history import Benchmarks, Known, kernels
from app.quant.factors.settings import FactorWeights, ScoreSettings
from app.quant.factors.universe import ReasonArray
from app.quant.panel import BoolArray, DateArray, Facts, FloatArray, Panel


@dataclass(frozen=True, slots=True)
class ScoreHistory:
    """The scores of T sessions for the N ETFs of a panel.

    `composite` [T, N] is NaN and `rank` [T, N] is 0 where an ETF is not scored; rank 1 is best and
    equal composites rank by ticker, as in `selection.by_composite`. `order` [T, K] holds the rows
    of the panel that are scored, best first, then -1; K is the largest number of scored ETFs.
    `incomplete` [T, N] marks a scored ETF that lacks a factor of weight above 0.
    """

    factors: FactorHistory
    composite: FloatArray
    rank: RowArray
    order: RowArray
    incomplete: BoolArray

    @property
    def tickers(self) -> tuple[str, ...]:
        return self.factors.tickers

    @property
    def sessions(self) -> DateArray:
        return self.factors.sessions

    @property
    def exclusion(self) -> ReasonArray:
        """[T, N]: the code of the reason why an ETF has no score, 0 where it has one."""
        return self.factors.exclusion


def score_history(
    panel: Panel,
    facts: Facts,
    settings: ScoreSettings | None = None,
    sessions: Sessions | None = None,
    *,
    among: BoolArray | None = None,
    benchmarks: Benchmarks | None = None,
    distributions: Distributions | None = None,
    factors: Collection[str] = (),
) -> ScoreHistory:
    """Score sessions of the panel, ascending; all of them where `sessions` is None.

    `among` narrows the universe: the cross-section is then over the ETFs it marks. `factors` names
    some whose weight is 0, so that `recombine` can weigh them later. Raises InsufficientHistory for
    a day that is not a session of the panel and ValueError for sessions that do not ascend.
    """
    settings = settings or ScoreSettings()
    known = Known(panel, facts, benchmarks, distributions)
    sweep = Sweep(known, settings, columns_after(panel, sessions), among, factors)
    return combine(sweep.run(), settings.weights, settings.composite)


def recombine(history: ScoreHistory, weights: FactorWeights, composite: Composite) -> ScoreHistory:
    """The same sessions for other weights and another rule, equal to scoring them anew.

    Raises ValueError for a factor that was not computed.
    """
    return combine(history.factors, weights, composite)


def combine(factors: FactorHistory, weights: FactorWeights, composite: Composite) -> ScoreHistory:
    weighing = factors.at(weights.counted), weights.normalised()
    if composite is Composite.INTEGRATE:
        values = kernels().integrated(factors.log_ranks, *weighing)
    else:
        values = kernels().mixed(factors.z, *weighing)
    lacking = np.isnan(factors.z[weighing[0]]).any(axis=0)
    shape = factors.exclusion.shape
    most = int(np.diff(factors.starts).max(initial=0))
    found = np.full(shape, np.nan)
    rank, incomplete = np.zeros(shape, np.int32), np.zeros(shape, np.bool_)
    order = np.full((shape[0], most), -1, np.int32)
    kernels().placed(
        values, lacking, factors.starts, factors.rows, (found, rank, order, incomplete)
    )
    return ScoreHistory(factors, found, rank, order, incomplete)
