"""Replay a strategy over history: decide at one close, trade at the next open or close.

The days are compiled (`living`). They hand back where money or a corporate action reaches the book
(`events`), and where an optimizer is asked: then `construction.weigh` is called, as live decisions
call it. Nothing that is decided at a close is shown a price after it.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from app.quant.backtest import events, living
from app.quant.backtest.choosing import Choice
from app.quant.backtest.deciding import ABSOLUTE, HYBRID, RELATIVE, Bands
from app.quant.backtest.exact import BILLION, SHARE
from app.quant.backtest.filling import Terms
from app.quant.backtest.rules import Fills, Timetable, TradingRules, friction_of
from app.quant.backtest.simulation import Simulation, Undecided
from app.quant.backtest.state import FULL_EXPOSURE, Phase, State, Wants, fresh, with_room
from app.quant.backtest.tape import ScoreTable, Tape
from app.quant.construction import Picked, weigh
from app.quant.drift import DriftMode
from app.quant.errors import QuantError
from app.quant.panel import FloatArray
from app.quant.stop_loss import StopPolicy, Vix, threshold

MODES = {DriftMode.ABSOLUTE: ABSOLUTE, DriftMode.RELATIVE: RELATIVE, DriftMode.HYBRID: HYBRID}
LARGEST_CAPITAL = Decimal(10) ** 10
"""In USD: beyond it, sums of money leave the integers they are counted in."""


def simulate(
    tape: Tape, scores: ScoreTable, rules: TradingRules, timetable: Timetable, capital: Decimal
) -> Simulation:
    """Live through the timetable with so much money, in USD and whole cents, at its first close.

    A question without an answer (limits that no weights meet, a history too short) leaves the book
    as it is and is recorded. Raises QuantError for more money than can be counted, or a withdrawal
    of more than there is.
    """
    if not 0 < capital <= LARGEST_CAPITAL:
        raise QuantError(f"A simulation takes more than 0 and at most {LARGEST_CAPITAL:,f} USD.")
    run = _Run.of(tape, scores, rules, timetable, capital)
    while (wanted := run.advance()) != Wants.NOTHING:
        run.serve(Wants(wanted))
    return run.result()


@dataclass(slots=True)
class _Run:
    tape: Tape
    scores: ScoreTable
    rules: TradingRules
    timetable: Timetable
    state: State
    compiled: living.Rules
    ledger: events.Ledger
    groups: tuple[str, ...]
    undecided: list[Undecided]
    knows_by_count: bool

    @classmethod
    def of(
        cls,
        tape: Tape,
        scores: ScoreTable,
        rules: TradingRules,
        timetable: Timetable,
        capital: Decimal,
    ) -> "_Run":
        compiled = _compiled(rules, timetable)
        construction = rules.construction
        return cls(
            tape,
            scores,
            rules,
            timetable,
            _begin(tape, rules, timetable, capital),
            compiled,
            events.Ledger.of(tape, rules, timetable),
            (
                tuple(map(str, np.array(tape.class_names)[tape.classes]))
                if construction.limits.caps
                else ()
            ),
            [],
            not construction.optimizer.reads_risk and not construction.limits.caps,
        )

    def advance(self) -> int:
        wanted: int = living.advance(
            self.tape.arrays, self.scores.arrays, self.compiled, self.state
        )
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
        held = living.standing(self.tape.arrays, state)
        free = living.free_part(self.compiled, state, held)
        weight_of = dict(zip(held["row"].tolist(), held["weight"].tolist(), strict=True))
        current = [weight_of.get(row, 0.0) for row in picks.tolist()]
        line = self.scores.line_of[column]
        picked = Picked(
            picks.astype(np.int64),
            self.scores.composite[line, picks],
            np.array(current) / free if free else np.array(current),
            tuple(self.groups[row] for row in picks) if self.groups else ("",) * count,
            complete=count == self.compiled.choice.positions,
        )
        known = self.tape.panel.first(column + 1)
        value = float(now["total"]) / 100.0 * free
        return weigh(known, picked, self.rules.construction, value).weights

    def result(self) -> Simulation:
        return Simulation.of(self.tape, self.timetable, self.state, tuple(self.undecided))


def _begin(tape: Tape, rules: TradingRules, timetable: Timetable, capital: Decimal) -> State:
    etfs, sessions = tape.panel.close.shape
    state = fresh(
        etfs,
        sessions,
        positions=rules.construction.selection.num_positions,
        classes=len(tape.class_names),
    )
    now = state.now[0]
    now["cash"] = now["total"] = int(capital.scaleb(2))
    now["column"], now["phase"] = timetable.first, Phase.OPENING
    lived, schedule = slice(timetable.first, timetable.last + 1), state.schedule
    schedule["asks"][lived] = timetable.asks[lived]
    schedule["asks"][timetable.first] = True
    schedule["interest_days"][timetable.first + 1 :] = timetable.interest_days[
        timetable.first + 1 :
    ]
    schedule["fall"] = falls(tape, rules.stops)
    schedule["events"][list(events.busy_columns(tape, timetable))] = True
    splits = sorted(tape.splits)
    starts = np.searchsorted([column for column, _ in splits], np.arange(sessions + 1))
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
