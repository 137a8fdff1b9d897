"""What a factor may read: the past of the scored ETFs up to each session, and facts about them."""

from dataclasses import dataclass, field, replace
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from app.quant.factors.distributions import Distributions
from app.quant.panel import BoolArray, Facts, FloatArray, IntArray, Panel

CARRY_LIMIT = 5
"""For how many sessions a missing close is the last one before it."""

CORRELATED_SESSIONS = 3
"""Returns that are correlated span so many sessions: markets do not close at the same hour."""


@cache
def kernels() -> ModuleType:
    """The compiled functions. Importing numba takes half a second, so only scoring pays for it."""
    from app.quant.factors import kernels as compiled  # noqa: PLC0415

    return compiled


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """Daily returns that ETFs are meant to follow.

    `returns` has one row per benchmark and one column per session of the panel; `assigned` gives
    each ETF of the panel its row, or -1 where it has none.
    """

    returns: FloatArray
    assigned: IntArray


@dataclass(frozen=True, slots=True)
class Known:
    """A market as factors see it: prices, facts, and what else is known, aligned with the panel."""

    panel: Panel
    facts: Facts
    benchmarks: Benchmarks | None = None
    distributions: Distributions | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Adjusted closes of some ETFs with short gaps closed, and the returns between them.

    `closes` and `returns` have one row per entry of `members` (rows of the panel, ascending) and
    one column per session from column `begin` of the panel on.
    """

    begin: int
    members: IntArray
    closes: FloatArray
    returns: FloatArray

    @classmethod
    def of(cls, panel: Panel, members: IntArray, *, begin: int, end: int) -> "History":
        """Columns begin .. end-1 of the panel; older ones only fill a gap at the beginning."""
        closes, returns = kernels().carried_closes(panel.adjusted, members, begin, end, CARRY_LIMIT)
        return cls(begin, members, closes, returns)


@dataclass(frozen=True, slots=True)
class Window:
    """What was known of some ETFs at the close of each of some sessions.

    Session t is the one before column ends[t] of `history`, ascending; that column and everything
    after lies in its future and is read by no method. Answers have one row per session and one
    column per ETF of `history`, NaN where `inside` is false or the history is too short. A method
    that is asked for more sessions than `reads` raises ValueError: a factor says beforehand how far
    it looks back. What was worked out once is kept in `found`.
    """

    known: Known
    history: History
    ends: IntArray
    inside: BoolArray
    reads: int
    found: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def of(self, inside: BoolArray) -> "Window":
        """The same sessions for fewer ETFs."""
        return replace(self, inside=inside, found=dict(self.found))

    def reading(self, sessions: int) -> "Window":
        """The same for one who declares to read so many sessions."""
        return replace(self, reads=sessions)

    def closes_ago(self, sessions: int) -> FloatArray:
        """The closes `sessions` before the newest."""
        self._check(sessions + 1)
        closes: FloatArray = kernels().closes_at(
            self.history.closes, self.inside, self.ends, sessions
        )
        return closes

    def moments(self, count: int) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation (n - 1) of the last `count` daily returns."""
        self._check(count + 1)
        key = ("moments", count)
        if key not in self.found:
            mean, deviation = kernels().moments(self.history.returns, self.inside, self.ends, count)
            self.found[key] = self.inside, mean, deviation
        inside, mean, deviation = self.found[key]
        if inside is not self.inside:
            mean, deviation = (
                np.where(self.inside, values, values.dtype.type(np.nan))
                for values in (mean, deviation)
            )
            self.found[key] = self.inside, mean, deviation
        return mean, deviation

    def drawdowns(self, count: int) -> FloatArray:
        """The deepest fall from a running peak over the last `count` closes, as a fraction <= 0."""
        self._check(count)
        worst: FloatArray = kernels().drawdowns(self.history.closes, self.inside, self.ends, count)
        return worst

    def expense_ratios(self) -> FloatArray:
        ratios = self.known.facts.expense_ratio[self.history.members]
        return np.where(self.inside, ratios, np.nan)

    def tracking_errors(self, count: int) -> FloatArray:
        """Standard deviation (n - 1) of the last `count` returns in excess of the benchmark's.

        NaN for an ETF without one.
        """
        self._check(count + 1)
        benchmarks, history = self.known.benchmarks, self.history
        if benchmarks is None:
            return np.full(self.inside.shape, np.nan)
        assigned = benchmarks.assigned[history.members]
        columns = slice(history.begin, history.begin + history.returns.shape[1])
        apart = history.returns - benchmarks.returns[assigned, columns]
        apart[assigned < 0] = np.nan
        deviation: FloatArray = kernels().moments(apart, self.inside, self.ends, count)[1]
        return deviation

    def market(self) -> FloatArray:
        """Daily returns of the market, one per column of `history`.

        The market is the plain mean over the ETFs of the panel, leveraged and inverse ones left
        out, that have a close on the session and on the one before.
        """
        if ("market",) not in self.found:
            facts, history = self.known.facts, self.history
            self.found["market",] = kernels().market_returns(
                self.known.panel.adjusted,
                ~(facts.leveraged | facts.inverse),
                history.begin,
                history.begin + history.closes.shape[1],
            )
        returns: FloatArray = self.found["market",]
        return returns

    def market_deviations(self, count: int) -> FloatArray:
        """Standard deviation (n - 1) of the market's last `count` returns, one row per session."""
        self._check(count + 1)
        everywhere = np.ones((len(self.ends), 1), np.bool_)
        deviation: FloatArray = kernels().moments(
            self.market()[None, :], everywhere, self.ends, count
        )[1]
        return deviation

    def market_correlations(self, count: int, least: int) -> FloatArray:
        """Correlation with the market's of the last `count` overlapping three-session log returns.

        NaN where fewer than `least` of them are known.
        """
        self._check(count + CORRELATED_SESSIONS)
        found: FloatArray = kernels().correlations(
            kernels().log_moves(self.history.closes, CORRELATED_SESSIONS),
            kernels().log_sums(self.market(), CORRELATED_SESSIONS),
            self.inside,
            self.ends,
            (count, least),
        )
        return found

    def yields(self, count: int) -> FloatArray:
        """Distributions of the last `count` sessions over the newest traded close.

        Unknown before an ETF's first known distribution, since one whose distributions nobody
        recorded looks like one that pays none; and before the market's record of them is `count`
        sessions long.
        """
        self._check(count)
        distributions, history = self.known.distributions, self.history
        if distributions is None or distributions.since is None:
            return np.full(self.inside.shape, np.nan)
        ends = self.ends + history.begin
        events = (
            distributions.starts,
            distributions.columns,
            distributions.amounts,
            distributions.ratios,
        )
        recorded = self.inside & (ends - count >= distributions.since)[:, None]
        paid = kernels().trailing_distributions(events, history.members, recorded, ends, count)
        closes: FloatArray = self.known.panel.close[history.members[None, :], ends[:, None] - 1]
        return paid / closes

    def _check(self, sessions: int) -> None:
        if sessions > self.reads:
            raise ValueError(
                f"{sessions} sessions are read where a window of {self.reads} was declared"
            )
