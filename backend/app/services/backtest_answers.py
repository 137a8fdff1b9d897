"""What came of a backtest, as it is stored and answered."""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from app.core.money import market_value, to_cents
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest
from app.quant.backtest.report import Report
from app.quant.backtest.simulation import SimulatedTrade, Simulation
from app.quant.calendar_returns import PeriodReturn
from app.quant.measured import Measured, Missing, number
from app.quant.metrics import RELATIVE, Metrics
from app.quant.panel import FloatArray
from app.quant.returns import money_weighted
from app.schemas.backtest import (
    BacktestDetails,
    BacktestPosition,
    BacktestRead,
    BacktestReport,
    BacktestTrade,
    CaveatRead,
    CurvePoint,
    ExposureRead,
    Headline,
)
from app.schemas.performance import BenchmarkRead, MetricsRead, PeriodReturnRead
from app.services.backtest_running import Outcome
from app.services.backtesting import Life

NO_BENCHMARK = "the market has no prices of the benchmark throughout the run"
AGAINST = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown")


def headline(metrics: Metrics) -> Headline:
    return Headline(**{name: number(getattr(metrics, name)) for name in Headline.model_fields})


def report_of(market: MarketSnapshot, life: Life, outcome: Outcome) -> BacktestReport:
    found, simulation = outcome.report, outcome.simulation
    measured = {"turnover": found.turnover, "cost_drag": found.cost_drag}
    return BacktestReport(
        metrics=_metrics(life, simulation, found),
        benchmark=_benchmark(market, life, found),
        final_value=_cents(int(simulation.days["cash"][-1] + simulation.days["positions"][-1])),
        net_flow=_cents(int(simulation.days["flow"].sum())),
        turnover=number(found.turnover),
        cost_drag=number(found.cost_drag),
        bought=found.bought,
        sold=found.sold,
        costs=found.costs,
        income=found.income,
        interest=found.interest,
        trades=found.trades,
        stops_fired=found.stops_fired,
        rebalances=found.rebalances,
        decisions={because.name.lower(): count for because, count in found.decisions.items()},
        exposures=[ExposureRead.model_validate(each) for each in found.exposures],
        years=[_period(each) for each in found.years],
        months=[_period(each) for each in found.months],
        caveats=[CaveatRead.model_validate(each) for each in found.caveats],
        notes=[*outcome.notes, *_notes(market)],
        reasons=_reasons(measured),
    )


def packed(market: MarketSnapshot, outcome: Outcome) -> bytes:
    """Curve, positions and trades as compressed JSON."""
    details = BacktestDetails(
        curve=list(_curve(outcome)),
        positions=list(_positions(market, outcome.simulation)),
        trades=[_trade(market, each) for each in outcome.simulation.all_trades()],
    )
    return zlib.compress(details.model_dump_json().encode(), 6)


def read(
    row: Backtest, *, repeated: bool, curves: bool = True, trades: bool = True
) -> BacktestRead:
    """A kept run; `curves` and `trades` may be left out."""
    details = details_of(row) or {}
    shown = {name: getattr(row, name) for name in BacktestRead.model_fields if hasattr(row, name)}
    return BacktestRead.model_validate(
        {
            **shown,
            "settings_hash": row.settings_hash.hex(),
            "repeated": repeated,
            "curve": details.get("curve") if curves else None,
            "positions": details.get("positions"),
            "trades": details.get("trades") if trades else None,
        }
    )


def details_of(row: Backtest) -> dict[str, Any] | None:
    """Curve, positions and trades as JSON has them; None of a member of a sweep."""
    if row.details is None:
        return None
    details: dict[str, Any] = json.loads(zlib.decompress(row.details))
    return details


def returns_of(row: Backtest) -> FloatArray:
    return np.frombuffer(row.returns, "<f8")


def _metrics(life: Life, simulation: Simulation, found: Report) -> MetricsRead:
    reasons = found.metrics.reasons()
    if found.benchmark is None:
        reasons |= dict.fromkeys(RELATIVE, NO_BENCHMARK)
    rate = money_weighted(_flows(life, simulation)).rate
    if isinstance(rate, Missing):
        reasons["money_weighted_return"] = rate.reason
    values = {each.name: _known(getattr(found.metrics, each.name)) for each in fields(Metrics)}
    return MetricsRead(**values, money_weighted_return=number(rate), reasons=reasons)


