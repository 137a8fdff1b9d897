"""Performance as people read it."""

from app.cli.output import (
    describe,
    percent,
    print_facts,
    print_line,
    print_reasons,
    print_table,
)
from app.schemas.performance import (
    BacktestPerformanceRead,
    BenchmarkRead,
    ComparedRead,
    DrawdownRead,
    FiguresRead,
    MetricsRead,
    MoneyWeightedRead,
    PerformanceRead,
    PeriodRead,
    PeriodReturnRead,
    SeriesPerformanceRead,
)

PERCENTAGES = (
    *("total_return", "money_weighted_return", "cagr", "volatility", "max_drawdown", "win_rate"),
    *("var_95", "var_99", "cvar_95", "cvar_99", "alpha", "tracking_error"),
)
RATIOS = (
    *("sharpe", "sortino", "calmar", "skew", "kurtosis"),
    *("beta", "information_ratio", "up_capture", "down_capture"),
)
NAMES = {
    "total_return": "time-weighted, whole period",
    "money_weighted_return": "money-weighted, a year",
    "cagr": "time-weighted, a year (CAGR)",
}
"""Where the field's own does not tell one figure from another."""
SHOWN_DRAWDOWNS = 5


def show(
    found: PerformanceRead | BacktestPerformanceRead | SeriesPerformanceRead,
) -> None:
    _show_span(found)
    _show_money(found)
    _show_metrics(found.metrics, found.benchmark)
    _show_extremes(found.metrics)
    if found.benchmark is not None:
        _show_same_flows(found.benchmark)
    _show_rolling(found)
    _show_drawdowns(found.drawdowns, found.drawdown_count)
    _show_years(found.years)
    print_reasons({**found.metrics.reasons, **found.activity.reasons, **found.reasons})
    print_line(f"Again: {found.trace.command}")


def _show_span(
    found: PerformanceRead | BacktestPerformanceRead | SeriesPerformanceRead,
) -> None:
    if isinstance(found, PerformanceRead):
        _show_period(found)
        return
    days = f"{found.start} to {found.end}"
    if isinstance(found, BacktestPerformanceRead):
        name = f"Backtest {found.backtest_id}" + (f", {found.label}" if found.label else "")
        print_line(f"{name}, {days} ({describe(found)})")
    else:
        about = f" ({describe(found.prices)})" if found.prices else ""
        print_line(f"{found.name or 'Series'}, {days}{about}")


def _show_money(found: FiguresRead) -> None:
    traded, weighted = found.activity, found.money_weighted
    facts: dict[str, object] = {
        "start value": found.start_value,
        "end value": found.end_value,
        "net flow": found.net_flow,
        "profit": found.profit,
        "time-weighted, whole period": percent(found.metrics.total_return),
        "money-weighted, whole period": percent(weighted.over_period),
        "costs": found.costs,
        "costs a year": percent(traded.cost_drag),
        "turnover a year": percent(traded.turnover),
        "expense ratio": percent(traded.expense_ratio),
        "expenses a year": traded.expenses_yearly,
    }
    shown = [(name, value) for name, value in facts.items() if value is not None]
    if shown:
        print_facts(shown)
    _say_rates(weighted)


def _say_rates(found: MoneyWeightedRead) -> None:
    if len(found.rates) > 1:
        rates = ", ".join(f"{rate:.2%}" for rate in found.rates)
        print_line(f"Several money-weighted returns a year explain the flows: {rates}.")


def _show_metrics(metrics: MetricsRead, against: BenchmarkRead | None) -> None:
    rows = [
        (NAMES.get(name, name.replace("_", " ")), _cell(metrics, name), _cell(against, name))
        for name in (*PERCENTAGES, *RATIOS)
    ]
    known = [row for row in rows if row[1:] != (None, None)]
    if known:
        print_line()
        columns = ("metric", "measured", against.ticker if against else "benchmark")
        print_table(f"Sessions with a return: {metrics.observations}", columns, known)


def _cell(metrics: MetricsRead | BenchmarkRead | None, name: str) -> object:
    value = getattr(metrics, name, None)
    return percent(value) if name in PERCENTAGES else value


def _show_extremes(metrics: MetricsRead) -> None:
    for name in ("best_day", "worst_day", "best_month", "worst_month"):
        extreme = getattr(metrics, name)
        if extreme is not None:
            words = name.replace("_", " ").capitalize()
            print_line(f"{words} {extreme.value:.2%}, ended on {extreme.on}.")


def _show_same_flows(found: ComparedRead) -> None:
    if found.carried:
        print_line(
            f"On {found.carried} sessions {found.ticker} had no price of its own: "
            "an older one counts."
        )
    if found.rebalanced is not None:
        print_line(f"The blend {found.ticker} is put back to its weights {found.rebalanced}.")
    same = found.same_flows
    if same is not None:
        rate = same.money_weighted.rate
        yearly = "" if rate is None else f", money-weighted {rate:.2%} a year"
        print_line(
            f"The same cash flows in {found.ticker}: {same.end_value:,} USD in the end{yearly}; "
            f"the difference is {same.difference:,} USD."
        )


def _show_rolling(found: FiguresRead) -> None:
    rolling = found.rolling
    if rolling is None or not rolling.sessions:
        return
    columns = ("figure", "lowest", "latest", "highest")
    rows = []
    for name in ("total_return", "volatility", "sharpe", "max_drawdown", "beta"):
        values = [value for value in getattr(rolling, name) if value is not None]
        if values:
            shown = (min(values), getattr(rolling, name)[-1], max(values))
            cells = map(percent, shown) if name in PERCENTAGES else shown
            rows.append((name.replace("_", " "), *cells))
    if rows:
        print_table(f"Of every {rolling.window} sessions", columns, rows)


def _show_drawdowns(found: list[DrawdownRead], count: int) -> None:
    if found:
        print_table(
            f"The deepest of {count} drawdowns",
            ("depth", "peak", "trough", "recovery", "sessions"),
            [
                (percent(each.depth), each.peak, each.trough, each.recovery, each.sessions)
                for each in found[:SHOWN_DRAWDOWNS]
            ],
        )


def _show_years(found: list[PeriodReturnRead]) -> None:
    if found:
        print_table(
            "Years",
            ("year", "return", "benchmark"),
            [(each.period, percent(each.value), percent(each.benchmark)) for each in found],
        )


def _show_period(found: PeriodRead) -> None:
    name = found.period or "days asked for"
    print_line(
        f"Portfolio {found.portfolio_id}, {name}: {found.start} to {found.end} "
        f"({describe(found)})"
    )
    if found.replay_note:
        print_line(found.replay_note)
