"""The scores of a market: universe, four factors, one composite, per session.

Each date is scored from the columns of the panel up to it and from nothing later, so a past date
scored today gives what it would have given then. One code path serves a single date and a sweep
over many: a sweep only shares the preparation of closes and returns.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.quant.errors import InsufficientHistory
from app.quant.factors.cross_section import COMPOSITES, CrossSection
from app.quant.factors.history import Benchmarks, History, Window
from app.quant.factors.settings import FACTORS, FactorWeights, ScoreSettings, ScoreWithin
from app.quant.factors.signals import YEAR
from app.quant.factors.universe import Exclusion, ReasonArray, Traded, reason_of, traded
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
    "score_sessions",
]

FORMULA_VERSION = "1"
"""Stored beside scores; changes whenever the same prices would give other scores."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one session, one entry per ETF of the panel.

    The factors are z-scores; they and `composite` are NaN and `rank` is 0 where an ETF is not
    scored, and `exclusion` then holds the code of the reason (0 = scored, see `reason`). Rank 1 is
    best; equal composites rank in the order of the panel. `incomplete` marks a scored ETF that
    lacks a factor and has the neutral rank in it.

    `annual_volatility` (last 252 returns) and `dollar_volume` (median of 63 sessions, USD) are what
    the universe rules read, NaN for an ETF that failed an earlier rule. `missing_closes` counts the
    sessions without a close among the last 253, which the signals read as the close before.
    """

    session: np.datetime64
    tickers: tuple[str, ...]
    momentum: FloatArray
    quality: FloatArray
    volatility: FloatArray
    value: FloatArray
    composite: FloatArray
    rank: IntArray
    exclusion: ReasonArray
    incomplete: BoolArray
    annual_volatility: FloatArray
    dollar_volume: FloatArray
    missing_closes: IntArray

    @property
    def scored(self) -> BoolArray:
        return self.rank > 0

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
) -> Scores:
    """Score the panel's last session.

    `among` narrows the universe: the cross-section is then over the ETFs it marks. Raises
    InsufficientHistory for a panel without sessions; a panel too short for any score answers with
    a reason for each ETF.
    """
    if len(panel) == 0:
        raise InsufficientHistory("there is no session to score")
    return next(
        score_sessions(
            panel, facts, settings, panel.sessions[-1:], among=among, benchmarks=benchmarks
        )
    )


def score_sessions(
    panel: Panel,
    facts: Facts,
    settings: ScoreSettings | None,
    sessions: Iterable[np.datetime64] | npt.NDArray[np.datetime64],
    *,
    among: BoolArray | None = None,
    benchmarks: Benchmarks | None = None,
) -> Iterator[Scores]:
    """Score many sessions of the panel, in the order given; each equals `score` of that date.

    Raises InsufficientHistory, before any score, for a session that is not in the panel.
    """
    settings = settings or ScoreSettings()
    ends = _columns_after(panel, sessions)
    found = [traded(panel, end, settings.universe) for end in ends]
    if not ends:
        return iter(())
    market = _Market(
        panel, facts, settings, among, benchmarks, _history(panel, found, ends, settings)
    )
    return (market.score(end, passed) for end, passed in zip(ends, found, strict=True))


def _columns_after(
    panel: Panel, sessions: Iterable[np.datetime64] | npt.NDArray[np.datetime64]
) -> list[int]:
    wanted = np.asarray(list(sessions), "datetime64[D]")
    columns = np.searchsorted(panel.sessions, wanted)
    for session, column in zip(wanted, columns, strict=True):
        if column == len(panel) or panel.sessions[column] != session:
            raise InsufficientHistory(f"{session} is not a session of the panel")
    return [int(column) + 1 for column in columns]


def _history(
    panel: Panel, found: list[Traded], ends: list[int], settings: ScoreSettings
) -> History:
    candidates = np.zeros(len(panel.tickers), np.bool_)
    for passed in found:
        candidates |= passed.reasons == 0
    reads = max(factor.window for factor in settings.factors())
    longest = max(reads, settings.universe.volatility_returns + 1)
    begin = max(min(ends) - longest, 0)
    return History.of(panel, np.flatnonzero(candidates), begin=begin, end=max(ends))


@dataclass(frozen=True, slots=True)
class _Market:
    """What the dates of one call share."""

    panel: Panel
    facts: Facts
    settings: ScoreSettings
    among: BoolArray | None
    benchmarks: Benchmarks | None
    history: History

    def score(self, end: int, passed: Traded) -> Scores:
        """Score the session in column `end` - 1, given what passed the rules on traded prices."""
        annual_volatility = np.full(len(passed.reasons), np.nan)
        candidates = self._window(end, passed.reasons == 0)
        count = self.settings.universe.volatility_returns
        annual_volatility[passed.reasons == 0] = YEAR * candidates.moments(count)[1]
        reasons = self._excluded(passed.reasons, annual_volatility)

        inside = reasons == 0
        window, compare = self._window(end, inside), self._comparison(inside)
        z = np.stack([factor.score(window, compare) for factor in self.settings.factors()])
        combine = COMPOSITES[self.settings.composite]
        composite = combine(z, self.settings.weights.normalised(), compare)
        columns = np.full((len(FACTORS) + 1, len(reasons)), np.nan)
        columns[:, inside] = np.vstack([z, composite])
        momentum, quality, volatility, value, _ = columns
        incomplete = np.zeros(len(reasons), np.bool_)
        incomplete[inside] = np.isnan(z).any(axis=0)
        return Scores(
            session=self.panel.sessions[end - 1],
            tickers=self.panel.tickers,
            momentum=momentum,
            quality=quality,
            volatility=volatility,
            value=value,
            composite=columns[-1],
            rank=_ranks(columns[-1], inside),
            exclusion=reasons,
            incomplete=incomplete,
            annual_volatility=annual_volatility,
            dollar_volume=passed.dollar_volume,
            missing_closes=passed.missing,
        )

    def _window(self, end: int, marked: BoolArray) -> Window:
        history = self.history
        return Window(
            history=history,
            rows=np.flatnonzero(marked[history.members]),
            end=end - history.begin,
            expense_ratio=self.facts.expense_ratio[marked],
            benchmarks=self.benchmarks,
        )

    def _excluded(self, traded_reasons: ReasonArray, annual_volatility: FloatArray) -> ReasonArray:
        rules = self.settings.universe
        moderate = (annual_volatility >= rules.min_volatility) & (
            annual_volatility <= rules.max_volatility
        )
        reasons = traded_reasons.copy()
        for failed, reason in (
            (~moderate, Exclusion.VOLATILITY),
            (self.facts.leveraged & (not rules.leveraged), Exclusion.LEVERAGED),
            (self.facts.inverse & (not rules.inverse), Exclusion.INVERSE),
            (np.False_ if self.among is None else ~self.among, Exclusion.NOT_CHOSEN),
        ):
            reasons[(reasons == 0) & failed] = reason.code
        return reasons

    def _comparison(self, inside: BoolArray) -> CrossSection:
        groups = None
        if self.settings.score_within is ScoreWithin.ASSET_CLASS:
            classes = self.facts.asset_class[inside].astype(np.str_)
            groups = np.unique(classes, return_inverse=True)[1]
        return CrossSection(self.settings.clip, groups)


def _ranks(composite: FloatArray, inside: BoolArray) -> IntArray:
    scored = np.flatnonzero(inside)
    ranks = np.zeros(len(composite), np.int64)
    ranks[scored[np.argsort(-composite[scored], kind="stable")]] = np.arange(1, len(scored) + 1)
    return ranks