def _flows(life: Life, simulation: Simulation) -> list[tuple[date, Decimal]]:
    """As the investor sees them: what goes in is negative."""
    days: list[date] = simulation.sessions.tolist()
    moved = np.flatnonzero(simulation.days["flow"]).tolist()
    last = simulation.days[-1]
    return [
        (days[0], -life.capital),
        *((days[day], -_cents(int(simulation.days["flow"][day]))) for day in moved),
        (days[-1], _cents(int(last["cash"] + last["positions"]))),
    ]


def _benchmark(market: MarketSnapshot, life: Life, found: Report) -> BenchmarkRead | None:
    if found.benchmark is None or life.benchmark is None:
        return None
    reasons = found.benchmark.reasons()
    return BenchmarkRead(
        ticker=life.benchmark,
        name=market.etfs[market.row(life.benchmark)].name,
        **{name: _known(getattr(found.benchmark, name)) for name in AGAINST},
        reasons={name: why for name, why in reasons.items() if name in AGAINST},
    )


def _notes(market: MarketSnapshot) -> Iterator[str]:
    if market.simulated:
        yield "The market is simulated: what works in it says nothing about any other."
    if market.adjusted_only:
        yield (
            "Prices are adjusted for splits and distributions: they are not those that were traded "
            "at, and dividends are in them."
        )


def _period(found: PeriodReturn) -> PeriodReturnRead:
    return PeriodReturnRead(
        period=found.period, value=number(found.value), benchmark=number(found.benchmark)
    )


def _curve(outcome: Outcome) -> Iterator[CurvePoint]:
    days, found = outcome.simulation.days, outcome.report
    theirs: Sequence[float | None] = [None] * len(days)
    if found.benchmark_growth is not None:
        theirs = found.benchmark_growth.tolist()
    for session, day, growth, drawdown, benchmark in zip(
        outcome.simulation.sessions.tolist(),
        days,
        found.growth.tolist(),
        found.drawdown.tolist(),
        theirs,
        strict=True,
    ):
        yield CurvePoint.model_construct(
            session=session,
            value=_cents(int(day["cash"] + day["positions"])),
            cash=_cents(int(day["cash"])),
            holdings=int(day["holdings"]),
            reduced=bool(day["reduced"]),
            growth=growth,
            drawdown=drawdown,
            benchmark_growth=benchmark,
        )


def _positions(market: MarketSnapshot, simulation: Simulation) -> Iterator[BacktestPosition]:
    total = float(simulation.values[-1])
    for held in simulation.positions:
        etf = market.etfs[held.row]
        value = market_value(held.quantity, held.price)
        yield BacktestPosition(
            ticker=etf.ticker,
            name=etf.name,
            asset_class=etf.asset_class,
            quantity=held.quantity,
            cost_basis=to_cents(held.cost_basis),
            price=held.price,
            value=value,
            weight=float(value) / total if total else 0.0,
            target_weight=held.target,
            opened_on=market.panel.sessions[held.opened].item(),
        )


def _trade(market: MarketSnapshot, trade: SimulatedTrade) -> BacktestTrade:
    days = market.panel.sessions
    return BacktestTrade.model_construct(
        session=days[trade.column].item(),
        decided_on=days[trade.decided].item(),
        ticker=market.panel.tickers[trade.row],
        side=trade.side,
        quantity=trade.quantity,
        ordered_quantity=trade.ordered,
        reference_price=trade.reference,
        price=trade.price,
        value=trade.gross,
        fee=trade.fee,
        net_amount=trade.net,
        cost=trade.cost,
        reason=trade.reason,
        of_daily_value=trade.of_volume,
    )


def _reasons(measured: dict[str, Measured]) -> dict[str, str]:
    return {name: value.reason for name, value in measured.items() if isinstance(value, Missing)}


def _known(value: Any) -> Any:
    return None if isinstance(value, Missing) else value


def _cents(amount: int) -> Decimal:
    return Decimal(amount).scaleb(-2)
