"""Which ETFs may be scored on a date, and why the others may not."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from app.quant.factors.history import kernels
from app.quant.panel import BoolArray, FloatArray, IntArray, Panel

ReasonArray = npt.NDArray[np.int8]


class Exclusion(StrEnum):
    """The first rule an ETF failed, in the order in which the rules are asked."""

    NO_CLOSE = "no_close"
    SHORT_HISTORY = "short_history"
    MISSING_CLOSES = "missing_closes"
    LOW_PRICE = "low_price"
    LOW_DOLLAR_VOLUME = "low_dollar_volume"
    VOLATILITY = "volatility"
    LEVERAGED = "leveraged"
    INVERSE = "inverse"
    NOT_CHOSEN = "not_chosen"

    @property
    def code(self) -> int:
        """Its number in arrays of reasons, from 1; 0 stands for an ETF that passed."""
        return _CODES[self]


EXCLUSIONS = tuple(Exclusion)
_CODES = {reason: code for code, reason in enumerate(EXCLUSIONS, start=1)}


def reason_of(code: int) -> Exclusion | None:
    """The reason behind a code, None for 0."""
    return EXCLUSIONS[code - 1] if code else None


@dataclass(frozen=True, slots=True)
class UniverseRules:
    """Limits of the scored universe. Every look-back counts sessions and ends at the scored one."""

    history: int = 252
    max_missing: float = 0.05
    min_close: float = 5.0
    min_dollar_volume: float = 1_000_000.0
    dollar_volume_sessions: int = 63
    min_volatility: float = 0.03
    max_volatility: float = 0.35
    volatility_returns: int = 252
    leveraged: bool = False
    inverse: bool = False

    def explain(self, reason: Exclusion) -> str:
        """The reason in words, to follow the name of an ETF and a colon."""
        return {
            Exclusion.NO_CLOSE: "no close on this session",
            Exclusion.SHORT_HISTORY: f"first close less than {self.history} sessions ago",
            Exclusion.MISSING_CLOSES: (
                f"more than {100 * self.max_missing:.4g} % of the last {self.history + 1}"
                " sessions without a close"
            ),
            Exclusion.LOW_PRICE: f"close below {self.min_close:,.10g}",
            Exclusion.LOW_DOLLAR_VOLUME: (
                f"median dollar volume below {self.min_dollar_volume:,.10g}"
            ),
            Exclusion.VOLATILITY: (
                f"annualised volatility outside {100 * self.min_volatility:.4g} % to"
                f" {100 * self.max_volatility:.4g} %"
            ),
            Exclusion.LEVERAGED: "leveraged fund",
            Exclusion.INVERSE: "inverse fund",
            Exclusion.NOT_CHOSEN: "outside the chosen part of the market",
        }[reason]


@dataclass(frozen=True, slots=True)
class Traded:
    """What the rules on closes and volumes found on one date, one entry per ETF of the panel.

    `reasons` are codes of the first failing rule, 0 where all passed; `dollar_volume` is the median
    daily value traded, NaN for an ETF that failed an earlier rule; `missing` counts the sessions
    without a close among the last `history` + 1.
    """

    reasons: ReasonArray
    dollar_volume: FloatArray
    missing: IntArray


def traded(panel: Panel, end: int, rules: UniverseRules) -> Traded:
    """Ask the rules on closes and volumes, at column `end` - 1 of the panel and from its past."""
    missing, listed = kernels().gaps(panel.close, end, rules.history + 1)
    reasons = np.zeros(len(panel.tickers), np.int8)

    def fail(failed: BoolArray, reason: Exclusion) -> None:
        reasons[(reasons == 0) & failed] = reason.code

    newest = panel.close[:, end - 1]
    fail(~(newest > 0), Exclusion.NO_CLOSE)
    fail(~listed, Exclusion.SHORT_HISTORY)
    fail(missing > rules.max_missing * (rules.history + 1), Exclusion.MISSING_CLOSES)
    fail(~(newest >= rules.min_close), Exclusion.LOW_PRICE)

    rows = np.flatnonzero(reasons == 0)
    columns = slice(max(end - rules.dollar_volume_sessions, 0), end)
    dollar_volume = np.full(len(reasons), np.nan)
    dollar_volume[rows] = _medians(panel.close[rows, columns] * panel.volume[rows, columns])
    fail(~(dollar_volume >= rules.min_dollar_volume), Exclusion.LOW_DOLLAR_VOLUME)
    return Traded(reasons, dollar_volume, missing)


def _medians(values: FloatArray) -> FloatArray:
    """The median of each row's known values, NaN for a row without any."""
    values.sort(axis=1)  # NaN comes last
    known = np.count_nonzero(~np.isnan(values), axis=1)
    rows = np.arange(len(values))
    lower, upper = values[rows, (known - 1) // 2], values[rows, known // 2]
    return (lower + upper) / 2.0
