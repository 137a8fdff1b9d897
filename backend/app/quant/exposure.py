"""Portfolio drawdown rule: how much of the targets to hold after a deep fall, as pure states."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce

# An index built from daily returns that stands exactly on a limit may miss it by a few ulps.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class ExposurePolicy:
    """Falls from the peak as positive fractions; `reduced` is the share of exposure kept."""

    reduce_at: float = 0.20
    restore_below: float = 0.10
    restore_after: int = 63
    reduced: float = 0.50


@dataclass(frozen=True, slots=True)
class ExposureState:
    """`peak` of the value index so far; `sessions_reduced` is None at full exposure."""

    peak: float
    sessions_reduced: int | None = None

    @property
    def is_reduced(self) -> bool:
        return self.sessions_reduced is not None

    def drawdown(self, index: float) -> float:
        """Fall from the peak as a positive fraction."""
        return max(1.0 - index / self.peak, 0.0)

    def exposure(self, policy: ExposurePolicy) -> float:
        return policy.reduced if self.is_reduced else 1.0


def after_session(state: ExposureState, index: float, policy: ExposurePolicy) -> ExposureState:
    """The state after one more session closed at `index` (growth of one unit, flows taken out).

    When time rather than recovery restores full exposure, the drawdown is measured from there on:
    else the same old fall would halve it again on the next day.
    """
    state = replace(state, peak=max(state.peak, index))
    fall = state.drawdown(index)
    if state.sessions_reduced is None:
        falls_too_far = fall >= policy.reduce_at - ROUNDING
        return replace(state, sessions_reduced=0) if falls_too_far else state
    served = state.sessions_reduced + 1
    if fall < policy.restore_below - ROUNDING:
        return replace(state, sessions_reduced=None)
    if served >= policy.restore_after:
        return ExposureState(peak=index)
    return replace(state, sessions_reduced=served)


def replay(indices: Iterable[float], policy: ExposurePolicy) -> ExposureState:
    """The state after a history that began at 1.0; `indices` are the closes since."""
    return reduce(
        lambda state, index: after_session(state, index, policy), indices, ExposureState(peak=1.0)
    )
