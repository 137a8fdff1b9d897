"""The sections about returns: growth and falls, calendar periods, distribution, metrics."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.quant.definitions.report import DEFINITIONS
from app.schemas.performance import BenchmarkRead, MetricsRead, PeriodReturnRead
from app.schemas.trace import DefinitionRead
from app.web import figures, formats
from app.web.figures import Line, Role
from app.web.report.blocks import Absent, Block, Chart, Section, Table, Tile, number, rows
from app.web.report.track import Track

FEWEST = 2
"""Returns that a figure of them needs; with fewer there is nothing to see."""
TOO_FEW = "the period has fewer than two sessions with a return"

PERCENTAGES = frozenset(
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
HEADLINE = {
    "total_return": "total return",
    "cagr": "CAGR",
    "volatility": "volatility",
    "sharpe": "Sharpe ratio",
    "max_drawdown": "max drawdown",
}
COUNTS = frozenset({"observations"})


def growth(track: Track, called: str) -> Section:
    blocks: list[Block] = []
    for name in ("growth", "drawdown"):
        if track.returns_known < FEWEST:
            blocks.append(Absent(name, DEFINITIONS[name].title, TOO_FEW))
            continue
        lines = [Line(called, getattr(track, name))]
        if track.benchmark is not None:
            theirs = getattr(track, f"benchmark_{name}")
            lines.append(Line(track.benchmark, theirs, Role.BENCHMARK))
        figure = getattr(figures, name)(track.days, lines)
        blocks.append(Chart(name, DEFINITIONS[name], figure, _shown(name, track)))
    return Section("growth-section", "Growth and drawdown", tuple(blocks))


def calendar(
    years: Sequence[PeriodReturnRead], months: Sequence[PeriodReturnRead], called: tuple[str, str]
) -> Section:
    known = [each for each in months if each.value is not None]
    if not known:
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
            Chart("months", DEFINITIONS["months"], monthly, f"Returns of {len(known)} months"),
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
    return Table("year-table", "Yearly returns", columns, rows(listed))


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


def metric_table(
    metrics: MetricsRead,
    benchmark: BenchmarkRead | None,
    definitions: Mapping[str, DefinitionRead],
    called: str,
) -> Section:
    """Every figure with what it is; what has no value says why."""
    against = benchmark.ticker if benchmark is not None else "benchmark"
    listed = [
        (
            _title(name, definitions),
            number(written(name, getattr(metrics, name))),
            number(written(name, getattr(benchmark, name, None))),
            metrics.reasons.get(name) or _formula(name, definitions),
        )
        for name in MetricsRead.model_fields
        if isinstance(getattr(metrics, name), float | int | None) and name != "reasons"
    ]
    table = Table(
        "metrics",
        "All figures of the period",
        ("figure", called, against, "definition"),
        rows(listed),
    )
    return Section("metrics-section", "All figures", (table,))


def tiles(metrics: MetricsRead, benchmark: BenchmarkRead | None) -> tuple[Tile, ...]:
    return tuple(
        Tile(
            title,
            written(name, getattr(metrics, name)),
            _beside(name, benchmark) if getattr(metrics, name) is not None else "",
        )
        for name, title in HEADLINE.items()
    )


def written(name: str, value: float | None) -> str:
    if name in PERCENTAGES:
        return formats.percent(value)
    return formats.count(value) if name in COUNTS else formats.ratio(value)


def _beside(name: str, benchmark: BenchmarkRead | None) -> str:
    if benchmark is None:
        return ""
    return f"{benchmark.ticker} {written(name, getattr(benchmark, name))}"


def _title(name: str, definitions: Mapping[str, DefinitionRead]) -> str:
    return definitions[name].title if name in definitions else formats.words(name)


def _formula(name: str, definitions: Mapping[str, DefinitionRead]) -> str:
    if name not in definitions:
        return ""
    found = definitions[name]
    return f"{found.formula} ({found.source})" if found.source else found.formula


def _shown(name: str, track: Track) -> str:
    values = getattr(track, name)
    known = values[np.isfinite(values)]
    return (
        f"{DEFINITIONS[name].title} from {track.days[0]} to {track.days[-1]}: "
        f"at the end {known[-1]:.3f}, lowest {known.min():.3f}, highest {known.max():.3f}"
    )
