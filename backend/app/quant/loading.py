"""Bringing machine code into memory before anybody waits for it.

Compiling takes most of a minute of one core, once per version of the sources and folder; loading
what was compiled takes a second. `python -m app.quant.loading` compiles.
"""

import fcntl
from decimal import Decimal
from pathlib import Path

import numpy as np

from app.quant import compiled
from app.quant.backtest.engine import simulate
from app.quant.backtest.rules import Timetable, TradingRules
from app.quant.backtest.tape import NEVER, ScoreTable, Tape
from app.quant.construction import ConstructionSettings
from app.quant.factors.cross_section import Composite
from app.quant.factors.score_history import recombine, score_history
from app.quant.factors.scoring import score
from app.quant.factors.settings import FactorWeights
from app.quant.optimizers import Limits
from app.quant.panel import Facts, FloatArray, Panel
from app.quant.research.signals import Question, signals
from app.quant.research.study import Settings, study
from app.quant.selection import SelectionRules

ETFS, SESSIONS, HISTORY = 4, 270, 253


def is_compiled() -> bool:
    """Whether somebody has compiled all of it before, so that loading takes a second."""
    mark = _mark()
    return mark is not None and mark.exists()


def load() -> None:
    """Score, simulate and study a few sessions of four invented ETFs: that needs every kernel."""
    random = np.random.default_rng(0)
    moves = random.normal(0.0, 0.01, (ETFS, SESSIONS))
    close = 100.0 * np.exp(np.cumsum(moves, axis=1))
    panel = _panel(close)
    _score(panel)
    close.flags.writeable = False  # as arrays are that are mapped from files
    _score(_panel(close))
    _simulate(panel)
    _study(panel)
    if (mark := _mark()) is not None:
        mark.touch()


def _panel(close: FloatArray) -> Panel:
    volume = np.full(close.shape, 1e9)
    volume.flags.writeable = close.flags.writeable
    days = np.datetime64("2020-01-01") + np.arange(SESSIONS)
    return Panel(tuple("ABCD"), days, close, close, volume)


def _score(panel: Panel) -> None:
    no = np.zeros(ETFS, np.bool_)
    facts = Facts(np.linspace(0.001, 0.004, ETFS), no, no, np.full(ETFS, "all"))
    history = score_history(panel, facts)
    recombine(history, FactorWeights(momentum=1.0, quality=1.0), Composite.MIX)
    score(panel, facts)
    score(panel.first(SESSIONS - 1), facts)


def _simulate(panel: Panel) -> None:
    tape = Tape(
        panel=panel,
        opens=panel.close,
        vix=np.full(SESSIONS, 20.0),
        vix_age=np.zeros(SESSIONS, np.int64),
        classes=np.zeros(ETFS, np.int64),
        class_names=("all",),
        closed=np.full(ETFS, NEVER),
    )
    scores = ScoreTable(
        np.tile(np.linspace(1.0, 0.5, ETFS), (SESSIONS, 1)),
        np.tile(np.arange(ETFS, dtype=np.int32), (SESSIONS, 1)),
        np.arange(SESSIONS),
    )
    rules = TradingRules(
        construction=ConstructionSettings(
            selection=SelectionRules(num_positions=2), limits=Limits(0.0, 1.0, 0.0)
        )
    )
    asks = np.ones(SESSIONS, np.bool_)
    timetable = Timetable(HISTORY, SESSIONS - 1, asks, np.ones(SESSIONS, np.int64))
    simulate(tape, scores, rules, timetable, Decimal(100_000))


def _study(panel: Panel) -> None:
    no = np.zeros(ETFS, np.bool_)
    facts = Facts(np.linspace(0.001, 0.004, ETFS), no, no, np.full(ETFS, "all"))
    history = score_history(panel, facts, sessions=panel.sessions[HISTORY - 1 :]).factors
    columns = np.arange(HISTORY - 1, SESSIONS)
    found = signals(history, columns, facts.asset_class, Question("momentum", ("value",), 0))
    settings = Settings(horizons=(1, 2), quantiles=2)
    study(found, panel, panel.close, settings, regimes=["any"] * len(columns), joined=True)


def _mark() -> Path | None:
    return None if compiled.FOLDER is None else compiled.FOLDER / "complete"


def compile_alone() -> None:
    """Compile, unless another process is at it."""
    if compiled.FOLDER is None or is_compiled():
        return
    with (compiled.FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        load()


if __name__ == "__main__":
    compile_alone()
