"""What was measured of a track, as it is answered, whatever the track is of."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from app.core.money import to_cents
from app.market_data.snapshot import MarketSnapshot
from app.quant.activity import Expenses, yearly_share
from app.quant.benchmarks import SameFlows
from app.quant.calendar_returns import PeriodReturn
from app.quant.definitions.performance import DEFINITIONS
from app.quant.measured import Measured, Missing, number
from app.quant.metrics import RELATIVE, Metrics
from app.quant.panel import FloatArray
from app.quant.performance import (
    ONLY_RETURNS,
    Against,
    Path,
    Performance,
    analyse,
    days_with,
)
from app.quant.periods import Window
from app.quant.returns import MoneyWeighted, Outcome
from app.quant.rolling import FIGURES, Rolling
from app.quant.track import Money, Track
from app.schemas.performance import (
    ActivityRead,
    BenchmarkPart,
    ComparedRead,
    DrawdownRead,
    MetricsRead,
    MoneyWeightedRead,
    PerformancePoint,
    PeriodReturnRead,
    RollingRead,
    SameFlowsRead,
)
from app.schemas.performance_asked import PerformanceAsked
from app.schemas.trace import Trace
from app.services import benchmarks
from app.services.benchmarks import Benchmark

SHOWN_OF_BENCHMARK = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown")


@dataclass(frozen=True, slots=True)
class Traded:
    """What was bought, sold and paid for it within the period, and what the held funds charge."""

    bought: Decimal
    sold: Decimal
    costs: Decimal
    expenses: Expenses


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured, and how it was asked for: `benchmark` in the prices of `market`, both None
    where there is none; `inputs` are what else goes into the trace, and `command` names the track
    to the command line."""

    track: Track
    asked: PerformanceAsked
    risk_free_rate: float
    market: MarketSnapshot | None
    benchmark: str | None
    command: str
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Closes:
    """What is shown of the money at each of T closes; `carried`: a price was an old one."""

    values: Sequence[Decimal | None]
    cash: Sequence[Decimal | None]
    paid: Sequence[Decimal | None]
    carried: Sequence[bool]

    @classmethod
    def of(
        cls,
        track: Track,
        cash: Sequence[Decimal] | None = None,
        carried: Sequence[bool] | None = None,
    ) -> "Closes":
        """Of a whole track, and what else is known of its closes."""
        sessions, money = len(track.returns), track.money
        nothing = [None] * sessions
        return cls(
            nothing if money is None else [to_cents(value) for value in money.values[1:]],
            nothing if cash is None else cash,
            nothing if money is None else [to_cents(flow.total) for flow in money.flows],
            [False] * sessions if carried is None else carried,
        )

    def within(self, window: Window) -> "Closes":
        kept = slice(window.first, window.end - 1)
        return Closes(self.values[kept], self.cash[kept], self.paid[kept], self.carried[kept])


NO_BENCHMARK = Missing("no benchmark was asked for")


def figures(subject: Subject, traded: Traded | Missing, closes: Closes) -> dict[str, Any]:
    """The fields of `schemas.performance.FiguresRead`."""
    found, fields = measured(subject, traded)
    return fields | {"series": _series(found, closes)}


def measured(subject: Subject, traded: Traded | Missing) -> tuple[Performance, dict[str, Any]]:
    """What was found, and the same fields of it but for the series."""
    track, benchmark = subject.track, _benchmark(subject)
    found = analyse(
        track,
        rf=subject.risk_free_rate,
        benchmark=benchmark if isinstance(benchmark, Missing) else benchmark.returns,
        window=subject.asked.window,
    )
    reasons = {
        name: value.reason
        for name, value in (
            ("costs", traded),
            ("benchmark", benchmark),
            ("rolling", found.rolling),
        )
        if isinstance(value, Missing)
    }
    return found, {
        **_money(track, reasons),
        "costs": None if isinstance(traded, Missing) else to_cents(traded.costs),
        "metrics": metrics_read(found.metrics, found.money_weighted, benchmark),
        "money_weighted": money_weighted_read(found.money_weighted, days_with_money(track)),
        "benchmark": _compared(found, benchmark),
        "rolling": None if isinstance(found.rolling, Missing) else _rolling(found.rolling),
        "drawdowns": [DrawdownRead.model_validate(each) for each in found.drawdowns.deepest],
        "drawdown_count": found.drawdowns.count,
        "years": [period_read(each) for each in found.years],
        "months": [period_read(each) for each in found.months],
        "activity": _activity(track, traded),
        "reasons": reasons,
        "trace": _trace(subject, benchmark),
    }


