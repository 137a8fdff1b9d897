"""Replay a strategy over history: decide at one close, trade at the next open or close.

The days are compiled (`living`). They hand back where money or a corporate action reaches the book
(`events`), and where an optimizer is asked: then `construction.weigh` is called, as live decisions
call it. Nothing that is decided at a close is shown a price after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from app.quant.backtest import events, living
from app.quant.backtest.choosing import Choice
from app.quant.backtest.deciding import ABSOLUTE, HYBRID, RELATIVE, Bands
from app.quant.backtest.filling import Terms
from app.quant.backtest.rules import Fills, Timetable, TradingRules, friction_of
from app.quant.backtest.simulation import Simulation, Undecided
from app.quant.backtest.state import (
    FULL_EXPOSURE,
    Phase,
    State,
    Wants,
    fresh,
    with_positions,
    with_room,
)
from app.quant.backtest.tape import MarketArrays, ScoreArrays, ScoreTable, Tape
from app.quant.backtest.units import BILLION, SHARE
from app.quant.construction import Picked, weigh
from app.quant.drift import DriftMode
from app.quant.errors import QuantError
from app.quant.panel import FloatArray
from app.quant.stop_loss import StopPolicy, Vix, threshold

MODES = {DriftMode.ABSOLUTE: ABSOLUTE, DriftMode.RELATIVE: RELATIVE, DriftMode.HYBRID: HYBRID}
LARGEST_CAPITAL = Decimal(10) ** 10
"""In USD: beyond it, sums of money leave the integers they are counted in."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a simulated life with rules of its own."""

    scores: ScoreTable
    rules: TradingRules
    timetable: Timetable


def simulate(
    tape: Tape, scores: ScoreTable, rules: TradingRules, timetable: Timetable, capital: Decimal
) -> Simulation:
    """Live through the timetable with so much money, in USD and whole cents, at its first close.

    A question without an answer (limits that no weights meet, a history too short) leaves the book
    as it is and is recorded. Raises QuantError for more money than can be counted, or a withdrawal
    of more than there is.
    """
    return in_turn(tape, (Leg(scores, rules, timetable),), capital)


def in_turn(tape: Tape, legs: Sequence[Leg], capital: Decimal) -> Simulation:
    """One life whose rules change: each leg begins, with the book as it is, in the session after
    the one before it ends. Its rules are asked at its first close.

    Raises what `simulate` raises, and ValueError for legs that do not follow each other.
    """
    if not 0 < capital <= LARGEST_CAPITAL:
        raise QuantError(f"A simulation takes more than 0 and at most {LARGEST_CAPITAL:,f} USD.")
    state, payable, undecided, movements = None, None, [], []
    for leg in legs:
        state = _begin(tape, leg, capital) if state is None else _go_on(state, leg)
        run = _Run.of(tape, leg, _scheduled(state, tape, leg), payable)
        while (wanted := run.advance()) != Wants.NOTHING:
            run.serve(Wants(wanted))
        state, payable = run.state, run.ledger.payable
        undecided += run.undecided
        movements += run.ledger.movements
    if state is None:
        raise ValueError("a life has at least one leg")
    span = legs[0].timetable.first, legs[-1].timetable.last
    return Simulation.of(tape, span, state, tuple(undecided), tuple(movements))


@dataclass(slots=True)
class _Run:
    tape: Tape
    market: MarketArrays
    scores: ScoreTable
    order: ScoreArrays
    rules: TradingRules
    state: State
    compiled: living.Rules
    ledger: events.Ledger
    groups: tuple[str, ...]
    undecided: list[Undecided]
    knows_by_count: bool

    @classmethod
    def of(cls, tape: Tape, leg: Leg, state: State, payable: events.Payable | None) -> "_Run":
        construction = leg.rules.construction
        capped = bool(construction.limits.caps)
        return cls(
            tape,
            tape.arrays,
            leg.scores,
            leg.scores.arrays,
            leg.rules,
            state,
            _compiled(leg.rules, leg.timetable),
            events.Ledger.of(tape, leg.rules, leg.timetable, payable),
            tuple(map(str, np.array(tape.class_names)[tape.classes])) if capped else (),
            [],
            not construction.optimizer.reads_risk and not capped,
        )

    def advance(self) -> int:
        wanted: int = living.advance(self.market, self.order, self.compiled, self.state)
        return wanted

    def serve(self, wanted: Wants) -> None:
        match wanted:
            case Wants.EVENTS:
                self.state = self.ledger.open_session(self.state, self.compiled.terms, self.tape)
            case Wants.WEIGHTS:
                self._weigh()
            case Wants.ROOM:
                self.state = with_room(self.state)
            case Wants.NOTHING:
                pass

    def _weigh(self) -> None:
        now, state = self.state.now[0], self.state
        count = int(now["picks"])
        if count == 0 and now["reduced"] != FULL_EXPOSURE and self.rules.exposure.reduced == 0.0:
            return
        try:
            weights = self._weights(count)
        except QuantError as error:
            self.undecided.append(Undecided(int(now["column"]), str(error)))
            now["picks"] = -1
            return
        state.picks["weight"][:count] = weights
        if self.knows_by_count:
            state.by_count[count, :count] = weights

    def _weights(self, count: int) -> FloatArray:
        state, now = self.state, self.state.now[0]
        column, picks = int(now["column"]), state.picks["row"][:count]
        current, free = living.weights_of_picks(self.market, self.compiled, state)
        line = self.scores.line_of[column]
        picked = Picked(
            picks.astype(np.int64),
            self.scores.composite[line, picks],
            current,
            tuple(self.groups[row] for row in picks) if self.groups else ("",) * count,
            complete=count == self.compiled.choice.positions,
        )
        known = self.tape.panel.first(column + 1)
        value = float(now["total"]) / 100.0 * free
        return weigh(known, picked, self.rules.construction, value).weights


