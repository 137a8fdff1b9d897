"""How a kept backtest did over a period, from its returns and the curve and trades beside them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from app.core.money import ZERO
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest
from app.quant import periods
from app.quant.activity import Expenses
from app.quant.book_over_time import BookOverTime
from app.quant.costs import Side
from app.quant.measured import Missing
from app.quant.performance import ONLY_RETURNS
from app.quant.periods import Period, Window
from app.quant.returns import Flow
from app.quant.track import Money, Track
from app.schemas.performance import BacktestPerformanceRead
from app.schemas.performance_asked import PerformanceAsked
from app.services import benchmarks, books_over_time, freshness
from app.services.backtest_answers import details_of, returns_of
from app.services.lifetimes import expenses_of
from app.services.performance_answers import Closes, Subject, Traded, figures


async def measure(
    market: MarketSnapshot,
    run: Backtest,
    asked: PerformanceAsked,
    *,
    now: datetime,
) -> BacktestPerformanceRead:
    """Everything that is said about a period of a run, and its daily series.

    The benchmark is in the market's prices of now. Raises `UnknownTicker` and `EmptyPeriod`.
    """
    if asked.benchmark is not None:
        benchmarks.require(market, asked.benchmark)
    details = details_of(run)
    whole = track_of(market, run, details)
    window = periods.between(
        whole.dates, start=asked.start, end=asked.end, period=asked.period or Period.ALL
    )
    track = whole.within(window)
    subject = Subject(
        track=track,
        asked=asked,
        risk_free_rate=float(run.spec["risk_free_rate"]),
        market=market,
        benchmark=asked.benchmark or run.spec["benchmark"] or market.benchmark,
        command=f"performance --backtest {run.id}",
        inputs={
            "data_version_of_run": str(run.data_version),
            "code_version_of_run": run.code_version,
        },
    )
    traded: Traded | Missing = ONLY_RETURNS
    cash = None
    if details is not None:
        cash = [Decimal(point["cash"]) for point in details["curve"][window.first + 1 : window.end]]
        book = await books_over_time.of_backtest(market, run)
        traded = _traded(market, details["trades"], track, (book, window))
    return BacktestPerformanceRead.model_construct(
        None,
        **freshness.as_of(market, now),
        backtest_id=run.id,
        label=run.label,
        withdrawn=run.withdrawn_at is not None,
        period=None if asked.start is not None else asked.period or Period.ALL,
        start=track.start,
        end=track.end,
        complete=window.complete,
        **figures(subject, traded, Closes.of(track, cash)),
    )


def track_of(market: MarketSnapshot, run: Backtest, details: dict[str, Any] | None) -> Track:
    """The whole run; of a member of a sweep only the returns are kept."""
    returns = returns_of(run)
    if details is not None:
        curve = details["curve"]
        dates = np.array([point["session"] for point in curve], "datetime64[D]")
        values = tuple(Decimal(point["value"]) for point in curve)
        flows = _flows(run, dates.tolist()[1:])
        return Track(dates, returns, Money(values, flows))
    first, last = market.column(run.first_session), market.column(run.last_session)
    return Track(market.panel.sessions[first : last + 1], returns)


def _flows(run: Backtest, days: list[date]) -> tuple[Flow, ...]:
    """Of the sessions after the first; what was paid in on the first is in its value."""
    paid: dict[date, Decimal] = {}
    for flow in run.spec["cash_flows"]:
        day = date.fromisoformat(flow["day"])
        paid[day] = paid.get(day, ZERO) + Decimal(flow["amount"])
    return tuple(Flow(paid.get(day, ZERO)) for day in days)


def _traded(
    market: MarketSnapshot,
    trades: list[dict[str, Any]],
    track: Track,
    held: tuple[BookOverTime | Missing, Window],
) -> Traded:
    after, end = track.start.isoformat(), track.end.isoformat()
    within = [trade for trade in trades if after < trade["session"] <= end]
    book, window = held
    if isinstance(book, Missing):
        charged = Expenses(book, book)
    else:
        weights = book.weights[window.first : window.end - 1]
        assert track.money is not None
        charged = expenses_of(market, book.rows, weights, track.money.capital)
    sums = {
        side: sum((Decimal(each["value"]) for each in within if each["side"] == side), ZERO)
        for side in Side
    }
    return Traded(
        bought=sums[Side.BUY],
        sold=sums[Side.SELL],
        costs=sum((Decimal(each["cost"]) for each in within), ZERO),
        expenses=charged,
    )
