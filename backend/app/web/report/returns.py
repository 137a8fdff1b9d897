"""The sections about returns: growth and falls, rolling and calendar figures, all figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.quant.definitions.performance import DEFINITIONS as PERFORMANCE
from app.quant.definitions.report import DEFINITIONS
from app.schemas.performance import (
    BenchmarkRead,
    DatedReturn,
    DrawdownRead,
    FiguresRead,
    MetricsRead,
    PeriodReturnRead,
)
from app.web import figures, formats
from app.web.figures import Line, Role
from app.web.report.blocks import (
    Absent,
    Block,
    Cell,
    Chart,
    Section,
    Table,
    Tile,
    number,
    rows,
    whole,
)
from app.web.report.explaining import explained
from app.web.report.track import Track, column

FEWEST = 2
"""Returns that a figure of them needs; with fewer there is nothing to see."""
TOO_FEW = "the period has fewer than two sessions with a return"

HEADLINE = {
    "total_return": "total return",
    "cagr": "CAGR",
    "volatility": "volatility",
    "sharpe": "Sharpe ratio",
    "max_drawdown": "max drawdown",
}
FRACTIONS = frozenset(
    {
        *(
            "total_return",
            "money_weighted_return",
            "cagr",
            "volatility",
            "max_drawdown",
            "win_rate",
        ),
        *("var_95", "var_99", "cvar_95", "cvar_99", "alpha", "tracking_error"),
    }
)
ROLLING = {"sharpe": "", "volatility": "~%", "beta": ""}
"""What is drawn of the rolling figures, and its unit."""


def growth(found: FiguresRead, track: Track, called: str) -> Section:
    blocks: list[Block] = []
    for name in ("growth", "drawdown"):
        about = PERFORMANCE[name]
        if track.returns_known < FEWEST:
            blocks.append(Absent(name, about.title, TOO_FEW))
            continue
        lines = [Line(called, getattr(track, name))]
        if track.benchmark is not None:
            theirs = getattr(track, f"benchmark_{name}")
            lines.append(Line(track.benchmark, theirs, Role.BENCHMARK))
        figure = getattr(figures, name)(track.days, lines)
        blocks.append(Chart(name, about, figure, _shown(name, track)))
    blocks.append(_falls(found))
    return Section("growth-section", "Growth and drawdown", tuple(blocks))


def _falls(found: FiguresRead) -> Block:
    title = "Worst drawdowns"
    if not found.drawdowns:
        return Absent("falls", title, "the curve was never below an earlier highest")
    columns = ("peak", "trough", "recovery", "depth", "fall", "way back", "in all, sessions")
    counted = f"{title}: {len(found.drawdowns):,} of {found.drawdown_count:,}"
    return Table(
        "falls",
        counted,
        columns,
        rows([_fall(each) for each in found.drawdowns]),
        tuple(PERFORMANCE[name] for name in ("depth", "peak", "trough", "recovery", "sessions")),
    )


def _fall(each: DrawdownRead) -> tuple[Cell | str, ...]:
    recovered = "not yet" if each.recovery is None else each.recovery.isoformat()
    return (
        whole(each.peak.isoformat()),
        whole(each.trough.isoformat()),
        whole(recovered),
        number(formats.percent(each.depth)),
        number(formats.count(each.sessions_to_trough)),
        number(formats.count(each.sessions_to_recovery)),
        number(formats.count(each.sessions)),
    )


def rolling(found: FiguresRead, called: str) -> Section:
    """Each over the sessions of a window; where the period is shorter than one, the reason."""
    told = found.rolling
    blocks: list[Block] = []
    for name, unit in ROLLING.items():
        about = DEFINITIONS[f"rolling_{name}"]
        values = column(getattr(told, name)) if told is not None else column([])
        if told is None or np.isfinite(values).sum() < FEWEST:
            reason = found.reasons.get("rolling") or found.metrics.reasons.get(name)
            short = reason or "the period is not longer than a window"
            blocks.append(Absent(f"rolling_{name}", about.title, short))
            continue
        figure = figures.rolling(told.sessions, [Line(called, values)], unit=unit)
        shows = f"{about.title} over {told.window} sessions, at the end {values[-1]:.2f}"
        blocks.append(Chart(f"rolling_{name}", about, figure, shows))
    window = "" if told is None else f" over {told.window} sessions"
    return Section("rolling", f"Rolling figures{window}", tuple(blocks))


def calendar(found: FiguresRead, track: Track, called: tuple[str, str]) -> Section:
    years, months = found.years, found.months
    if track.returns_known < FEWEST:
        absent = [Absent(name, DEFINITIONS[name].title, TOO_FEW) for name in ("months", "years")]
        return Section("calendar", "Months and years", tuple(absent))
    against = any(each.benchmark is not None for each in years)
    yearly = figures.years(
        [each.period for each in years],
        [each.value for each in years],
        [each.benchmark for each in years] if against else None,
        called=called,
    )
    monthly = figures.months({each.period: each.value for each in months})
    return Section(
        "calendar",
        "Months and years",
        (
            Chart("months", DEFINITIONS["months"], monthly, f"Returns of {len(months)} months"),
            Chart("years", DEFINITIONS["years"], yearly, f"Returns of {len(years)} years"),
            _year_table(years, called, against=against),
        ),
    )


def _year_table(
    years: Sequence[PeriodReturnRead], called: tuple[str, str], *, against: bool
) -> Table:
    columns = ("year", *(called if against else called[:1]))
    listed = [
        (
            each.period,
            number(formats.percent(each.value)),
            *([number(formats.percent(each.benchmark))] if against else ()),
        )
        for each in years
    ]
    return Table("year-table", "Yearly returns", columns, rows(listed), (PERFORMANCE["years"],))


def distribution(track: Track, metrics: MetricsRead) -> Section:
    if track.returns_known < FEWEST:
        block: Block = Absent("distribution", DEFINITIONS["distribution"].title, TOO_FEW)
    else:
        marks = {
            name: value
            for name, value in (("VaR 95 %", metrics.var_95), ("CVaR 95 %", metrics.cvar_95))
            if value is not None
        }
        figure = figures.distribution(track.returns, marks)
        shows = f"Distribution of {track.returns_known} daily returns"
        block = Chart("distribution", DEFINITIONS["distribution"], figure, shows)
    return Section("distribution-section", "Distribution of returns", (block,))


def all_figures(found: FiguresRead, called: str) -> Section:
    """Every figure with what it is; what has no value says why."""
    benchmark = found.benchmark
    against = benchmark.ticker if benchmark is not None else "benchmark"
    listed = [
        _figure(name, found.metrics, benchmark, found.trace.figures)
        for name in MetricsRead.model_fields
        if name not in {"reasons", "worst_drawdown"}
    ]
    columns = ("figure", called, against, "definition")
    blocks: list[Block] = [Table("metrics", "Returns and risk", columns, rows(listed))]
    return Section("metrics-section", "All figures", (*blocks, _money(found)))


def _figure(
    name: str, metrics: MetricsRead, benchmark: BenchmarkRead | None, definitions: Mapping[str, Any]
) -> tuple[Cell | str, ...]:
    about = explained(name, definitions, metrics.reasons)
    theirs = getattr(benchmark, name, None)
    return (
        about.title,
        number(written(name, getattr(metrics, name))),
        number(written(name, theirs) if theirs is not None else ""),
        about.text,
    )


def _money(found: FiguresRead) -> Table:
    """What was there, what was paid in, what it cost; and the same money in the benchmark."""
    activity, same = found.activity, found.benchmark and found.benchmark.same_flows
    reasons = {**found.reasons, **found.money_weighted.reasons, **activity.reasons}
    values = {
        "start_value": formats.money(found.start_value),
        "end_value": formats.money(found.end_value),
        "net_flow": formats.money(found.net_flow),
        "profit": formats.money(found.profit),
        "over_period": formats.percent(found.money_weighted.over_period),
        "rate": formats.percent(found.money_weighted.rate),
        "costs": formats.money(found.costs),
        "bought": formats.money(activity.bought),
        "sold": formats.money(activity.sold),
        "turnover": formats.percent(activity.turnover),
        "cost_drag": formats.percent(activity.cost_drag),
        "expense_ratio": formats.percent(activity.expense_ratio, 3),
        "expenses_yearly": formats.money(activity.expenses_yearly),
    }
    if same:
        values["same_flows.end_value"] = formats.money(same.end_value)
        values["difference"] = formats.money(same.difference)
    listed = [
        (about.title, number(value), about.text)
        for name, value in values.items()
        for about in [explained(name, found.trace.figures, reasons)]
    ]
    columns = ("figure", "value, USD or a part", "definition")
    return Table("money", "Money, trading and costs", columns, rows(listed))


def tiles(metrics: MetricsRead, benchmark: BenchmarkRead | None) -> tuple[Tile, ...]:
    return tuple(
        Tile(
            title,
            written(name, getattr(metrics, name)),
            _beside(name, benchmark) if getattr(metrics, name) is not None else "",
        )
        for name, title in HEADLINE.items()
    )


def written(name: str, value: Any) -> str:
    if isinstance(value, DatedReturn):
        return f"{formats.percent(value.value)}, {value.on}"
    if name in FRACTIONS:
        return formats.percent(value)
    return formats.count(value) if isinstance(value, int) else formats.ratio(value)


def _beside(name: str, benchmark: BenchmarkRead | None) -> str:
    if benchmark is None:
        return ""
    return f"{benchmark.ticker} {written(name, getattr(benchmark, name))}"


def _shown(name: str, track: Track) -> str:
    values = getattr(track, name)
    known = values[np.isfinite(values)]
    return (
        f"{PERFORMANCE[name].title} from {track.days[0]} to {track.days[-1]}: "
        f"at the end {known[-1]:.3f}, lowest {known.min():.3f}, highest {known.max():.3f}"
    )