def _benchmark(subject: Subject) -> Benchmark | Missing:
    if subject.market is None or subject.benchmark is None:
        return NO_BENCHMARK
    return benchmarks.over(
        subject.market,
        subject.benchmark,
        subject.track.dates,
        rebalanced=subject.asked.rebalanced,
        from_nothing=subject.track.from_nothing,
    )


def _trace(subject: Subject, benchmark: Benchmark | Missing) -> Trace:
    """The days are written out, so that a later answer to the command is of the same ones."""
    track, window = subject.track, subject.asked.window
    options = f"--start {track.start} --end {track.end} --window {window}"
    rebalanced = label = None
    if isinstance(benchmark, Benchmark):
        label, rebalanced = benchmark.label, benchmark.rebalanced
        options += f" --benchmark {label}"
        options += f" --rebalanced {rebalanced}" if rebalanced else ""
    inputs = {
        "start": track.start,
        "end": track.end,
        "sessions": len(track.returns),
        "flows": None if track.money is None else sum(bool(f.total) for f in track.money.flows),
        "risk_free_rate": subject.risk_free_rate,
        "benchmark": label,
        "rebalanced": rebalanced,
        "window": window,
        **subject.inputs,
    }
    return Trace.of(
        DEFINITIONS,
        inputs=inputs,
        data_version=None if subject.market is None else subject.market.data_version,
        command=f"etftrader {subject.command} {options}",
    )


def metrics_read(
    found: Metrics, weighted: MoneyWeighted | Missing, benchmark: object
) -> MetricsRead:
    """`benchmark` says why there is none, if it is Missing."""
    reasons = found.reasons()
    if isinstance(benchmark, Missing):
        reasons |= dict.fromkeys(RELATIVE, benchmark.reason)
    rate = weighted if isinstance(weighted, Missing) else weighted.rate
    if isinstance(rate, Missing):
        reasons["money_weighted_return"] = rate.reason
    values = {each.name: known(getattr(found, each.name)) for each in fields(found)}
    return MetricsRead(**values, money_weighted_return=number(rate), reasons=reasons)


def days_with_money(track: Track) -> int:
    values = () if track.money is None else track.money.values
    return days_with(track.days, [float(value) for value in values])


def money_weighted_read(found: MoneyWeighted | Missing, days: int) -> MoneyWeightedRead:
    """`days`: with money, which is what its rate is compounded over."""
    if isinstance(found, Missing):
        reasons = dict.fromkeys(("outcome", "rate", "over_period"), found.reason)
        return MoneyWeightedRead(
            outcome=None, rate=None, over_period=None, rates=[], reasons=reasons
        )
    rate = found.rate
    measured = {"rate": rate, "over_period": found.over(days)}
    return MoneyWeightedRead(
        outcome=found.outcome,
        rate=number(rate),
        over_period=number(measured["over_period"]),
        rates=[] if found.outcome is Outcome.TOO_SHORT else list(found.rates),
        reasons={
            name: value.reason for name, value in measured.items() if isinstance(value, Missing)
        },
    )


def period_read(found: PeriodReturn) -> PeriodReturnRead:
    return PeriodReturnRead(
        period=found.period, value=number(found.value), benchmark=number(found.benchmark)
    )


def known(value: Any) -> Any:
    return None if isinstance(value, Missing) else value


def _money(track: Track, reasons: dict[str, str]) -> dict[str, Decimal | None]:
    names = ("start_value", "end_value", "net_flow", "profit")
    money = track.money
    if money is None:
        reasons |= dict.fromkeys((*names, "series.value"), ONLY_RETURNS.reason)
        return dict.fromkeys(names)
    sums = (money.values[0], money.values[-1], money.net_flow, money.profit)
    return {name: to_cents(amount) for name, amount in zip(names, sums, strict=True)}


