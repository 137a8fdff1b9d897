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
from app.quant.factors.history import History, Known, Window, kernels
from app.quant.factors.registry import REGISTRY
from app.quant.factors.settings import ScoreSettings, ScoreWithin
from app.quant.factors.signals import YEAR, Factor
from app.quant.factors.universe import Exclusion, ReasonArray
from app.quant.panel import BoolArray, DateArray, FloatArray, IntArray, Panel

AT_A_TIME = 256
"""Sessions swept together: their working arrays stay in the processor's cache."""

RowArray: TypeAlias = npt.NDArray[np.int32]
Sessions: TypeAlias = npt.NDArray[np.datetime64] | Collection[np.datetime64]


@dataclass(frozen=True)
class FactorHistory:
    """z-scores of T sessions, from which any weighting of the factors is a matter of milliseconds.

    `exclusion` [T, N] holds the code of the reason why an ETF of the panel has no score, 0 where it
    has one. Only the scored are kept: those of session t are the entries starts[t] .. starts[t + 1]
    - 1 of `rows` (rows of the panel, by ticker), and of each line of `z`, one per entry of `names`,
    NaN where a factor is unknown. `groups` numbers whom each ETF of the panel is compared with.
    """

    tickers: tuple[str, ...]
    sessions: DateArray
    names: tuple[str, ...]
    exclusion: ReasonArray
    starts: IntArray
    rows: RowArray
    z: FloatArray
    groups: IntArray

    @cached_property
    def log_ranks(self) -> FloatArray:
        """Logarithms of the percentile ranks of `z`, that of a neutral rank where it is unknown.

        Made when first asked for, and kept: as large as `z`.
        """
        groups = self.groups[self.rows]
        ranks: FloatArray = kernels().log_ranks(self.z, self.starts, groups, NEUTRAL_RANK)
        return ranks

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each factor that is unknown for every scored ETF."""
        if not len(self.rows):
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
        session = np.repeat(np.arange(len(self.sessions)), np.diff(self.starts))
        found[session, self.rows] = self.z[self.at([name])[0]]
        return found

    def at(self, names: Collection[str]) -> IntArray:
        """Which lines of `z` the factors are; ValueError for one that was not computed."""
        if missing := set(names) - set(self.names):
            raise ValueError(f"swept without {', '.join(sorted(missing))}: name it in `factors`")
        return np.array([self.names.index(name) for name in names], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Details:
    """What the universe rules read at the last session [N]: volatility of the last 252 returns, NaN
    for an ETF that failed an earlier rule, and closes missing among the last 253."""

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
        panel, rules = self.known.panel, self.settings.universe
        factors = self.settings.factors(self.others)
        groups, by_ticker = self._groups(), np.argsort(np.array(panel.tickers, dtype=np.str_))
        exclusion = np.empty((len(self.ends), len(panel.tickers)), np.int8)
        rows, z = [np.empty(0, np.int32)], [np.empty((len(factors), 0))]
        for part in self._parts():
            exclusion[part], missing = rules.traded(panel, self.ends[part])
            if details is not None:
                details.missing_closes[:] = missing
            passed = by_ticker[(exclusion[part] == 0).any(axis=0)[by_ticker]]
            if not len(passed):
                continue
            window = self._window(part, exclusion[part][:, passed] == 0, passed, factors)
            scored = self._scored(part, window, exclusion, details)
            compare = CrossSection(self.settings.clip, groups[passed], scored.inside)
            rows.append(passed[np.nonzero(scored.inside)[1]].astype(np.int32))
            z.append(
                np.stack(
                    [
                        factor.score(scored.reading(factor.window), compare)[scored.inside]
                        for factor in factors.values()
                    ]
                )
            )
        counts = np.count_nonzero(exclusion == 0, axis=1)
        return FactorHistory(
            tickers=panel.tickers,
            sessions=panel.sessions[self.ends - 1],
            names=tuple(factors),
            exclusion=exclusion,
            starts=np.append(0, np.cumsum(counts)),
            rows=np.concatenate(rows),
            z=np.concatenate(z, axis=1),
            groups=groups,
        )

    def _parts(self) -> Iterator[slice]:
        for begin in range(0, len(self.ends), AT_A_TIME):
            yield slice(begin, min(begin + AT_A_TIME, len(self.ends)))

    def _window(
        self, part: slice, inside: BoolArray, rows: IntArray, factors: dict[str, Factor]
    ) -> Window:
        """What is known of the ETFs that pass the rules on closes and volumes."""
        longest = self.settings.universe.volatility_returns + 1
        reads = max(longest, *(factor.window for factor in factors.values()))
        ends = self.ends[part]
        begin = max(int(ends[0]) - reads, 0)
        history = History.of(self.known.panel, rows, begin=begin, end=int(ends[-1]))
        return Window(self.known, history, ends - begin, np.ascontiguousarray(inside), reads)

    def _scored(
        self, part: slice, window: Window, exclusion: ReasonArray, details: Details | None
    ) -> Window:
        """The same for those that pass all rules; `exclusion` is told why the others do not."""
        rules, rows = self.settings.universe, window.history.members
        volatility = YEAR * window.moments(rules.volatility_returns)[1]
        if details is not None:
            details.annual_volatility[rows] = volatility[-1]
        static = rules.static(self.known.facts, self.among)[rows]
        codes = np.where(rules.moderate(volatility), static, Exclusion.VOLATILITY.code)
        exclusion[part, rows] = np.where(window.inside, codes, exclusion[part, rows])
        return window.of(window.inside & (codes == 0))

    def _groups(self) -> IntArray:
        if self.settings.score_within is ScoreWithin.MARKET:
            return np.zeros(len(self.known.panel.tickers), np.int64)
        classes = self.known.facts.asset_class.astype(np.str_)
        return np.unique(classes, return_inverse=True)[1].astype(np.int64)


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