def _begin(tape: Tape, leg: Leg, capital: Decimal) -> State:
    """Nothing but cash."""
    etfs, sessions = tape.panel.close.shape
    state = fresh(
        etfs,
        sessions,
        positions=leg.rules.construction.selection.num_positions,
        classes=len(tape.class_names),
    )
    now = state.now[0]
    now["cash"] = now["total"] = int(capital.scaleb(2))
    now["column"] = leg.timetable.first
    return state


def _go_on(state: State, leg: Leg) -> State:
    """The same book, in the session after, for other rules."""
    now = state.now[0]
    if leg.timetable.first != now["column"] + 1:
        raise ValueError("a leg begins in the session after the one before it ends")
    now["column"], now["phase"], now["asking"] = leg.timetable.first, Phase.OPENING, 0
    return with_positions(state, leg.rules.construction.selection.num_positions)


def _scheduled(state: State, tape: Tape, leg: Leg) -> State:
    """With all that is settled before about the sessions of the leg."""
    timetable, schedule = leg.timetable, state.schedule
    lived = slice(timetable.first, timetable.last + 1)
    schedule["asks"][lived] = timetable.asks[lived]
    schedule["asks"][timetable.first] = True
    schedule["interest_days"][lived] = timetable.interest_days[lived]
    if not state.now[0]["decisions"]:  # the first session of all: there was no cash before
        schedule["interest_days"][timetable.first] = 0
    schedule["fall"][lived] = falls(tape, leg.rules.stops)[lived]
    schedule["events"][list(events.busy_columns(tape, timetable))] = True
    splits = sorted(tape.splits)
    starts = np.searchsorted([column for column, _ in splits], np.arange(len(schedule) + 1))
    schedule["splits_from"], schedule["splits_to"] = starts[:-1], starts[1:]
    return state._replace(split_rows=np.array([row for _, row in splits], np.int64))


def falls(tape: Tape, policy: StopPolicy) -> FloatArray:
    """The fall that stops a position out, for each session of the tape."""
    known: dict[tuple[float, int], float] = {}
    found = np.empty(len(tape.vix))
    for column, reading in enumerate(zip(tape.vix.tolist(), tape.vix_age.tolist(), strict=True)):
        if reading not in known:
            known[reading] = threshold(policy, Vix(*reading)).fall
        found[column] = known[reading]
    return found


def _compiled(rules: TradingRules, timetable: Timetable) -> living.Rules:
    selection, construction = rules.construction.selection, rules.construction
    return living.Rules(
        terms=terms_of(rules),
        choice=Choice(
            selection.num_positions,
            selection.last_kept,
            selection.max_correlation,
            max(selection.history, construction.lookback),
            rules.stops.cooldown_sessions,
        ),
        bands=Bands(
            MODES[rules.drift.mode],
            rules.drift.threshold,
            rules.drift.relative_band,
            rules.drift.minimum,
            float(rules.orders.min_trade),
        ),
        by_drift=timetable.by_drift,
        acts=rules.stops_sell,
        trailing=rules.stops.trailing,
        reduce_at=rules.exposure.reduce_at,
        restore_below=rules.exposure.restore_below,
        restore_after=rules.exposure.restore_after,
        reduced=rules.exposure.reduced,
        interest=round(rules.cash_yield * SHARE),
        last=timetable.last,
    )


def terms_of(rules: TradingRules) -> Terms:
    friction = friction_of(rules.construction.costs)
    return Terms(
        friction=float(friction.fraction),
        friction_billionths=_billionths(friction.fraction),
        impact=float(friction.impact),
        commission=int(friction.commission.scaleb(2).to_integral_value()),
        step=int(rules.orders.step.scaleb(6)),
        volume_share=rules.volume_share,
        volume_billionths=_billionths(Decimal(repr(rules.volume_share))),
        refuse=rules.refuse_oversized,
        at_open=rules.fills is Fills.NEXT_OPEN,
    )


def _billionths(fraction: Decimal) -> int:
    """The fraction in billionths, -1 where it has more digits."""
    scaled = fraction * BILLION
    return int(scaled) if scaled == scaled.to_integral_value() else -1
