"""The section about risk: of what is held now, of the returns that were made, and in crises."""

from collections.abc import Iterator, Mapping, Sequence

from app.quant.definitions.report import DEFINITIONS
from app.quant.risk.tails import Method
from app.schemas.risk import HoldingRisk
from app.schemas.risk_parts import CoverageRead, ReplayRead, SeriesRiskRead, TailRead
from app.schemas.trace import DefinitionRead
from app.web import figures, formats
from app.web.figures import Part
from app.web.report.blocks import Absent, Block, Cell, Chart, Section, Table, number, rows, whole
from app.web.report.explaining import defined, explained

Definitions = Mapping[str, DefinitionRead]


def section(found: HoldingRisk, held: str) -> Section:
    """A chart or a table for each part of the answer, or the reason why there is none; `held` says
    of when the positions are."""
    parts: tuple[tuple[str, Iterator[Block]], ...] = (
        ("contributions", _contributions(found)),
        ("correlations", _correlations(found)),
        ("factor_risk", _factor_risk(found)),
        ("class_shocks", _class_shocks(found)),
        ("factor_shocks", _factor_shocks(found)),
        ("liquidity", _liquidity(found)),
        ("stop_ladder", _stop_ladder(found)),
    )
    blocks: list[Block] = [_figures(found, held), *_tails(found, held)]
    for name, made in parts:
        shown = tuple(made)
        blocks += shown or (_absent(found, name),)
    return Section("risk", "Risk", tuple(blocks))


def replays(found: HoldingRisk, held: str) -> tuple[Block, ...]:
    """What past crises would have done to what is held, with the proxies of what is too young."""
    name = "replays"
    told = [each for each in found.replays or () if each.total is not None]
    if not told:
        reasons = [each.reasons["total"] for each in found.replays or () if each.reasons]
        reason = reasons[0] if reasons else found.reasons.get(name, "nothing is held")
        return (Absent(name, DEFINITIONS[name].title, reason),)
    theirs = [each.benchmark_total for each in told]
    chart = figures.pairs(
        [each.name for each in told],
        [each.total for each in told],
        theirs if any(each is not None for each in theirs) else None,
        called=(held, found.benchmark),
    )
    table = Table(
        "replay-table",
        "Past crises, one by one",
        ("crisis", "from", "to", held, found.benchmark, "deepest fall", "notes"),
        rows([_replay(each) for each in found.replays or ()]),
        defined(
            found.trace.figures, "replays.total", "replays.drawdown", "replays.positions.slope"
        ),
    )
    return (Chart(name, DEFINITIONS[name], chart, f"{len(told)} past crises replayed"), table)


_REPLAYED = ("total", "drawdown", "positions.slope")


def _replay(each: ReplayRead) -> tuple[Cell | str, ...]:
    proxies = [f"{p.ticker} by {p.proxy}" for p in each.positions if p.proxy is not None]
    notes = [each.reasons["total"]] if "total" in each.reasons else []
    if proxies:
        notes.append(f"proxies: {', '.join(proxies)}")
    return (
        f"{each.name}: {each.what}",
        whole(each.start.isoformat()),
        whole(each.end.isoformat()),
        number(formats.percent(each.total)),
        number(formats.percent(each.benchmark_total)),
        number(formats.percent(each.drawdown)),
        "; ".join(notes),
    )


def _figures(found: HoldingRisk, held: str) -> Table:
    definitions = found.trace.figures
    listed: list[tuple[Cell | str, ...]] = [
        (
            explained(name, definitions).title,
            number(_with_error(found.held, name)),
            number(_with_error(found.own, name)),
            explained(name, definitions, found.held.reasons).text,
        )
        for name in ("volatility", "volatility_ewma", "volatility_shrunk")
    ]
    listed.append(
        (
            f"Beta to {found.benchmark}",
            number(_between(found.beta, found.beta_error)),
            "",
            explained("beta", definitions, found.reasons).text,
        )
    )
    for name in ("hhi", "effective_number", "effective_bets"):
        about = explained(f"concentration.{name}", definitions, found.reasons)
        value = number(formats.ratio(getattr(found.concentration, name)))
        listed.append((about.title, value, "", about.text))
    return Table(
        "risk-figures",
        "Volatility, beta, concentration",
        ("figure", held, "returns made", "definition"),
        rows(listed),
    )


def _with_error(series: SeriesRiskRead, name: str) -> str:
    value, error = getattr(series, name), getattr(series, f"{name}_error")
    if value is None or error is None:
        return formats.percent(value)
    return f"{formats.percent(value)} ± {formats.percent(error)}"


def _between(value: float | None, error: float | None) -> str:
    if value is None or error is None:
        return formats.ratio(value)
    return f"{formats.ratio(value)} ± {formats.ratio(error)}"


def _tails(found: HoldingRisk, held: str) -> Iterator[Block]:
    for name, title, series in (
        ("tails-held", f"Value at risk of holding what is {held}", found.held),
        ("tails-own", "Value at risk of the returns that were made", found.own),
    ):
        if series.tails is None:
            reason = series.reasons.get("tails", "too few returns are known")
            yield Absent(name, title, reason)
            continue
        tails = rows([_tail(each) for each in series.tails])
        about = defined(found.trace.figures, *_TAIL) if series is found.own else ()
        yield Table(name, title, _TAIL_COLUMNS, tails, about)


_TAIL = (
    *(f"tails.{method}.{what}" for method in Method for what in ("var", "cvar")),
    *("tails.interval", "coverage.exceptions", "coverage.expected"),
    *("coverage.kupiec", "coverage.conditional"),
)
_TAIL_COLUMNS = (
    *("method", "level", "VaR", "95 % interval", "CVaR"),
    *("exceptions", "expected", "Kupiec p", "Christoffersen p"),
)


