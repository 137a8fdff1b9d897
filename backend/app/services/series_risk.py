"""The risk of a series that somebody brings: the part of it that returns alone allow."""

from datetime import datetime

import numpy as np

from app.market_data.snapshot import MarketSnapshot
from app.quant import periods
from app.quant.definitions.risk import DEFINITIONS
from app.quant.measured import Missing, number
from app.quant.panel import FloatArray
from app.quant.periods import Period
from app.quant.risk import series as series_of_returns
from app.quant.risk.holding import beta_of
from app.quant.risk.tails import WINDOW
from app.quant.risk.volatilities import Estimate
from app.quant.track import Track
from app.schemas.market import AsOf
from app.schemas.performance_asked import SeriesIn
from app.schemas.risk import SeriesRiskAnswer
from app.schemas.trace import Trace
from app.services import benchmarks, freshness, risk, risk_answers
from app.services.series_performance import track_of

OF_SERIES = ("beta", "beta_error", "volatility", "shrinkage", "tails", "coverage", "drawdown")


def assess(market: MarketSnapshot | None, series: SeriesIn, *, now: datetime) -> SeriesRiskAnswer:
    """With the prices of `market` for its benchmark: None where it asks for none.

    Raises `UnknownTicker` and `EmptyPeriod`.
    """
    if market is not None and series.benchmark is not None:
        benchmarks.require(market, series.benchmark)
    whole = track_of(series)
    track = whole.within(
        periods.between(
            whole.dates, start=series.start, end=series.end, period=series.period or Period.ALL
        )
    )
    slope = _beta(market, series, track)
    fallen = risk.drawdown(track.returns)
    named = {"drawdown": fallen, "beta": slope.value, "beta_error": slope.error}
    return SeriesRiskAnswer(
        name=series.name,
        prices=None if market is None else AsOf(**freshness.as_of(market, now)),
        start=track.start,
        end=track.end,
        benchmark=series.benchmark,
        **{name: number(value) for name, value in named.items()},
        own=risk_answers.series(series_of_returns.of_series(track.returns)),
        reasons=risk_answers.reasons_of(named),
        trace=_trace(market, series, track),
    )


def _beta(market: MarketSnapshot | None, series: SeriesIn, track: Track) -> Estimate:
    if market is None or series.benchmark is None:
        return Estimate.missing(Missing("no benchmark was asked for"))
    found = benchmarks.over(market, series.benchmark, track.dates, rebalanced=series.rebalanced)
    if isinstance(found, Missing):
        return Estimate.missing(found)
    recent: FloatArray = track.returns[-WINDOW:]
    known = np.isfinite(recent)
    return beta_of(recent[known], found.returns[-WINDOW:][known])


def _trace(market: MarketSnapshot | None, series: SeriesIn, track: Track) -> Trace:
    asked = {name: getattr(series, name) for name in ("period", "start", "end", "benchmark")}
    if market is not None:
        asked |= {"rebalanced": series.rebalanced, "market": market.code}
    options = "".join(f" --{name} {value}" for name, value in asked.items() if value is not None)
    return Trace.of(
        {name: each for name, each in DEFINITIONS.items() if name.startswith(OF_SERIES)},
        inputs={
            "given": "values" if series.returns is None else "returns",
            "start": track.start.isoformat(),
            "end": track.end.isoformat(),
            "benchmark": series.benchmark,
            "benchmark_rebalanced": None if market is None else series.rebalanced,
            **risk_answers.method(),
        },
        data_version=None if market is None else market.data_version,
        command=f"etftrader risk --file FILE.csv{options} --json",
    )
