"""Whether anything decided up to a session follows what came after it.

At each cut every stage is computed again on data that end there, and on data whose future was
replaced, one input at a time: universe, factors, composite, and for each optimizer the whole
simulation with its decisions, trades and values. What is dated up to the cut must be the same to
the last bit. Where it is not, the stage leaks, and the input it followed is known.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from app.quant.backtest.engine import simulate
from app.quant.backtest.rules import Timetable, TradingRules
from app.quant.backtest.simulation import Simulation
from app.quant.backtest.tape import NEVER, ScoreTable, Tape
from app.quant.factors.distributions import Distributions
from app.quant.factors.registry import REGISTRY
from app.quant.factors.score_history import ScoreHistory, score_history
from app.quant.factors.settings import ScoreSettings
from app.quant.panel import Facts, Panel
from app.quant.verification.scrambling import INPUTS, SCRAMBLES

CAPITAL = Decimal(1_000_000)
TRUNCATED = "what is missing"

Told: TypeAlias = Callable[[str, int, int], None]
Scoring: TypeAlias = Callable[[Panel, Facts, Distributions | None], ScoreHistory]
Living: TypeAlias = Callable[[Tape, ScoreTable, TradingRules, Timetable, Decimal], Simulation]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is verified: a market, and rules by the name of their optimizer. `asks` marks the
    columns at whose close they are asked."""

    tape: Tape
    facts: Facts
    rules: Mapping[str, TradingRules]
    asks: npt.NDArray[np.bool_]
    first: int
    distributions: Distributions | None = None


