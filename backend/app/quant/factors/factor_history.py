"""The factors of a market on many sessions in one sweep: universe first, then z-scores.

Each session is scored from the columns of the panel up to it and from nothing later, so a past date
scored today gives what it would have given then. A single session is a sweep of one.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.quant.errors import InsufficientHistory
from app.quant.factors.cross_section import NEUTRAL_RANK, CrossSection
from app.quant.factors.history import History, Known, Window
from app.quant.factors.registry import REGISTRY
from app.quant.factors.settings import ScoreSettings, ScoreWithin
from app.quant.factors.signals import YEAR, Factor
from app.quant.factors.universe import Exclusion, ReasonArray
from app.quant.panel import BoolArray, DateArray, FloatArray, IntArray, Panel

AT_A_TIME = 256
"""Sessions swept together: their working arrays stay in the processor's cache."""

Sessions: TypeAlias = npt.NDArray[np.datetime64] | Collection[np.datetime64]


@dataclass(frozen=True)
class FactorHistory:
    """z-scores of T sessions, from which any weighting of the factors is a matter of milliseconds.

    `exclusion` [T, N] holds the code of the reason why an ETF of the panel has no score, 0 where it
    has one. `members` (M rows of the panel, ascending) holds at least all that ever have a score;
    `inside` [T, M] marks on which sessions. `z` [F, T, M] has one plane per entry of `names`, NaN
    where a factor is unknown. `compare` says who was compared with whom.
    """

    tickers: tuple[str, ...]
    sessions: DateArray
    names: tuple[str, ...]
    members: IntArray
    inside: BoolArray
    exclusion: ReasonArray
    z: FloatArray
    compare: CrossSection

    @cached_property
    def log_ranks(self) -> FloatArray:
        """Logarithms of the percentile ranks of `z`, that of a neutral rank where it is unknown.

        Made when first asked for, and kept: as large as `z`.
        """
        found = np.full(self.z.shape, np.log(NEUTRAL_RANK))
        for z, ranks in zip(self.z, found, strict=True):
            self.compare.log_ranks(z, ranks)
        return found

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each factor that is unknown for every scored ETF."""
        if not self.inside.any():
            return ()
        return tuple(
            f"{name} is unknown for every ETF: {REGISTRY[name].without}"
            for name, z in zip(self.names, self.z, strict=True)
            if np.isnan(z).all()
        )

    def factor(self, name: str) -> FloatArray:
        """The z-scores of one factor for all ETFs of the panel [T, N], NaN where not scored.

        Raises ValueError for a factor that was not computed.
        """
        found = np.full(self.exclusion.shape, np.nan)
        found[:, self.members] = self.z[self.at([name])[0]]
        return found

    def at(self, names: Collection[str]) -> IntArray:
        """Which planes of `z` the factors are; ValueError for one that was not computed."""
        if missing := set(names) - set(self.names):
            raise ValueError(f"swept without {', '.join(sorted(missing))}: name it in `factors`")
        return np.array([self.names.index(name) for name in names], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Details:
    """What the universe rules read, [T, N]: volatility of the last 252 returns, NaN for an ETF that
    failed an earlier rule, and how many closes are missing among the last 253."""

    annual_volatility: FloatArray
    missing_closes: IntArray


@dataclass(frozen=True, slots=True)
class Sweep:
    """Sessions of a market that are to be scored, and the rules. `ends`: columns, ascending.

    `others` are factors that are computed though their weight is 0.
    """

    known: Known
    settings: ScoreSettings
    ends: IntArray
    among: BoolArray | None = None
    others: Collection[str] = ()

    def run(self, details: Details | None = None) -> FactorHistory:
        """Score, and fill the arrays of `details` on the way."""
        panel, settings = self.known.panel, self.settings
        factors = settings.factors(self.others)
        static = settings.universe.static(self.known.facts, self.among)
        exclusion = self._traded(details)
        members = np.flatnonzero((exclusion == 0).any(axis=0) & (static == 0))
        groups = self._groups()
        z = np.full((len(factors), len(self.ends), len(members)), np.nan)
        for part in self._parts():
            window = self._window(part, exclusion[part], factors)
            if window is None:
                continue
            rows = window.history.members
            volatility = YEAR * window.moments(settings.universe.volatility_returns)[1]
            if details is not None:
                details.annual_volatility[part, rows] = volatility
            codes = _excluded(settings, volatility, static[rows])
            exclusion[part, rows] = np.where(window.inside, codes, exclusion[part, rows])
            scored = window.of(window.inside & (codes == 0))
            compare = CrossSection(settings.clip, _at(groups, rows), scored.inside)
            known = np.isin(rows, members, assume_unique=True)
            columns = np.searchsorted(members, rows[known])
            for plane, factor in zip(z, factors.values(), strict=True):
                scores = factor.score(scored.reading(factor.window), compare)
                plane[part, columns] = scores[:, known]
        inside = exclusion[:, members] == 0
        return FactorHistory(
            tickers=panel.tickers,
            sessions=panel.sessions[self.ends - 1],
            names=tuple(factors),
            members=members,
            inside=inside,
            exclusion=exclusion,
            z=z,
            compare=CrossSection(settings.clip, _at(groups, members), inside),
        )

    def _parts(self) -> Iterator[slice]:
        for begin in range(0, len(self.ends), AT_A_TIME):
            yield slice(begin, min(begin + AT_A_TIME, len(self.ends)))

    def _traded(self, details: Details | None) -> ReasonArray:
        """The codes of the rules on closes and volumes."""
        panel, rules = self.known.panel, self.settings.universe
        codes = np.empty((len(self.ends), len(panel.tickers)), np.int8)
        for part in self._parts():
            codes[part], missing = rules.traded(panel, self.ends[part])
            if details is not None:
                details.missing_closes[part] = missing
        return codes

    def _window(self, part: slice, codes: ReasonArray, factors: dict[str, Factor]) -> Window | None:
        """What is known of the ETFs that pass the rules on closes and volumes, None without any."""
        passed = codes == 0
        rows = np.flatnonzero(passed.any(axis=0))
        if not len(rows):
            return None
        longest = self.settings.universe.volatility_returns + 1
        reads = max(longest, *(factor.window for factor in factors.values()))
        ends = self.ends[part]
        begin = max(int(ends[0]) - reads, 0)
        history = History.of(self.known.panel, rows, begin=begin, end=int(ends[-1]))
        inside = np.ascontiguousarray(passed[:, rows])
        return Window(self.known, history, ends - begin, inside, reads)

    def _groups(self) -> IntArray | None:
        if self.settings.score_within is ScoreWithin.MARKET:
            return None
        classes = self.known.facts.asset_class.astype(np.str_)
        return np.unique(classes, return_inverse=True)[1]


def _excluded(
    settings: ScoreSettings, annual_volatility: FloatArray, static: ReasonArray
) -> ReasonArray:
    """The codes of the rules that come after those on closes and volumes."""
    codes: ReasonArray = np.where(
        settings.universe.moderate(annual_volatility), static, Exclusion.VOLATILITY.code
    ).astype(np.int8)
    return codes


def _at(groups: IntArray | None, rows: IntArray) -> IntArray | None:
    return None if groups is None else groups[rows]


def columns_after(panel: Panel, sessions: Sessions | None) -> IntArray:
    """The column after each session; all sessions where None.

    Raises InsufficientHistory for a day that is not a session of the panel and ValueError for
    sessions that do not ascend.
    """
    if sessions is None:
        return np.arange(1, len(panel) + 1)
    wanted = np.asarray(sessions, "datetime64[D]")
    columns = np.searchsorted(panel.sessions, wanted)
    found = np.append(panel.sessions, np.datetime64("NaT"))[columns]
    if (strange := wanted[found != wanted]).size:
        raise InsufficientHistory(f"{strange[0]} is not a session of the panel")
    if (np.diff(columns) <= 0).any():
        raise ValueError("sessions must ascend")
    return columns.astype(np.int64) + 1
