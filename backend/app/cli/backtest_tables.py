"""Backtests as people read them."""

import math
from collections.abc import Sequence

from app.cli.output import percent, print_facts, print_line, print_reasons, print_table
from app.schemas.backtest import (
    BacktestItem,
    BacktestRead,
    BacktestReport,
    ComparisonRead,
    CurvePoint,
    DifferenceRead,
    EvidenceRead,
    IntervalRead,
)
from app.schemas.performance import BenchmarkRead, MetricsRead

AGAINST = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown")
RATIOS = frozenset({"sharpe", "beta", "information_ratio"})
PLAIN = frozenset({"sharpe", "sortino", "calmar"})
MOST_TRADES = 10
WIDTH = 72
BARS = "▁▂▃▄▅▆▇█"


def print_list(found: Sequence[BacktestItem]) -> None:
    if not found:
        print_line("There are no such backtests.")
        return
    print_table(
        f"{len(found)} backtest{'s' if len(found) > 1 else ''}",
        ("id", "label", "market", "from", "to", "return", "sharpe", "drawdown", "withdrawn"),
        (
            (
                each.id,
                each.label,
                each.market,
                each.first_session,
                each.last_session,
                percent(each.headline.total_return),
                each.headline.sharpe,
                percent(each.headline.max_drawdown),
                each.withdrawn_reason,
            )
            for each in found
        ),
        wrapped="withdrawn",
    )


def print_run(found: BacktestRead) -> None:
    name = f"Backtest {found.id}" + (f", {found.label}" if found.label else "")
    print_line(f"{name}: {found.first_session} to {found.last_session}, market {found.market}")
    if found.repeated:
        print_line("It was run before on the same data: this is that run, and no further try.")
    if found.withdrawn_reason is not None:
        print_line(f"It was withdrawn, and counts as a try all the same: {found.withdrawn_reason}")
    if found.report is None:
        print_line(
            f"It is member {found.member} of sweep {found.sweep_id}, of which returns and these "
            "figures are kept; run its settings alone for trades and curves."
        )
        headline = found.headline.model_dump()
        print_facts(
            (name.replace("_", " "), value if name in PLAIN else percent(value))
            for name, value in headline.items()
        )
        return
    if found.curve:
        print_line()
        print_line(_sparkline(found.curve))
    _print_report(found.report)
    _print_positions(found)
    _print_trades(found)
    for caveat in found.report.caveats:
        print_line(f"- {caveat.message}")
    for note in found.report.notes:
        print_line(f"- {note}")
    print_reasons({**found.report.reasons, **found.report.metrics.reasons})


def _sparkline(curve: Sequence[CurvePoint]) -> str:
    """The growth over time: each sign is the mean of a part of the sessions."""
    size = max(len(curve) // WIDTH, 1)
    parts = [curve[k : k + size] for k in range(0, len(curve), size)]
    means = [sum(point.growth for point in part) / len(part) for part in parts]
    low, high = min(means), max(means)
    spread = (high - low) or 1.0
    return "".join(BARS[round((mean - low) / spread * (len(BARS) - 1))] for mean in means)


def _print_report(report: BacktestReport) -> None:
    mine, theirs = report.metrics, report.benchmark
    rows = [
        (name.replace("_", " "), _cell(name, mine), _cell(name, theirs))
        for name in (*AGAINST, "alpha", "beta", "information_ratio")
    ]
    print_table("Result", ("metric", "backtest", theirs.ticker if theirs else "benchmark"), rows)
    print_facts(
        (
            ("final value", report.final_value),
            ("turnover a year", percent(report.turnover)),
            ("costs", report.costs),
            ("costs a year", percent(report.cost_drag)),
            ("trades", report.trades),
            ("rebalances", report.rebalances),
            ("stops fired", report.stops_fired),
        )
    )
    print_table(
        "Years",
        ("year", "return", "benchmark"),
        ((each.period, percent(each.value), percent(each.benchmark)) for each in report.years),
    )
    print_table(
        "Exposure",
        ("asset class", "mean", "highest", "last"),
        (
            (each.name, percent(each.mean), percent(each.highest), percent(each.last))
            for each in report.exposures
        ),
    )


def _cell(name: str, of: MetricsRead | BenchmarkRead | None) -> object:
    value: float | None = getattr(of, name, None)
    return value if name in RATIOS else percent(value)


def _print_positions(found: BacktestRead) -> None:
    if found.positions:
        print_table(
            f"Held on {found.last_session}",
            ("ticker", "name", "shares", "price", "value", "weight"),
            (
                (
                    each.ticker,
                    each.name,
                    each.quantity,
                    each.price,
                    each.value,
                    percent(each.weight),
                )
                for each in found.positions
            ),
        )


def _print_trades(found: BacktestRead) -> None:
    if found.trades:
        latest = found.trades[-MOST_TRADES:]
        print_table(
            f"The last {len(latest)} of {len(found.trades)} trades (--csv FILE saves all)",
            ("session", "side", "ticker", "shares", "price", "cost", "reason"),
            (
                (
                    *(each.session, each.side, each.ticker),
                    *(each.quantity, each.price, each.cost, each.reason),
                )
                for each in latest
            ),
        )


def print_comparison(found: ComparisonRead) -> None:
    print_line(
        f"Backtest {found.first.id} less backtest {found.second.id}, on {found.sessions} sessions "
        "that both have:"
    )
    rows = (("mean return a year", found.mean, True), ("sharpe", found.sharpe, False))
    print_table(
        "Difference",
        ("of", "value", "standard error", "p value", "interval"),
        (
            (
                name,
                _figure(each.value, as_percent),
                _figure(each.error, as_percent),
                each.p_value,
                _range(each.interval, as_percent=as_percent),
            )
            for name, each, as_percent in rows
        ),
    )
    print_line(_verdict(found.mean))
    print_reasons({**found.reasons, **found.mean.reasons, **found.sharpe.reasons})


def _verdict(mean: DifferenceRead) -> str:
    if mean.p_value is None:
        return "Whether they differ cannot be said."
    if mean.p_value < 0.05:
        return "Luck alone would seldom make such a difference."
    return "Luck alone makes such a difference often: they cannot be told apart."


def _figure(value: float | None, as_percent: bool) -> object:
    return percent(value) if as_percent else value


def print_evidence(found: EvidenceRead) -> None:
    needed = found.min_track_record
    print_line(
        f"Backtest {found.backtest_id}: {found.trials} runs were made on the market "
        f"{found.market}, of which {found.distinct_trials} differ."
    )
    print_facts(
        (
            ("sharpe ratio", found.sharpe),
            ("best by luck alone", found.expected_maximum),
            ("probability that it is above zero", percent(found.psr)),
            ("deflated: that it is above luck", percent(found.dsr)),
            ("probability of overfitting", percent(found.pbo)),
            ("sessions", found.observations),
            ("sessions needed", needed if needed is None else math.ceil(needed)),
            ("sharpe interval", _range(found.sharpe_interval)),
            ("cagr interval", _range(found.cagr_interval, as_percent=True)),
            ("drawdown interval", _range(found.drawdown_interval, as_percent=True)),
        )
    )
    print_reasons(found.reasons)


def _range(found: IntervalRead | None, *, as_percent: bool = False) -> str | None:
    if found is None:
        return None
    if as_percent:
        return f"{found.low:.2%} to {found.high:.2%} ({found.confidence:.0%})"
    return f"{found.low:.2f} to {found.high:.2f} ({found.confidence:.0%})"