@dataclass(frozen=True, slots=True)
class Leak:
    """The first figure of a stage that followed what came after the cut. `ticker` is empty for a
    figure of the whole portfolio."""

    stage: str
    followed: str
    cut: np.datetime64
    session: np.datetime64
    ticker: str
    known: float
    otherwise: float

    @property
    def sentence(self) -> str:
        whose = f"{self.ticker} " if self.ticker else ""
        return (
            f"{self.stage} follows {self.followed} after {self.cut}: {whose}on {self.session} is "
            f"{self.known:.10g}, and otherwise {self.otherwise:.10g}"
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """A stage, how many figures of it were compared, and its first leak."""

    stage: str
    compared: int
    leak: Leak | None


def scored(panel: Panel, facts: Facts, distributions: Distributions | None) -> ScoreHistory:
    """Every factor there is, whatever its weight."""
    return score_history(
        panel, facts, ScoreSettings(), factors=list(REGISTRY), distributions=distributions
    )


def verify(
    subject: Subject,
    cuts: Sequence[int],
    *,
    seed: int,
    tell: Told,
    scoring: Scoring = scored,
    living: Living = simulate,
) -> tuple[Checked, ...]:
    """Every stage at every cut (a column of the panel), in the order of the stages.

    `tell` is given the step, and how many of how many are done.
    """
    bench = _Bench(subject, scoring, living)
    known = bench.figures(subject.tape)
    found: dict[str, Checked] = {}
    random = np.random.default_rng(seed)
    steps = len(cuts) * (len(INPUTS) + 1)
    done = 0
    for cut in cuts:
        for followed, tape in _alternatives(subject.tape, cut, random):
            other = bench.figures(tape)
            for mine, theirs in zip(known, other, strict=True):
                found[mine.stage] = _compared(
                    found.get(mine.stage), mine, theirs, (cut, followed, subject.tape.panel)
                )
            done += 1
            tell("replacing the future", done, steps)
    return tuple(found.values())


def merged(parts: Sequence[Sequence[Checked]]) -> tuple[Checked, ...]:
    """What was found in several parts of a history, stage by stage: the first leak of each."""
    return tuple(
        Checked(
            stages[0].stage,
            sum(each.compared for each in stages),
            next((each.leak for each in stages if each.leak is not None), None),
        )
        for stages in zip(*parts, strict=True)
    )


def part_of(subject: Subject, begin: int, end: int) -> Subject:
    """The columns from `begin` to before `end` as a market of their own."""
    tape, columns = subject.tape, slice(begin, end)
    events = (event for event in tape.events if begin < event.column < end)
    return replace(
        subject,
        tape=replace(
            tape,
            panel=tape.panel.columns(begin, end),
            opens=tape.opens[:, columns],
            vix=tape.vix[columns],
            vix_age=tape.vix_age[columns],
            closed=np.where(tape.closed == NEVER, NEVER, np.maximum(tape.closed - begin, 0)),
            splits=frozenset((c - begin, row) for c, row in tape.splits if begin <= c < end),
            events=tuple(
                replace(event, column=event.column - begin, paid=max(event.paid - begin, 0))
                for event in events
            ),
        ),
        asks=subject.asks[columns],
        distributions=None,
    )


def _alternatives(tape: Tape, cut: int, random: np.random.Generator) -> Iterator[tuple[str, Tape]]:
    yield TRUNCATED, _until(tape, cut)
    for name, scrambled in INPUTS.items():
        scramble = SCRAMBLES[int(random.integers(len(SCRAMBLES)))]
        yield name, scrambled(tape, scramble, cut + 1, random)


def _until(tape: Tape, cut: int) -> Tape:
    """The tape that ends with a column."""
    return replace(
        tape,
        panel=tape.panel.first(cut + 1),
        opens=tape.opens[:, : cut + 1],
        vix=tape.vix[: cut + 1],
        vix_age=tape.vix_age[: cut + 1],
        splits=frozenset(split for split in tape.splits if split[0] <= cut),
        events=tuple(event for event in tape.events if event.column <= cut),
    )


@dataclass(frozen=True, slots=True)
class _Figures:
    """What a stage found: values with the column and the row (-1: the portfolio) of each, in an
    order that a longer history only adds to."""

    stage: str
    columns: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Bench:
    subject: Subject
    scoring: Scoring
    living: Living

    def figures(self, tape: Tape) -> list[_Figures]:
        history = self.scoring(tape.panel, self.subject.facts, self.subject.distributions)
        columns = np.searchsorted(tape.panel.sessions, history.sessions)
        found = [_matrix("universe", history.exclusion.astype(np.float64), columns)]
        found += [
            _matrix(f"factor {name}", history.factors.factor(name), columns)
            for name in history.factors.names
        ]
        found.append(_matrix("composite", history.composite, columns))
        table = ScoreTable.of(history, tape.panel)
        for name, rules in self.subject.rules.items():
            found += self._lived(name, tape, table, rules)
        return found

    def _lived(
        self, name: str, tape: Tape, table: ScoreTable, rules: TradingRules
    ) -> Iterator[_Figures]:
        end = len(tape.panel)
        timetable = Timetable(
            self.subject.first, end - 1, self.subject.asks[:end], np.zeros(end, np.int64)
        )
        simulation = self.living(tape, table, rules, timetable, CAPITAL)
        decisions, trades = simulation.decisions, simulation.trades
        yield _records(f"decisions of {name}", decisions, ("target", "turnover", "orders"))
        yield _records(f"trades of {name}", trades, ("quantity", "price", "net"))
        days = simulation.days
        columns = np.arange(simulation.first, end)
        values = (days["cash"] + days["positions"]).astype(np.float64)
        yield _Figures(f"values of {name}", columns, np.full(len(columns), -1), values)


def _matrix(
    stage: str, values: npt.NDArray[np.float64], columns: npt.NDArray[np.int64]
) -> _Figures:
    count = values.shape[1]
    return _Figures(
        stage,
        np.repeat(columns, count),
        np.tile(np.arange(count), len(columns)),
        values.reshape(-1),
    )


def _records(stage: str, records: Any, names: Sequence[str]) -> _Figures:
    values = np.stack([records[name].astype(np.float64) for name in names], axis=1)
    return _Figures(
        stage,
        np.repeat(records["column"], len(names)),
        np.repeat(records["row"], len(names)),
        values.reshape(-1),
    )


def _compared(
    before: Checked | None, mine: _Figures, theirs: _Figures, about: tuple[int, str, Panel]
) -> Checked:
    cut, followed, panel = about
    count = before.compared if before is not None else 0
    leak = before.leak if before is not None else None
    first, second = mine.columns <= cut, theirs.columns <= cut
    size = min(int(first.sum()), int(second.sum()))
    if leak is None:
        place = _first_difference(mine, theirs, size)
        if place is not None:
            leak = _leak(mine, theirs, place, (cut, followed, panel))
        elif int(first.sum()) != int(second.sum()):
            longer = mine if first.sum() > second.sum() else theirs
            leak = _leak(longer, longer, size, (cut, followed, panel))
            leak = replace(leak, otherwise=float("nan"))
    return Checked(mine.stage, count + size, leak)


def _first_difference(mine: _Figures, theirs: _Figures, size: int) -> int | None:
    one, other = mine.values[:size], theirs.values[:size]
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    same &= (mine.columns[:size] == theirs.columns[:size]) & (
        mine.rows[:size] == theirs.rows[:size]
    )
    return None if same.all() else int(np.argmin(same))


def _leak(mine: _Figures, theirs: _Figures, place: int, about: tuple[int, str, Panel]) -> Leak:
    cut, followed, panel = about
    row = int(mine.rows[place])
    return Leak(
        stage=mine.stage,
        followed=followed,
        cut=panel.sessions[cut],
        session=panel.sessions[mine.columns[place]],
        ticker=panel.tickers[row] if row >= 0 else "",
        known=float(mine.values[place]),
        otherwise=float(theirs.values[place]),
    )