def _compared(found: Performance, benchmark: Benchmark | Missing) -> ComparedRead | None:
    if isinstance(benchmark, Missing) or isinstance(found.against, Missing):
        return None
    against = found.against
    reasons = {
        name: why for name, why in against.metrics.reasons().items() if name in SHOWN_OF_BENCHMARK
    }
    if isinstance(against.same_flows, Missing):
        reasons["same_flows"] = against.same_flows.reason
    return ComparedRead(
        ticker=benchmark.label,
        name=benchmark.parts[0].name if len(benchmark.parts) == 1 else None,
        **{name: known(getattr(against.metrics, name)) for name in SHOWN_OF_BENCHMARK},
        parts=[BenchmarkPart.model_validate(part) for part in benchmark.parts],
        rebalanced=benchmark.rebalanced,
        carried=benchmark.carried,
        same_flows=_same_flows(found.track, against.same_flows),
        reasons=reasons,
    )


def _same_flows(track: Track, found: SameFlows | Missing) -> SameFlowsRead | None:
    if isinstance(found, Missing) or track.money is None:
        return None
    money: Money = track.money
    end = _cents(float(found.values[-1]))
    return SameFlowsRead(
        end_value=end,
        profit=to_cents(end - money.values[0] - money.net_flow),
        difference=to_cents(money.values[-1] - end),
        money_weighted=money_weighted_read(
            found.money_weighted, days_with(track.days, found.values.tolist())
        ),
    )


def _rolling(found: Rolling) -> RollingRead:
    columns = {name: numbers(getattr(found, name)) for name in FIGURES}
    return RollingRead(window=found.window, sessions=found.dates.tolist(), **columns)


def _activity(track: Track, traded: Traded | Missing) -> ActivityRead:
    names = ("bought", "sold", "turnover", "cost_drag", "expense_ratio", "expenses_yearly")
    if isinstance(traded, Missing) or track.money is None:
        why = traded if isinstance(traded, Missing) else ONLY_RETURNS
        return ActivityRead(**dict.fromkeys(names, None), reasons=dict.fromkeys(names, why.reason))
    mean, sessions = track.money.mean(since=1 if track.from_nothing else 0), len(track.returns)
    measured: dict[str, Measured] = {
        "turnover": yearly_share(float(traded.bought + traded.sold) / 2.0, mean, sessions),
        "cost_drag": yearly_share(float(traded.costs), mean, sessions),
        "expense_ratio": traded.expenses.ratio,
        "expenses_yearly": traded.expenses.yearly,
    }
    yearly = number(traded.expenses.yearly)
    return ActivityRead(
        bought=to_cents(traded.bought),
        sold=to_cents(traded.sold),
        turnover=number(measured["turnover"]),
        cost_drag=number(measured["cost_drag"]),
        expense_ratio=number(measured["expense_ratio"]),
        expenses_yearly=None if yearly is None else _cents(yearly),
        reasons={
            name: value.reason for name, value in measured.items() if isinstance(value, Missing)
        },
    )


def _series(found: Performance, closes: Closes) -> list[PerformancePoint]:
    days, nothing = found.track.days[1:], [None] * len(found.track.returns)
    theirs: Sequence[Sequence[Any]] = [nothing] * 4
    if isinstance(found.against, Against):
        same = found.against.same_flows
        theirs = [*_path(found.against.path), _path_of_money(same, len(days))]
    shown = (days, closes.values, closes.cash, closes.paid, closes.carried)
    rows = zip(*shown, *_path(found.path), *theirs, strict=True)
    return _POINTS.validate_python([dict(zip(_COLUMNS, row, strict=True)) for row in rows])


_COLUMNS = tuple(PerformancePoint.model_fields)
_POINTS = TypeAdapter(list[PerformancePoint])
"""Makes them in a third of the time that their own constructors take."""


def _path(path: Path) -> list[list[float | None]]:
    """Daily returns, growth of one unit and drawdown, as columns."""
    return [numbers(path.returns), path.growth.tolist(), path.drawdown.tolist()]


def _path_of_money(found: SameFlows | Missing, sessions: int) -> Sequence[Decimal | None]:
    if isinstance(found, Missing):
        return [None] * sessions
    return [_cents(value) for value in found.values[1:].tolist()]


def numbers(values: FloatArray) -> list[float | None]:
    """JSON has no NaN."""
    if np.isfinite(values).all():
        return values.tolist()
    return [value if math.isfinite(value) else None for value in values.tolist()]


def _cents(amount: float) -> Decimal:
    return Decimal(f"{amount:.2f}")
