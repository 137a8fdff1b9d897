"""What the backtest benchmarks share: a market in memory, its scores, and rules to live by."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from time import perf_counter

import numpy as np
import polars as pl

from app.quant.backtest.engine import simulate
from app.quant.backtest.rules import Timetable, TradingRules
from app.quant.backtest.simulation import Simulation
from app.quant.backtest.tape import NEVER, ScoreTable, Tape
from app.quant.construction import ConstructionSettings
from app.quant.factors.score_history import ScoreHistory, score_history
from app.quant.factors.settings import ScoreSettings
from app.quant.optimizers import Optimizer
from app.quant.panel import Facts, FloatArray, Panel
from app.quant.stop_loss import StopPolicy
from benchmarks.real_prices import DATA, read_prices

CAPITAL = Decimal(1_000_000)
HISTORY = 252
STOPS = StopPolicy()


@dataclass(frozen=True, slots=True)
class Market:
    """Prices to trade at, facts, and the scores of every session with a year before it."""

    tape: Tape
    facts: Facts
    history: ScoreHistory
    table: ScoreTable
    real: bool

    @property
    def panel(self) -> Panel:
        return self.tape.panel


def market(file: str = "etf_prices.parquet", *, etfs: int = 2_383, sessions: int = 1_098) -> Market:
    """The real prices kept beside the project where there are any, else random walks."""
    real = (DATA / file).is_file()
    panel, opens, facts = read_prices(file) if real else invented_prices(etfs, sessions)
    return of(panel, opens, facts, real=real)


def of(panel: Panel, opens: FloatArray, facts: Facts, *, real: bool) -> Market:
    vix, age = _vix(panel) if real else (np.full(len(panel), 18.0), np.zeros(len(panel), np.int64))
    names, classes = np.unique(facts.asset_class.astype(str), return_inverse=True)
    tape = Tape(
        panel=panel,
        opens=opens,
        vix=vix,
        vix_age=age,
        classes=classes.astype(np.int64),
        class_names=tuple(names.tolist()),
        closed=np.full(len(panel.tickers), NEVER),
    )
    history = score_history(panel, facts, ScoreSettings(), panel.sessions[HISTORY:])
    return Market(tape, facts, history, ScoreTable.of(history, panel), real)


def weekly(panel: Panel, first: int = HISTORY) -> Timetable:
    days = panel.sessions
    asks = np.zeros(len(days), np.bool_)
    asks[1:] = np.diff((days.astype(np.int64) + 3) // 7) > 0
    gaps = np.diff(days, prepend=days[0]).astype(np.int64)
    return Timetable(first, len(days) - 1, asks, gaps)


def lived(known: Market, optimizer: Optimizer, stops: StopPolicy = STOPS) -> Simulation:
    """The default rules with this optimizer: drift bands, stops, costs, fills at the next open."""
    rules = TradingRules(construction=ConstructionSettings(optimizer=optimizer), stops=stops)
    return simulate(known.tape, known.table, rules, weekly(known.panel), CAPITAL)


def weights_after_trades(simulation: Simulation) -> tuple[FloatArray, FloatArray]:
    """The columns on which the simulation traded, and its weights at their closes, one row each."""
    close = simulation.tape.panel.close
    trades = simulation.trades
    columns = np.unique(trades["column"])
    signed = np.where(trades["buys"] == 1, trades["quantity"], -trades["quantity"]) / 1e6
    shares = np.zeros(close.shape[0])
    weights = np.zeros((len(columns), close.shape[0]))
    for place, column in enumerate(columns):
        mine = trades["column"] == column
        np.add.at(shares, trades["row"][mine], signed[mine])
        worth = np.where(shares > 1e-9, shares * np.nan_to_num(close[:, column]), 0.0)
        weights[place] = worth / simulation.values[column - simulation.first]
    return columns, weights


def timed(work: Callable[[], object], *, repeats: int) -> float:
    """The median of so many runs, in seconds."""
    seconds = []
    for _ in range(repeats):
        started = perf_counter()
        work()
        seconds.append(perf_counter() - started)
    return median(seconds)


def invented_prices(etfs: int, sessions: int) -> tuple[Panel, FloatArray, Facts]:
    random = np.random.default_rng(0)
    spread = np.linspace(0.003, 0.018, etfs)[:, None]
    common = random.normal(0.0003, 0.006, sessions)
    moves = common + random.normal(0.0, spread, (etfs, sessions))
    close = 50.0 * np.exp(np.cumsum(moves, axis=1))
    days = np.arange(np.datetime64("1990-01-01"), np.datetime64("2050-01-01"))
    days = days[np.is_busday(days)][:sessions]
    names = tuple(f"E{number:04d}" for number in range(etfs))
    facts = Facts(
        expense_ratio=np.linspace(0.0003, 0.0095, etfs),
        leveraged=np.zeros(etfs, np.bool_),
        inverse=np.zeros(etfs, np.bool_),
        asset_class=np.where(np.arange(etfs) % 3, "Equity", "Bonds"),
    )
    panel = Panel(names, days, close, close, np.full(close.shape, 1e6))
    opens = close * np.exp(random.normal(0.0, 0.001, close.shape))
    return panel, opens, facts


def _vix(panel: Panel) -> tuple[FloatArray, FloatArray]:
    table = pl.read_csv(DATA / "vix.csv", try_parse_dates=True)
    days = table["date"].to_numpy().astype("datetime64[D]")
    last = np.searchsorted(days, panel.sessions, side="right") - 1
    own = np.searchsorted(panel.sessions, days[last], side="right")
    return table["close"].to_numpy()[last], np.arange(1, len(panel) + 1) - own
