"""When a position has fallen far enough to be sold.

Prices are decimals and a stop is compared exactly: a close at or below
reference * (1 - threshold) breaches it. Fractions reported beside it are floats.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from app.quant.measured import Measured, Missing


class VixRegime(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    UNKNOWN = "unknown"


class PriceState(StrEnum):
    """Whether a price may be acted on; only a good one may."""

    GOOD = "good"
    STALE = "stale"
    QUARANTINED = "quarantined"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class StopPolicy:
    """Every limit of the stop-loss; falls are positive fractions, ages and spans are sessions."""

    use_vix_adjustment: bool = True
    trailing: bool = False
    fixed: float = 0.12
    when_low: float = 0.15
    when_normal: float = 0.12
    when_high: float = 0.10
    low_below: float = 15.0
    high_above: float = 25.0
    vix_good_for: int = 3
    at_risk_within: float = 0.20
    cooldown_sessions: int = 21


@dataclass(frozen=True, slots=True)
class Vix:
    """A VIX close and how many sessions before the session in question it was made."""

    close: float
    sessions_old: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """The fall that sells a position; `warning` says why the VIX did not decide it."""

    fall: float
    regime: VixRegime
    warning: str | None = None


def regime(close: float, policy: StopPolicy) -> VixRegime:
    """The regime of one VIX close; both limits belong to the normal one."""
    if close < policy.low_below:
        return VixRegime.LOW
    return VixRegime.HIGH if close > policy.high_above else VixRegime.NORMAL


def threshold(policy: StopPolicy, vix: Vix | None) -> Threshold:
    """The fall that stops a position out today; the fixed one, warned of, without a fresh VIX."""
    objection = _vix_objection(policy, vix)
    found = VixRegime.UNKNOWN if vix is None or objection else regime(vix.close, policy)
    if not policy.use_vix_adjustment:
        return Threshold(policy.fixed, found)
    falls = {
        VixRegime.LOW: policy.when_low,
        VixRegime.NORMAL: policy.when_normal,
        VixRegime.HIGH: policy.when_high,
        VixRegime.UNKNOWN: policy.fixed,
    }
    used = f"; the fixed stop of {policy.fixed:.0%} applies"
    return Threshold(falls[found], found, objection + used if objection else None)


def _vix_objection(policy: StopPolicy, vix: Vix | None) -> str | None:
    if vix is None or not vix.close > 0.0:
        return "the VIX is unknown"
    if vix.sessions_old > policy.vix_good_for:
        return f"the VIX is {vix.sessions_old} sessions old"
    return None


@dataclass(frozen=True, slots=True)
class Holding:
    """What a stop looks at. `highest_close` is the highest close since entry, entry included.

    `price` is None exactly when its state is missing.
    """

    ticker: str
    entry_price: Decimal
    highest_close: Decimal
    price: Decimal | None
    price_state: PriceState = PriceState.GOOD


@dataclass(frozen=True, slots=True)
class Exit:
    """Sell the whole position; `reason` is a sentence for the trade."""

    ticker: str
    reason: str


class StopRule(Protocol):
    """One reason to leave a position. It is shown good prices only."""

    def reference(self, holding: Holding) -> Decimal:
        """The price the fall is measured from."""
        ...

    def check(self, holding: Holding, price: Decimal) -> Exit | None: ...


@dataclass(frozen=True, slots=True)
class EntryStop:
    """Leave when the price has lost `fall` of what was paid."""

    fall: float

    def reference(self, holding: Holding) -> Decimal:
        return holding.entry_price

    def check(self, holding: Holding, price: Decimal) -> Exit | None:
        return _exit(holding, price, self.reference(holding), self.fall, "the entry price")


@dataclass(frozen=True, slots=True)
class TrailingStop:
    """Leave when the price has given back `fall` of the highest close since entry."""

    fall: float

    def reference(self, holding: Holding) -> Decimal:
        return max(holding.highest_close, holding.entry_price)

    def check(self, holding: Holding, price: Decimal) -> Exit | None:
        return _exit(holding, price, self.reference(holding), self.fall, "its highest close")


def rules(policy: StopPolicy, limit: Threshold) -> tuple[StopRule, ...]:
    """The policy as an ordered tuple; the first rule also gives the distance that is shown."""
    return (TrailingStop(limit.fall),) if policy.trailing else (EntryStop(limit.fall),)


def first_exit(ordered: tuple[StopRule, ...], holding: Holding) -> Exit | None:
    """The first rule that wants out wins. A price that is not good never sells."""
    if holding.price is None or holding.price_state is not PriceState.GOOD:
        return None
    price = holding.price
    return next((found for rule in ordered if (found := rule.check(holding, price))), None)


@dataclass(frozen=True, slots=True)
class StopStatus:
    """Where a position stands against its stop.

    `drawdown` is positive when the price is under its reference, `distance` = threshold - drawdown.
    A stale price is measured and noted; a missing or quarantined one is not measured at all.
    `exit` is set only when the stop acts.
    """

    threshold: float
    stop_price: Decimal
    drawdown: Measured
    distance: Measured
    at_risk: bool
    exit: Exit | None
    note: str | None = None


def assess(holding: Holding, policy: StopPolicy, limit: Threshold) -> StopStatus:
    """Measure one position against today's threshold."""
    ordered = rules(policy, limit)
    reference = ordered[0].reference(holding)
    stop = stop_price(reference, limit.fall)
    unmeasured = _unmeasured(holding, reference)
    if unmeasured is not None or holding.price is None:
        missing = Missing(unmeasured or "the price is missing")
        return StopStatus(
            limit.fall, stop, missing, missing, at_risk=False, exit=None, note=_note(holding)
        )
    room = holding.price - stop
    near = Decimal(str(policy.at_risk_within)) * Decimal(str(limit.fall)) * reference
    return StopStatus(
        threshold=limit.fall,
        stop_price=stop,
        drawdown=float((reference - holding.price) / reference),
        distance=float(room / reference),
        at_risk=room <= near,
        exit=first_exit(ordered, holding),
        note=_note(holding),
    )


UNMEASURED = frozenset({PriceState.MISSING, PriceState.QUARANTINED})


def _unmeasured(holding: Holding, reference: Decimal) -> str | None:
    """Why there is no fall to measure."""
    if holding.price is None or holding.price_state in UNMEASURED:
        return f"the price is {holding.price_state}"
    return None if reference > 0 else "what was paid per share rounds to nothing"


def stop_price(reference: Decimal, fall: float) -> Decimal:
    """The highest price at which the stop acts, exact."""
    return reference * (1 - Decimal(str(fall)))


def in_cooldown(sessions_since_exit: int, policy: StopPolicy) -> bool:
    """Whether a name stopped out that many sessions ago is still barred (0 on the day itself)."""
    return sessions_since_exit <= policy.cooldown_sessions


def _exit(
    holding: Holding, price: Decimal, reference: Decimal, fall: float, named: str
) -> Exit | None:
    if price > stop_price(reference, fall):
        return None
    fallen = (reference - price) / reference
    return Exit(
        holding.ticker,
        f"{holding.ticker} at {_short(price)} is {fallen:.1%} below {named} of "
        f"{_short(reference)}; the stop is {fall:.1%}.",
    )


def _short(price: Decimal) -> str:
    return f"{price.normalize():f}"


def _note(holding: Holding) -> str | None:
    if holding.price_state is PriceState.GOOD:
        return None
    return f"the price is {holding.price_state}, so the stop does not act"
