"""How far a portfolio has moved from its targets, and whether that calls for a rebalance.

drift_i = weight_i - target_i, over every name that is held or wanted. Cash has no drift of its own.
A drift exactly on a band counts as inside it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

# Weights are quotients of money, so a drift that equals its band may miss it by a few ulps.
ROUNDING = 1e-12


class DriftMode(StrEnum):
    ABSOLUTE = "absolute"
    RELATIVE = "relative"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class DriftPolicy:
    """Bands, all as fractions: `threshold` of the portfolio, `relative_band` of a name's target.

    In hybrid mode a drift smaller than `minimum` of the portfolio never counts.
    """

    mode: DriftMode = DriftMode.HYBRID
    threshold: float = 0.05
    relative_band: float = 0.25
    minimum: float = 0.01


@dataclass(frozen=True, slots=True)
class NameDrift:
    """One name's weight against its target; positive drift is overweight."""

    ticker: str
    weight: float
    target: float

    @property
    def drift(self) -> float:
        return self.weight - self.target


@dataclass(frozen=True, slots=True)
class Drift:
    """The whole portfolio's drift and the decision taken on it; `names` in order of ticker."""

    names: tuple[NameDrift, ...]
    entered: tuple[str, ...]
    left: tuple[str, ...]
    max_drift: float
    turnover: float
    threshold: float
    needs_rebalancing: bool
    reason: str


def measure(
    weights: Mapping[str, float],
    targets: Mapping[str, float],
    policy: DriftPolicy,
    *,
    previous: Collection[str] | None = None,
) -> Drift:
    """Compare current with target weights, both fractions of the portfolio, cash left out.

    `previous` names the target set the portfolio was last traded to; without it the names held
    stand for it.
    """
    wanted = {ticker for ticker, target in targets.items() if target > 0.0}
    before = {t for t, w in weights.items() if w > 0.0} if previous is None else set(previous)
    names = _names(weights, targets)
    change = _Change(names, tuple(sorted(wanted - before)), tuple(sorted(before - wanted)))
    found = next((why for rule in RULES[policy.mode] if (why := rule(change, policy))), None)
    far = _distance(names)
    return Drift(
        names=names,
        entered=change.entered,
        left=change.left,
        max_drift=far.max_drift,
        turnover=far.turnover,
        threshold=policy.threshold,
        needs_rebalancing=found is not None,
        reason=found or _inside(names),
    )


@dataclass(frozen=True, slots=True)
class Distance:
    """How far weights are from targets: the furthest name, and what it takes to trade it all."""

    max_drift: float
    turnover: float


def distance(weights: Mapping[str, float], targets: Mapping[str, float]) -> Distance:
    """The same two figures as `measure` gives, without a decision."""
    return _distance(_names(weights, targets))


def _names(weights: Mapping[str, float], targets: Mapping[str, float]) -> tuple[NameDrift, ...]:
    tickers = sorted({*weights, *targets})
    return tuple(NameDrift(t, weights.get(t, 0.0), targets.get(t, 0.0)) for t in tickers)


def _distance(names: Collection[NameDrift]) -> Distance:
    sizes = [abs(name.drift) for name in names]
    return Distance(max(sizes, default=0.0), 0.5 * sum(sizes))


@dataclass(frozen=True, slots=True)
class _Change:
    names: tuple[NameDrift, ...]
    entered: tuple[str, ...]
    left: tuple[str, ...]


Rule: TypeAlias = Callable[[_Change, DriftPolicy], str | None]
"""A sentence that says why a rebalance is needed, or None."""


def _membership(change: _Change, _: DriftPolicy) -> str | None:
    parts = [
        f"{_listed(tickers)} {verb} the target set"
        for tickers, verb in ((change.entered, "entered"), (change.left, "left"))
        if tickers
    ]
    return " and ".join(parts) + "." if parts else None


def _absolute(change: _Change, policy: DriftPolicy) -> str | None:
    worst = _largest(change.names)
    if worst is None or abs(worst.drift) <= policy.threshold + ROUNDING:
        return None
    return f"{_described(worst)}, outside the band of {_points(policy.threshold)} points."


def _relative(change: _Change, policy: DriftPolicy) -> str | None:
    return _relative_beyond(change, policy, minimum=0.0)


def _sizeable_relative(change: _Change, policy: DriftPolicy) -> str | None:
    return _relative_beyond(change, policy, minimum=policy.minimum)


def _sizeable_absolute(change: _Change, policy: DriftPolicy) -> str | None:
    worst = _largest(change.names)
    if worst is None or abs(worst.drift) < policy.minimum - ROUNDING:
        return None
    return _absolute(change, policy)


def _relative_beyond(change: _Change, policy: DriftPolicy, *, minimum: float) -> str | None:
    outside = tuple(
        name
        for name in change.names
        if abs(name.drift) > policy.relative_band * name.target + ROUNDING
        and abs(name.drift) >= minimum - ROUNDING
    )
    worst = _largest(outside)
    if worst is None:
        return None
    if worst.target == 0.0:
        return f"{worst.ticker} is held at {worst.weight:.1%} without a target."
    return (
        f"{_described(worst)} of {worst.target:.1%}, more than "
        f"{policy.relative_band:.0%} of that target."
    )


RULES: Mapping[DriftMode, tuple[Rule, ...]] = {
    DriftMode.ABSOLUTE: (_absolute,),
    DriftMode.RELATIVE: (_relative,),
    DriftMode.HYBRID: (_membership, _sizeable_absolute, _sizeable_relative),
}
"""What each mode looks at; the first rule that finds something gives the reason."""


def _largest(names: tuple[NameDrift, ...]) -> NameDrift | None:
    return max(names, key=lambda name: abs(name.drift), default=None)


def _inside(names: tuple[NameDrift, ...]) -> str:
    worst = _largest(names)
    if worst is None:
        return "Nothing is held and nothing is wanted."
    if worst.drift == 0.0:
        return "Every position is at its target."
    return f"Every position is inside its bands: {_described(worst, ', the furthest off,')}."


def _described(name: NameDrift, aside: str = "") -> str:
    side = "over" if name.drift > 0.0 else "under"
    return f"{name.ticker}{aside} is {_points(abs(name.drift))} points {side} its target"


def _points(fraction: float) -> str:
    return f"{100.0 * fraction:.1f}".removesuffix(".0")


def _listed(tickers: tuple[str, ...], most: int = 5) -> str:
    if len(tickers) > most:
        return f"{', '.join(tickers[:most])} and {len(tickers) - most} others"
    return " and ".join(filter(None, (", ".join(tickers[:-1]), tickers[-1])))
