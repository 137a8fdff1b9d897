"""A simulation is what a slow, plain reading of its rules gives, to the cent."""

from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

import numpy as np

from app.quant.backtest.engine import simulate
from app.quant.backtest.rules import Dividends, Fills, Timetable, TradingRules
from app.quant.backtest.simulation import Simulation
from app.quant.backtest.state import Because, Why
from app.quant.backtest.tape import NEVER, Event, EventKind, ScoreTable, Tape
from app.quant.construction import ConstructionSettings
from app.quant.costs import CostModel, PerOrder, Proportional, SquareRootImpact
from app.quant.drift import DriftMode, DriftPolicy
from app.quant.exposure import ExposurePolicy
from app.quant.optimizers import Limits, MeanVariance, MinimumVariance, RankBased, Simple
from app.quant.orders import OrderSettings
from app.quant.panel import FloatArray, Panel
from app.quant.selection import SelectionRules
from app.quant.stop_loss import StopPolicy
from tests.quant.backtest.markets import HISTORY, sessions_of, weekly
from tests.quant.backtest.reference import Life

ETFS, LIVED = 14, 90


@dataclass(frozen=True)
class Case:
    tape: Tape
    scores: ScoreTable
    rules: TradingRules
    timetable: Timetable
    capital: Decimal


def require_same(case: Case) -> Simulation:
    fast = simulate(case.tape, case.scores, case.rules, case.timetable, case.capital)
    slow = Life(case.tape, case.scores, case.rules, case.timetable, case.capital).live()
    traded = [
        (each.column, each.row, each.side, each.quantity, each.price, each.fee, each.net)
        for each in fast.all_trades()
        if each.why is not Why.CLOSURE
    ]
    expected = [
        (each.column, each.row, each.side, each.quantity, each.price, each.fee, each.net)
        for each in slow.trades
    ]
    for number, (mine, theirs) in enumerate(zip(traded, expected, strict=False)):
        assert mine == theirs, f"trade {number}"
    assert len(traded) == len(expected)
    closes = [
        (Decimal(int(day["cash"])).scaleb(-2), Decimal(int(day["positions"])).scaleb(-2))
        for day in fast.days
    ]
    assert closes == slow.closes
    unanswered = {Because.NO_SCORES, Because.SHORT_HISTORY, Because.NO_WEIGHTS}
    found = [int(each["column"]) for each in fast.decisions if each["because"] in unanswered]
    assert found == slow.undecided
    return fast


def prices(random: np.random.Generator, count: int) -> FloatArray:
    """Walks in cents with gaps, falls and names that hardly move."""
    spread = random.uniform(0.004, 0.03, (ETFS, 1))
    moves = random.normal(0.0, spread, (ETFS, count))
    moves[random.random(moves.shape) < 0.004] -= 0.15
    close: FloatArray = np.round(random.uniform(4.0, 400.0, (ETFS, 1)) * np.exp(moves.cumsum(1)), 2)
    close = np.maximum(close, 0.01)
    close[random.random(close.shape) < 0.004] = np.nan
    silent = int(random.integers(ETFS))
    begins = int(random.integers(HISTORY, count))
    close[silent, begins : begins + 9] = np.nan
    return close


def events_of(random: np.random.Generator, count: int) -> tuple[Event, ...]:
    found = []
    for column in range(HISTORY + 1, count):
        for row in np.flatnonzero(random.random(ETFS) < 0.02).tolist():
            kind = random.choice(list(EventKind), p=[0.3, 0.65, 0.05])
            ratio = Fraction(1)
            amount: Decimal | None = None
            if kind == EventKind.SPLIT:
                ratio = Fraction(int(random.integers(1, 8)), int(random.integers(1, 8)))
            elif kind == EventKind.DIVIDEND or random.random() < 0.5:
                amount = Decimal(int(random.integers(1, 9_999_999))).scaleb(-6)
            paid = column + int(random.integers(0, 12))
            found.append(Event(EventKind(kind), row, column, ratio, amount, paid))
    order = list(EventKind)
    return tuple(sorted(found, key=lambda each: (each.column, order.index(each.kind), each.row)))


