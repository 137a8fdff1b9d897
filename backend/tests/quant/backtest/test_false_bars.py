"""A false bar sells nothing once it is refused, and does when nobody looks at it."""

from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl

from app.market_data.files import BAR_COLUMNS
from app.market_data.plausibility import Before, sift
from app.market_data.validation import sort_bars
from app.quant.backtest.engine import simulate
from app.quant.backtest.rules import TradingRules
from app.quant.backtest.simulation import Simulation
from app.quant.backtest.state import Why
from app.quant.backtest.tape import NEVER, Tape
from app.quant.construction import ConstructionSettings
from app.quant.optimizers import Limits, Simple
from app.quant.panel import FloatArray, Panel
from app.quant.selection import SelectionRules
from tests.quant.backtest.markets import scores_of, weekly
from tests.shared_data import SHARED, needs_market_data

TICKERS = ["AGG", "GLD", "SCHX", "SPY"]
FIRST, LAST = date(2021, 2, 16), date(2022, 3, 31)
FALSE = np.datetime64("2022-02-11")
PAST = np.exp(np.random.default_rng(1).normal(0.0, 0.005, (4, 60)))
"""The file begins less than a year before the false bar: what a selection looks back on."""


def lived(bars: pl.DataFrame) -> Simulation:
    """Two names are held, SCHX for one, from before the false bar until long after it."""
    days = bars["date"].unique().sort()

    def matrix(column: str) -> FloatArray:
        rows = [
            days.to_frame().join(
                bars.filter(ticker=ticker), on="date", how="left", maintain_order="left"
            )[column]
            for ticker in TICKERS
        ]
        known = np.array([row.fill_null(float("nan")).to_numpy() for row in rows])
        return np.hstack([known[:, :1] * PAST, known])

    close = matrix("close")
    dates = days.to_numpy().astype("datetime64[D]")
    dates = np.concatenate([dates[0] - np.arange(PAST.shape[1], 0, -1), dates])
    panel = Panel(tuple(TICKERS), dates, close, close, matrix("volume"))
    tape = Tape(
        panel=panel,
        opens=matrix("open"),
        vix=np.full(len(dates), 20.0),
        vix_age=np.zeros(len(dates), np.int64),
        classes=np.zeros(len(TICKERS), np.int64),
        class_names=("all",),
        closed=np.full(len(TICKERS), NEVER),
    )
    rules = TradingRules(
        construction=ConstructionSettings(
            optimizer=Simple(),
            selection=SelectionRules(num_positions=2),
            limits=Limits(0.0, 1.0),
        )
    )
    first = int(np.searchsorted(panel.sessions, FALSE)) - 10
    return simulate(
        tape, scores_of(tape, [2, 0, 1, 3]), rules, weekly(tape, first=first), Decimal(100_000)
    )


def stops(simulation: Simulation) -> list[tuple[str, str]]:
    days = simulation.tape.panel.sessions
    fired = simulation.trades[simulation.trades["why"] == Why.STOP]
    return [(TICKERS[each["row"]], str(days[each["decided"]])) for each in fired]


@needs_market_data
def test_the_false_fall_of_schx_fires_no_stop_once_it_is_refused() -> None:
    prices = [pl.col(name).cast(pl.Float64) for name in list(BAR_COLUMNS)[2:]]
    rows = (
        pl.read_parquet(SHARED / "data" / "etf_prices.parquet")
        .filter(pl.col("ticker").is_in(TICKERS), pl.col("date").is_between(FIRST, LAST))
        .select("ticker", "date", *prices)
    )
    checked = sort_bars(rows, last_completed=LAST)
    believed = lived(checked.good)
    assert stops(believed) == [("SCHX", str(FALSE))]
    quarantined = lived(sift(checked, Before()).good)
    assert stops(quarantined) == []
    assert TICKERS.index("SCHX") in {held.row for held in quarantined.positions}