def _tail(each: TailRead) -> tuple[Cell | str, ...]:
    coverage = each.coverage
    return (
        each.method,
        number(f"{each.level:.0%}"),
        number(formats.percent(each.var)),
        number(f"{formats.percent(each.var_low)} to {formats.percent(each.var_high)}"),
        number(formats.percent(each.cvar)),
        *_coverage(coverage),
    )


def _coverage(found: CoverageRead | None) -> tuple[Cell, ...]:
    if found is None:
        return (number(formats.UNKNOWN),) * 4
    return (
        number(f"{found.exceptions:,} of {found.forecasts:,}"),
        number(f"{found.expected:,.1f}"),
        number(formats.ratio(found.kupiec.p_value)),
        number(formats.ratio(found.conditional.p_value)),
    )


def _contributions(found: HoldingRisk) -> Iterator[Block]:
    name = "risk_contributions"
    if found.contributions:
        ordered = sorted(found.contributions, key=lambda each: -each.share)
        figure = figures.bars([Part(each.ticker, each.share) for each in ordered])
        shows = f"Shares of {len(ordered)} positions in the volatility"
        yield Chart(name, DEFINITIONS[name], figure, shows)


def _correlations(found: HoldingRisk) -> Iterator[Block]:
    told = found.correlations
    if told is not None and len(told.tickers) > 1:
        figure = figures.correlations(told.tickers, told.matrix)
        shows = f"Correlations of {len(told.tickers)} positions over {told.sessions} sessions"
        yield Chart("correlations", DEFINITIONS["correlations"], figure, shows)
        twins = [", ".join(group) for group in told.twins] or ["none"]
        yield Table(
            "twins",
            f"Twins: groups that correlate above {told.limit}, one bet held more than once",
            ("group",),
            rows([(group,) for group in twins]),
            defined(found.trace.figures, "correlations.matrix"),
        )


def _factor_risk(found: HoldingRisk) -> Iterator[Block]:
    told = found.factor_risk
    if told is not None:
        parts = [Part(each.factor, each.component) for each in told.factors]
        parts.append(Part("specific", told.specific_component))
        name = "factor_risk"
        figure = figures.waterfall(parts, told.total)
        shows = f"Parts of a yearly volatility of {told.total:.1%}"
        yield Chart(name, DEFINITIONS[name], figure, shows)


def _class_shocks(found: HoldingRisk) -> Iterator[Block]:
    listed = [
        (
            each.asset_class,
            number(formats.percent(each.move, 0)),
            number(formats.percent(each.weight)),
            number(formats.percent(each.alone)),
            number(formats.percent(each.together)),
            ", ".join(each.stops),
        )
        for each in found.class_shocks or ()
    ]
    columns = ("asset class", "falls by", "weight", "alone", "with all betas", "stops reached")
    if listed:
        about = defined(found.trace.figures, "class_shocks.alone", "class_shocks.together")
        yield Table("class_shocks", "Shocks by asset class", columns, rows(listed), about)


def _factor_shocks(found: HoldingRisk) -> Iterator[Block]:
    listed = [
        (
            each.factor,
            number(formats.percent(each.move)),
            number(formats.ratio(each.exposure)),
            number(formats.percent(each.alone)),
            number(formats.percent(each.together)),
        )
        for each in found.factor_shocks or ()
    ]
    columns = ("factor", "moves by", "exposure", "alone", "with the others")
    if listed:
        about = defined(found.trace.figures, "factor_shocks.alone", "factor_shocks.together")
        yield Table("factor_shocks", "Shocks by factor", columns, rows(listed), about)


def _liquidity(found: HoldingRisk) -> Iterator[Block]:
    told = found.liquidity
    if told is not None and told.positions:
        slow = sorted(told.positions, key=lambda each: -(each.days or 0.0))
        listed = [
            (
                each.ticker,
                number(formats.count(each.daily_value)),
                number(formats.ratio(each.days)),
                "; ".join(each.reasons.values()),
            )
            for each in slow
        ]
        title = (
            f"Sessions to sell at {told.participation:.0%} of the volume; all is sold after "
            f"{formats.ratio(told.days)}"
        )
        columns = ("ticker", "traded a session, USD", "sessions", "")
        about = defined(found.trace.figures, "liquidity.days")
        yield Table("liquidity", title, columns, rows(listed), about)


def _stop_ladder(found: HoldingRisk) -> Iterator[Block]:
    listed = [
        (
            number(formats.percent(each.fall, 0)),
            number(formats.percent(each.weight)),
            ", ".join(each.tickers),
        )
        for each in found.stop_ladder or ()
    ]
    columns = ("every price falls by", "of the portfolio", "stops that fire")
    if listed:
        about = defined(found.trace.figures, "stop_ladder.weight")
        yield Table("stop_ladder", "Which stops would fire where", columns, rows(listed), about)


_TITLES = {
    "contributions": DEFINITIONS["risk_contributions"].title,
    "correlations": DEFINITIONS["correlations"].title,
    "factor_risk": DEFINITIONS["factor_risk"].title,
    "class_shocks": "Shocks by asset class",
    "factor_shocks": "Shocks by factor",
    "liquidity": "Sessions to sell",
    "stop_ladder": "Which stops would fire where",
}


def _absent(found: HoldingRisk, name: str) -> Absent:
    reasons: Sequence[str] = [found.reasons[name]] if name in found.reasons else []
    held = "nothing is held" if not found.positions else "there is too little to show"
    return Absent(name, _TITLES[name], reasons[0] if reasons else held)
