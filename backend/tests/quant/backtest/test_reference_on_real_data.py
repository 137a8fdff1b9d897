"""The same agreement to the cent on real prices."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from app.quant.backtest.rules import Dividends, Fills, TradingRules
from app.quant.backtest.state import Why
from app.quant.backtest.tape import NEVER, Event, EventKind, ScoreTable, Tape
from app.quant.construction import ConstructionSettings
from app.quant.factors.score_history import score_history
from app.quant.factors.settings import ScoreSettings
from app.quant.factors.universe import UniverseRules
from app.quant.optimizers import MeanVariance
from app.quant.panel import Facts, FloatArray, Panel
from app.quant.stop_loss import StopPolicy
from tests.quant.backtest.markets import weekly
from tests.quant.backtest.test_reference import Case, require_same
from tests.shared_data import SHARED, needs_market_data


def real_market() -> tuple[Tape, Facts]:
    """250 liquid ETFs over 500 sessions with splits, dividends and missing bars put in: the closes
    of the file are adjusted, so that prices as traded follow from events, backwards in time."""
    bars = pl.read_parquet(SHARED / "data" / "etf_prices.parquet").filter(
        pl.col("date") >= pl.date(2022, 9, 1)
    )
    liquid = (
        bars.group_by("ticker")
        .agg(days=pl.len(), worth=(pl.col("close") * pl.col("volume")).median())
        .filter(pl.col("days") == pl.col("days").max())
        .sort("worth", "ticker", descending=[True, False])
        .head(250)["ticker"]
        .sort()
    )
    bars = bars.filter(pl.col("ticker").is_in(liquid.to_list()))
    days = bars["date"].unique().sort().to_numpy().astype("datetime64[D]")[:520]

    def matrix(column: str) -> FloatArray:
        wide = bars.sort("date").pivot("date", index="ticker", values=column).sort("ticker")
        return wide.drop("ticker").to_numpy().astype(np.float64)[:, :520]

    close, opens, volume = matrix("close"), matrix("open"), matrix("volume")
    adjusted = close.copy()
    random = np.random.default_rng(7)
    events = []
    for row in range(len(liquid)):
        column = int(random.integers(300, 500))
        if row % 3 == 0:
            ratio = Fraction(int(random.integers(1, 5)), int(random.integers(1, 5)))
            events.append(Event(EventKind.SPLIT, row, column, ratio))
            for prices in (close, opens):
                prices[row, :column] = np.round(prices[row, :column] * float(ratio), 4)
        for quarter in range(280, 520, 63):
            amount = Decimal(str(round(float(close[row, quarter - 1]) * 0.004, 4)))
            events.append(Event(EventKind.DIVIDEND, row, quarter, amount=amount, paid=quarter + 6))
    close[random.random(close.shape) < 0.002] = np.nan
    close[~(close > 0)] = adjusted[~(adjusted > 0)] = np.nan
    adjusted = np.where(np.isfinite(close), adjusted, np.nan)
    order = list(EventKind)
    tape = Tape(
        panel=Panel(tuple(liquid.to_list()), days, close, adjusted, volume),
        opens=opens,
        vix=np.full(520, 18.0),
        vix_age=np.zeros(520, np.int64),
        classes=np.zeros(len(liquid), np.int64),
        class_names=("all",),
        closed=np.full(len(liquid), NEVER),
        splits=frozenset((e.column, e.row) for e in events if e.kind is EventKind.SPLIT),
        events=tuple(sorted(events, key=lambda e: (e.column, order.index(e.kind), e.row))),
    )
    no = np.zeros(len(liquid), np.bool_)
    return tape, Facts(np.full(len(liquid), 0.001), no, no, np.full(len(liquid), "all"))


@needs_market_data
@pytest.mark.parametrize("fills", Fills)
def test_real_prices_with_splits_dividends_stops_and_missing_bars(fills: Fills) -> None:
    tape, facts = real_market()
    history = score_history(
        tape.panel,
        facts,
        ScoreSettings(universe=UniverseRules(max_missing=0.2)),
        tape.panel.sessions[260:],
    )
    rules = TradingRules(
        construction=ConstructionSettings(optimizer=MeanVariance()),
        stops=StopPolicy(fixed=0.05, use_vix_adjustment=False, cooldown_sessions=10),
        dividends=Dividends(on_pay_date=True, withholding=0.15, reinvest=True),
        fills=fills,
    )
    case = Case(
        tape,
        ScoreTable.of(history, tape.panel),
        rules,
        weekly(tape, first=260),
        Decimal(10_000_000),
    )
    simulation = require_same(case)
    kinds = set(simulation.trades["why"].tolist())
    assert {Why.ENTERS, Why.LEFT, Why.STOP, Why.DIVIDEND} <= kinds
    assert len(simulation.trades) > 300
