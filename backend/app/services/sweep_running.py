"""Members of a sweep simulated one after the other, with what they share worked out once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from app.core.progress import Progress
from app.market_data.snapshot import MarketSnapshot
from app.quant.backtest.rules import Timetable
from app.quant.backtest.simulation import Simulation
from app.quant.backtest.tape import ScoreTable
from app.quant.errors import QuantError
from app.quant.factors.settings import ScoreSettings
from app.quant.measured import Missing
from app.schemas.settings import Universe
from app.services import backtest_running, backtesting, strategy
from app.services.backtesting import Life
from app.services.sweep_members import Member

KEPT_TABLES = 2
"""Of thousands of ETFs over years each takes some 30 MB."""


@dataclass
class Bench:
    """A market, and the scores that were last asked of it. For one thread."""

    market: MarketSnapshot
    _tables: dict[tuple[Universe, ScoreSettings], ScoreTable] = field(default_factory=dict)

    def table(self, life: Life) -> ScoreTable:
        key = (life.settings.universe, strategy.score_settings(life.settings))
        found = self._tables.pop(key, None)
        if found is None:
            history = backtest_running.scores(self.market, life.settings)
            found = ScoreTable.of(history, self.market.panel)
        self._tables[key] = found
        while len(self._tables) > KEPT_TABLES:
            del self._tables[next(iter(self._tables))]
        return found


def all_simulated(
    bench: Bench, members: Sequence[Member], tell: Progress
) -> Iterator[tuple[Member, Simulation | Missing]]:
    """Each with its life, or the reason why it cannot be lived, such as an overdrawn book."""
    # The engine is compiled code: who only asks for a sweep need not load it.
    from app.quant.backtest.engine import simulate  # noqa: PLC0415

    tape = backtest_running.tape(bench.market)
    for done, member in enumerate(members):
        tell("simulating", done, len(members))
        life = backtesting.life_of(bench.market, member.spec)
        table = bench.table(life)
        try:
            lived = simulate(tape, table, life.rules, life.timetable, life.capital)
        except QuantError as error:
            yield member, Missing(str(error))
        else:
            yield member, lived


def lived_in_turn(bench: Bench, choices: Sequence[tuple[Member, int]]) -> Simulation | Missing:
    """One book that follows members in turn, each from a session of its life on, until the next.

    Sessions are counted from the first one that the members live through.
    """
    from app.quant.backtest.engine import Leg, in_turn  # noqa: PLC0415

    lives = [backtesting.life_of(bench.market, member.spec) for member, _ in choices]
    begins = [lives[0].timetable.first + begin for _, begin in choices]
    ends = [begin - 1 for begin in begins[1:]] + [lives[-1].timetable.last]
    legs = []
    for life, first, last in zip(lives, begins, ends, strict=True):
        table = _between(bench.table(life), first, last)
        legs.append(Leg(table, life.rules, _part(life.timetable, first, last)))
    try:
        return in_turn(backtest_running.tape(bench.market), legs, lives[0].capital)
    except QuantError as error:
        return Missing(str(error))


def _between(table: ScoreTable, first: int, last: int) -> ScoreTable:
    """Copied, so that the whole table is not kept for a part of it."""
    columns = np.arange(first, last + 1)
    scored = columns[table.line_of[columns] >= 0]
    line_of = np.full_like(table.line_of, -1)
    line_of[scored] = np.arange(len(scored))
    lines = table.line_of[scored]
    return ScoreTable(table.composite[lines], table.order[lines], line_of)


def _part(timetable: Timetable, first: int, last: int) -> Timetable:
    flows = {column: flow for column, flow in timetable.flows.items() if first <= column <= last}
    return replace(timetable, first=first, last=last, flows=flows)
