"""What a reader of a simulation should know before believing it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.quant.backtest.simulation import Simulation
from app.quant.backtest.state import Because
from app.quant.panel import SESSIONS_PER_YEAR
from app.quant.stop_loss import StopPolicy

VIX_GOOD_FOR = StopPolicy().vix_good_for
CLOSING_RATE = 0.01
"""Of a market's ETFs about 5 % close in a year; data in which less than this do have survivors."""
GONE_SESSIONS = 5
ZERO_VOLUME = 0.01
LARGE_ORDER = 0.01
"""Of an ETF's average daily value: orders above it begin to move prices more than a model says."""
SHORT_HISTORY = 2 * SESSIONS_PER_YEAR
FEW_SESSIONS = 2 * SESSIONS_PER_YEAR


class Warned(StrEnum):
    SURVIVORSHIP = "survivorship"
    ZERO_VOLUME = "zero_volume"
    CAPACITY = "capacity"
    CUT_ORDERS = "cut_orders"
    SHORT_HISTORY = "short_history"
    FEW_SESSIONS = "few_sessions"
    UNDECIDED = "undecided"
    NOTHING_ELIGIBLE = "nothing_eligible"
    VIX_UNKNOWN = "vix_unknown"
    CARRIED = "carried_prices"


@dataclass(frozen=True, slots=True)
class Caveat:
    """`figure` is the number behind the sentence: a share, or a count."""

    code: Warned
    message: str
    figure: float


Check = Callable[[Simulation], Caveat | None]


def caveats(simulation: Simulation) -> tuple[Caveat, ...]:
    return tuple(found for check in CHECKS if (found := check(simulation)) is not None)


def _survivorship(simulation: Simulation) -> Caveat | None:
    close = simulation.tape.panel.close
    first = simulation.first
    last = first + len(simulation.sessions)
    there = np.isfinite(close[:, max(first - GONE_SESSIONS, 0) : first + 1]).any(axis=1)
    gone = there & ~np.isfinite(close[:, last - GONE_SESSIONS : last]).any(axis=1)
    years = len(simulation.sessions) / SESSIONS_PER_YEAR
    count = int(there.sum())
    share = float(gone.sum()) / max(count, 1)
    if share >= CLOSING_RATE * years or not count:
        return None
    return Caveat(
        Warned.SURVIVORSHIP,
        f"Of {count:,} ETFs that were there at the start {int(gone.sum()):,} were gone at the end, "
        "fewer than close in truth: the data know survivors, who did better than the market did.",
        share,
    )


def _zero_volume(simulation: Simulation) -> Caveat | None:
    panel, first = simulation.tape.panel, simulation.first
    lived = slice(first, first + len(simulation.sessions))
    rows = np.unique(simulation.trades["row"])
    known = np.isfinite(panel.close[rows, lived])
    silent = known & ~(panel.volume[rows, lived] > 0.0)
    share = float(silent.sum()) / max(int(known.sum()), 1)
    if share < ZERO_VOLUME:
        return None
    return Caveat(
        Warned.ZERO_VOLUME,
        f"{share:.1%} of the bars of the ETFs that were traded have no volume: their prices may be "
        "ones that nobody could trade at.",
        share,
    )


def _capacity(simulation: Simulation) -> Caveat | None:
    part = simulation.trades["of_volume"]
    gross = simulation.trades["gross"]
    large = part > LARGE_ORDER
    if not large.any():
        return None
    share = float(gross[large].sum() / gross.sum())
    return Caveat(
        Warned.CAPACITY,
        f"{share:.1%} of the value traded was in orders above {LARGE_ORDER:.0%} of the ETF's "
        f"average daily value, the largest {float(np.nanmax(part)):.1%}: with more money they "
        "would cost more.",
        share,
    )


def _cut_orders(simulation: Simulation) -> Caveat | None:
    trades = simulation.trades
    cut = int(np.count_nonzero(trades["quantity"] < trades["ordered"]))
    if not cut:
        return None
    return Caveat(
        Warned.CUT_ORDERS,
        f"{cut:,} of {len(trades):,} orders were filled in part: cash or the daily volume did not "
        "allow more.",
        float(cut),
    )


def _short_history(simulation: Simulation) -> Caveat | None:
    trades, close = simulation.trades, simulation.tape.panel.close
    bought = trades[trades["buys"] == 1]
    rows, place = np.unique(bought["row"], return_index=True)
    known = np.isfinite(close[rows])
    listed = np.where(known.any(axis=1), known.argmax(axis=1), 0)
    # A history that begins with the data may be longer than the data say.
    young = (bought["column"][place] - listed < SHORT_HISTORY) & (listed > 0)
    if not young.any():
        return None
    return Caveat(
        Warned.SHORT_HISTORY,
        f"{int(young.sum()):,} of {len(rows):,} ETFs were first bought with less than two years of "
        "history.",
        float(young.sum()),
    )


def _few_sessions(simulation: Simulation) -> Caveat | None:
    count = len(simulation.sessions)
    if count >= FEW_SESSIONS:
        return None
    return Caveat(
        Warned.FEW_SESSIONS,
        f"{count:,} sessions are too few to tell skill from luck.",
        float(count),
    )


def _undecided(simulation: Simulation) -> Caveat | None:
    count = len(simulation.undecided)
    if not count:
        return None
    first = simulation.undecided[0]
    day = simulation.tape.panel.sessions[first.column]
    return Caveat(
        Warned.UNDECIDED,
        f"On {count:,} sessions the rules had no answer and the book stayed as it was; first on "
        f"{day}: {first.reason}",
        float(count),
    )


def _nothing_eligible(simulation: Simulation) -> Caveat | None:
    decisions = simulation.decisions
    answered = decisions["because"] != Because.NO_WEIGHTS
    count = int(np.count_nonzero(answered & (decisions["picks"] == 0)))
    if not count:
        return None
    return Caveat(
        Warned.NOTHING_ELIGIBLE,
        f"On {count:,} of {len(decisions):,} decisions no ETF had a score and the "
        "history that the rules ask for (lookback), so that cash was the target: a run that holds "
        "cash for lack of data cannot be compared with one that is invested.",
        float(count),
    )


def _vix_unknown(simulation: Simulation) -> Caveat | None:
    tape, first = simulation.tape, simulation.first
    lived = slice(first, first + len(simulation.sessions))
    unknown = ~np.isfinite(tape.vix[lived]) | (tape.vix_age[lived] > VIX_GOOD_FOR)
    share = float(unknown.mean())
    if share < ZERO_VOLUME:
        return None
    return Caveat(
        Warned.VIX_UNKNOWN,
        f"On {share:.1%} of the sessions the VIX was unknown or more than {VIX_GOOD_FOR} sessions "
        "old: stops that follow it had their fixed threshold.",
        share,
    )


def _carried(simulation: Simulation) -> Caveat | None:
    share = float(np.count_nonzero(simulation.days["carried"]) / len(simulation.days))
    if share < ZERO_VOLUME:
        return None
    return Caveat(
        Warned.CARRIED,
        f"On {share:.1%} of the sessions a position had no price and was valued at an older one.",
        share,
    )


CHECKS: tuple[Check, ...] = (
    _survivorship,
    _zero_volume,
    _capacity,
    _cut_orders,
    _short_history,
    _few_sessions,
    _undecided,
    _nothing_eligible,
    _vix_unknown,
    _carried,
)