def rules_of(random: np.random.Generator) -> TradingRules:
    positions = int(random.integers(2, 8))
    optimizer = random.choice(
        [Simple(), RankBased(), MinimumVariance(), MeanVariance()]  # type: ignore[arg-type]
    )
    costs = CostModel(
        frictions=(
            Proportional(Decimal(str(random.choice([0.0, 0.0005, 0.00123456789, 0.01])))),
            SquareRootImpact(Decimal(str(random.choice([0.0, 0.1, 2.5])))),
        ),
        fees=(PerOrder(Decimal(str(random.choice([0.0, 1.0, 7.35])))),),
    )
    return TradingRules(
        construction=ConstructionSettings(
            optimizer=optimizer,
            selection=SelectionRules(
                positions, float(random.choice([0.3, 0.98])), float(random.choice([1.0, 1.5]))
            ),
            limits=Limits(
                0.0,
                float(random.choice([1.0, 0.6])),
                float(random.choice([0.0, 0.02, 0.013])),
                {"bonds": 0.7} if random.random() < 0.25 else {},
            ),
            costs=costs,
            lookback=int(random.choice([60, 252])),
        ),
        drift=DriftPolicy(
            mode=random.choice(list(DriftMode)),
            threshold=float(random.choice([0.01, 0.05])),
        ),
        orders=OrderSettings(
            min_trade=Decimal(str(random.choice([0.0, 0.005, 0.02]))),
            fractional=bool(random.random() < 0.4),
        ),
        stops=StopPolicy(
            use_vix_adjustment=bool(random.random() < 0.5),
            trailing=bool(random.random() < 0.4),
            fixed=float(random.choice([0.03, 0.08, 0.12])),
            cooldown_sessions=int(random.choice([0, 5, 21])),
        ),
        stops_sell=bool(random.random() < 0.85),
        exposure=ExposurePolicy(
            reduce_at=float(random.choice([0.03, 0.2])),
            restore_below=0.01,
            restore_after=int(random.choice([5, 63])),
            reduced=float(random.choice([0.0, 0.5])),
        ),
        dividends=Dividends(
            on_pay_date=bool(random.random() < 0.5),
            withholding=float(random.choice([0.0, 0.15])),
            reinvest=bool(random.random() < 0.5),
        ),
        volume_share=float(random.choice([0.1, 0.001])),
        refuse_oversized=bool(random.random() < 0.3),
        fills=random.choice(list(Fills)),
        cash_yield=float(random.choice([0.0, 0.0365, 0.05])),
    )


def drawn(seed: int) -> Case:
    random = np.random.default_rng(seed)
    count = HISTORY + LIVED
    close = prices(random, count)
    opens = np.round(close * np.exp(random.normal(0.0, 0.01, close.shape)), 2)
    opens[random.random(opens.shape) < 0.005] = np.nan
    volume = random.lognormal(11.0, 1.5, close.shape)
    volume[random.random(volume.shape) < 0.02] = np.nan
    panel = Panel(
        tuple(f"E{row:02d}" for row in range(ETFS)), sessions_of(count), close, close, volume
    )
    events = events_of(random, count)
    closed = np.full(ETFS, NEVER)
    for event in events:
        if event.kind is EventKind.CLOSURE:
            closed[event.row] = min(closed[event.row], event.column)
    tape = Tape(
        panel=panel,
        opens=opens,
        vix=random.uniform(10.0, 40.0, count),
        vix_age=random.integers(0, 6, count),
        classes=random.integers(0, 2, ETFS),
        class_names=("bonds", "shares"),
        closed=closed,
        splits=frozenset((e.column, e.row) for e in events if e.kind is EventKind.SPLIT),
        events=events,
    )
    timetable = weekly(tape, by_drift=bool(random.random() < 0.3))
    if timetable.by_drift:
        timetable = replace(timetable, asks=np.zeros(count, np.bool_))
    flows = {
        int(column): Decimal(int(random.integers(0, 2_000_000))).scaleb(-2)
        for column in random.integers(HISTORY, count, 3)
    }
    return Case(
        tape,
        table_of(random, close),
        rules_of(random),
        replace(timetable, flows=flows),
        Decimal(int(random.integers(100_000, 100_000_000))).scaleb(-2),
    )


def table_of(random: np.random.Generator, close: FloatArray) -> ScoreTable:
    """Composites that wander slowly; a name without a close has none."""
    walk = np.cumsum(random.normal(0.0, 0.05, close.shape), axis=1) + random.normal(
        0.0, 0.5, (ETFS, 1)
    )
    composite = np.where(np.isfinite(close), 1.0 / (1.0 + np.exp(-walk)), np.nan).T
    order = np.argsort(-np.nan_to_num(composite, nan=-1.0), axis=1, kind="stable").astype(np.int32)
    for line, known in enumerate(np.isfinite(composite).sum(axis=1)):
        order[line, known:] = -1
    line_of = np.arange(close.shape[1])
    line_of[HISTORY + 30 : HISTORY + 32] = -1
    return ScoreTable(np.ascontiguousarray(composite), order, line_of)


def test_drawn_rules_on_drawn_markets(*, long: bool) -> None:
    kinds: Counter[Why] = Counter()
    for seed in range(5_000 if long else 60):
        try:
            simulation = require_same(drawn(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
        kinds.update(Why(why) for why in simulation.trades["why"].tolist())
    assert kinds.keys() == set(Why), "every kind of trade is to be met"
