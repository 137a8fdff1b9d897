"""The scores of a market at the close of one session: a sweep of one, and what its rules read."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.quant.errors import InsufficientHistory
from app.quant.factors.distributions import Distributions
from app.quant.factors.factor_history import Details, Sweep
from app.quant.factors.history import Benchmarks, Known
from app.quant.factors.score_history import combine
from app.quant.factors.settings import FACTORS, FactorWeights, ScoreSettings, ScoreWithin
from app.quant.factors.universe import Exclusion, ReasonArray, reason_of
from app.quant.panel import BoolArray, Facts, FloatArray, IntArray, Panel

__all__ = [
    "FACTORS",
    "FORMULA_VERSION",
    "Benchmarks",
    "Exclusion",
    "FactorWeights",
    "ScoreSettings",
    "ScoreWithin",
    "Scores",
    "score",
]

FORMULA_VERSION = "1"
"""Stored beside scores; changes whenever the same prices would give other scores."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one session, one entry per ETF of the panel.

    `z` has one row per entry of `factors`, those of weight above 0. They and `composite` are NaN
    and `rank` is 0 where an ETF is not scored, and `exclusion` then holds the code of the reason
    (0 = scored, see `reason`). Rank 1 is best; equal composites rank by ticker. `incomplete` marks
    a scored ETF that lacks a factor and has the neutral rank in it; `notes` says which factors are
    unknown for all.

    `annual_volatility` (last 252 returns) and `dollar_volume` (median of 63 sessions, USD) are what
    the universe rules read, NaN for an ETF that failed an earlier rule. `missing_closes` counts the
    sessions without a close among the last 253, which the signals read as the close before.
    """

    session: np.datetime64
    tickers: tuple[str, ...]
    factors: tuple[str, ...]
    z: FloatArray
    composite: FloatArray
    rank: IntArray
    exclusion: ReasonArray
    incomplete: BoolArray
    notes: tuple[str, ...]
    annual_volatility: FloatArray
    dollar_volume: FloatArray
    missing_closes: IntArray

    @property
    def scored(self) -> BoolArray:
        return self.rank > 0

    @property
    def momentum(self) -> FloatArray:
        return self.factor("momentum")

    @property
    def quality(self) -> FloatArray:
        return self.factor("quality")

    @property
    def volatility(self) -> FloatArray:
        return self.factor("volatility")

    @property
    def value(self) -> FloatArray:
        return self.factor("value")

    def factor(self, name: str) -> FloatArray:
        """The z-scores of one factor; all NaN for one of weight 0."""
        if name not in self.factors:
            return np.full(len(self.tickers), np.nan)
        z: FloatArray = self.z[self.factors.index(name)]
        return z

    def best(self, count: int | None = None) -> IntArray:
        """The rows of the scored ETFs, best first, at most `count`."""
        order = np.argsort(self.rank, kind="stable")
        return order[self.rank[order] > 0][:count]

    def reason(self, row: int | np.integer[Any]) -> Exclusion | None:
        """Why the ETF has no score, None where it has one."""
        return reason_of(int(self.exclusion[row]))


def score(
    panel: Panel,
    facts: Facts,
    settings: ScoreSettings | None = None,
    *,
    among: BoolArray | None = None,
    benchmarks: Benchmarks | None = None,
    distributions: Distributions | None = None,
) -> Scores:
    """Score the panel's last session.

    `among` narrows the universe: the cross-section is then over the ETFs it marks. Raises
    InsufficientHistory for a panel without sessions; a panel too short for any score answers with
    a reason for each ETF.
    """
    if len(panel) == 0:
        raise InsufficientHistory("there is no session to score")
    settings = settings or ScoreSettings()
    etfs = len(panel.tickers)
    details = Details(np.full(etfs, np.nan), np.zeros(etfs, np.int64))
    known = Known(panel, facts, benchmarks, distributions)
    swept = Sweep(known, settings, np.array([len(panel)]), among).run(details)
    scores = combine(swept, settings.weights, settings.composite)
    return Scores(
        session=panel.sessions[-1],
        tickers=panel.tickers,
        factors=swept.names,
        z=np.stack([swept.factor(name)[0] for name in swept.names]),
        composite=scores.composite[0],
        rank=scores.rank[0].astype(np.int64),
        exclusion=swept.exclusion[0],
        incomplete=scores.incomplete[0],
        notes=swept.notes,
        annual_volatility=details.annual_volatility,
        dollar_volume=_dollar_volume(panel, settings, swept.exclusion[0]),
        missing_closes=details.missing_closes,
    )


def _dollar_volume(panel: Panel, settings: ScoreSettings, exclusion: ReasonArray) -> FloatArray:
    """NaN for an ETF that failed a rule on its closes."""
    asked = (exclusion == 0) | (exclusion >= Exclusion.LOW_DOLLAR_VOLUME.code)
    found = np.full(len(exclusion), np.nan)
    found[asked] = settings.universe.dollar_volume(panel, np.flatnonzero(asked))
    return found
