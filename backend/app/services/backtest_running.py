"""A backtest run: scores, simulation, report. Nothing is stored here."""

import threading
from collections import OrderedDict
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeAlias
from uuid import UUID

from app.market_data.snapshot import MarketSnapshot
from app.quant.backtest.report import Report, report
from app.quant.backtest.simulation import Simulation
from app.quant.backtest.tape import ScoreTable, Tape
from app.quant.errors import QuantError
from app.quant.factors.cross_section import Composite
from app.quant.factors.factor_history import FactorHistory
from app.quant.factors.score_history import ScoreHistory, combine, score_history
from app.quant.factors.scoring import FACTORS
from app.quant.factors.settings import FactorWeights, ScoreSettings
from app.quant.panel import SESSIONS_PER_YEAR
from app.schemas.settings import PortfolioSettings, Universe
from app.services import strategy
from app.services.backtesting import Life, benchmark_closes
from app.services.tapes import tape_of

REMEMBERED = 2
"""Score histories kept in memory: of thousands of ETFs over years each takes some 100 MB."""

QUICK_SECONDS = 0.2
SECONDS_PER_QUESTION = {False: 0.0001, True: 0.0007}
"""Of an optimizer that reads no risk, and of one that does."""
SECONDS_PER_SCORE = 1e-7
SECONDS_PER_SESSION = 2e-5


@dataclass(frozen=True, slots=True)
class Outcome:
    simulation: Simulation
    report: Report
    notes: tuple[str, ...]


def run(market: MarketSnapshot, life: Life) -> Outcome:
    """Raises QuantError, such as for a withdrawal of more than there is."""
    history = scores(market, life.settings)
    simulation = _simulated(market, life, history)
    found = report(
        simulation,
        rf=life.settings.risk_free_rate,
        benchmark=benchmark_closes(market, life),
    )
    return Outcome(simulation, found, tuple(history.factors.notes))


def simulated(market: MarketSnapshot, life: Life) -> Simulation:
    """The life alone, without a report; raises what `run` raises."""
    return _simulated(market, life, scores(market, life.settings))


def _simulated(market: MarketSnapshot, life: Life, history: ScoreHistory) -> Simulation:
    # The engine is compiled code: who only asks for an answer need not load it.
    from app.quant.backtest.engine import simulate  # noqa: PLC0415

    _engine_is_loaded.set()
    table = ScoreTable.of(history, market.panel)
    return simulate(tape(market), table, life.rules, life.timetable, life.capital)


def engine_is_compiled() -> bool:
    """Whether loading it takes a second, and not half a minute."""
    from app.quant import loading  # noqa: PLC0415

    return loading.is_compiled()


def engine_is_loaded() -> bool:
    return _engine_is_loaded.is_set()


def load_engine() -> None:
    """Have everything in memory that a run needs beside its market."""
    from app.quant import loading  # noqa: PLC0415

    loading.load()
    _engine_is_loaded.set()


_engine_is_loaded = threading.Event()


def is_quick(market: MarketSnapshot, life: Life) -> bool:
    """Whether an answer is expected within 200 ms."""
    if not _engine_is_loaded.is_set():
        return False
    sessions = life.timetable.last - life.timetable.first + 1
    asked = int(life.timetable.asks[life.timetable.first : life.timetable.last + 1].sum())
    reads_risk = life.rules.construction.optimizer.reads_risk
    seconds = sessions * SECONDS_PER_SESSION + asked * SECONDS_PER_QUESTION[reads_risk]
    rules = strategy.score_settings(life.settings)
    if _known_factors(market, life.settings.universe, rules) is None:
        seconds += market.panel.close.size * SECONDS_PER_SCORE
    return seconds < QUICK_SECONDS


def tape(market: MarketSnapshot) -> Tape:
    """Of the market as it is, made once."""
    found = _tapes.get(market.data_version)
    if found is None:
        _tapes.clear()
        found = _tapes[market.data_version] = tape_of(market)
    return found


_tapes: dict[UUID, Tape] = {}


def scores(market: MarketSnapshot, settings: PortfolioSettings) -> ScoreHistory:
    """Of every session that has a year before it; what prices say is remembered, and only weighed
    anew for other factor weights."""
    rules = strategy.score_settings(settings)
    found = _factors(market, settings.universe, rules)
    return combine(found, rules.weights, rules.composite)


def standard_factors(market: MarketSnapshot) -> FactorHistory:
    """The factors of the market's own scores, in the same sessions; at least those of `FACTORS`."""
    return _factors(market, Universe(), ScoreSettings())


def factor_history(
    market: MarketSnapshot, settings: PortfolioSettings, names: Collection[str]
) -> FactorHistory:
    """The z-scores of these factors, and maybe of others, as they are remembered for `scores`."""
    return _factors(market, settings.universe, strategy.score_settings(settings), names)


def _factors(
    market: MarketSnapshot, universe: Universe, rules: ScoreSettings, others: Collection[str] = ()
) -> FactorHistory:
    with _scoring:
        key = _key(market, universe, rules)
        found = _known_factors(market, universe, rules)
        if found is None or not set(others) <= set(found.names):
            before = _remembered[key].names if key in _remembered else ()
            found = _scored(market, universe, rules, {*FACTORS, *before, *others}).factors
            _remembered[key] = found
            while len(_remembered) > REMEMBERED:
                _remembered.popitem(last=False)
        _remembered.move_to_end(key)
        return found


def remember(market: MarketSnapshot, settings: PortfolioSettings) -> None:
    """Have scores at hand for the next run, unless others are being computed just now."""
    if _engine_is_loaded.is_set() and not _scoring.locked():
        with suppress(QuantError):  # the run itself says what is wrong
            scores(market, settings)


def _known_factors(
    market: MarketSnapshot, universe: Universe, rules: ScoreSettings
) -> FactorHistory | None:
    """What is remembered, if it has every factor that counts."""
    found = _remembered.get(_key(market, universe, rules))
    return found if found is not None and set(rules.weights.counted) <= set(found.names) else None


def _scored(
    market: MarketSnapshot, universe: Universe, rules: ScoreSettings, factors: set[str]
) -> ScoreHistory:
    panel = market.panel
    return score_history(
        panel,
        market.facts,
        rules,
        panel.sessions[SESSIONS_PER_YEAR:],
        among=strategy.chosen(market, universe),
        distributions=market.distributions,
        factors=factors,
    )


_Key: TypeAlias = tuple[UUID, Universe, ScoreSettings]
_remembered: OrderedDict[_Key, FactorHistory] = OrderedDict()
_scoring = threading.Lock()


def _key(market: MarketSnapshot, universe: Universe, rules: ScoreSettings) -> _Key:
    """What a factor history depends on: all but the weights and how they are combined."""
    unweighted = replace(rules, weights=FactorWeights(), composite=Composite.INTEGRATE)
    return market.data_version, universe, unweighted
