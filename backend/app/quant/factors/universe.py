"""Which ETFs may be scored on a date, and why the others may not."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from app.quant.factors.history import kernels
from app.quant.panel import BoolArray, Facts, FloatArray, IntArray, Panel

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

    def traded(self, panel: Panel, ends: IntArray) -> tuple[ReasonArray, IntArray]:
        """Ask the rules on closes and volumes at the columns before `ends` (ascending).

        Answers with the code of the first failing rule [T, N], 0 where all passed, and with how
        many closes are missing among the `history` + 1 before the last end [N].
        """
        count = self.history + 1
        codes, missing = kernels().traded(
            panel.close,
            panel.volume,
            ends,
            (count, self.max_missing * count, float(self.min_close)),
            (self.dollar_volume_sessions, float(self.min_dollar_volume)),
        )
        return codes, missing

    def dollar_volume(self, panel: Panel, rows: IntArray) -> FloatArray:
        """The median daily value traded up to the panel's last session, NaN without any."""
        columns = slice(max(len(panel) - self.dollar_volume_sessions, 0), None)
        values = panel.close[rows, columns] * panel.volume[rows, columns]
        values.sort(axis=1)  # NaN comes last
        known = np.count_nonzero(~np.isnan(values), axis=1)
        at = np.arange(len(values))
        return (values[at, (known - 1) // 2] + values[at, known // 2]) / 2.0

    def static(self, facts: Facts, among: BoolArray | None) -> ReasonArray:
        """The rules on what an ETF is, whatever the session: codes, 0 where all passed."""
        codes = np.zeros(len(facts.leveraged), np.int8)
        if among is not None:
            codes[~among] = Exclusion.NOT_CHOSEN.code
        if not self.inverse:
            codes[facts.inverse] = Exclusion.INVERSE.code
        if not self.leveraged:
            codes[facts.leveraged] = Exclusion.LEVERAGED.code
        return codes

    def moderate(self, annual_volatility: FloatArray) -> BoolArray:
        return (annual_volatility >= self.min_volatility) & (
            annual_volatility <= self.max_volatility
        )
