"""The report of a portfolio."""

from app.quant.definitions.report import DEFINITIONS
from app.schemas.attribution import AttributionRead
from app.schemas.report import PortfolioFindings
from app.schemas.risk import RiskRead
from app.web import figures, formats
from app.web.figures import Part
from app.web.report import returns, risk, trading, trust
from app.web.report.blocks import (
    Absent,
    Block,
    Chart,
    Document,
    Section,
    Table,
    number,
    rows,
    whole,
)
from app.web.report.track import of_portfolio

LARGEST = 14
"""Positions that a waterfall shows one by one; the others are summed."""


def document(found: PortfolioFindings) -> Document:
    performance = found.performance
    against = performance.benchmark.ticker if performance.benchmark else None
    track = of_portfolio(performance.series, against)
    called = (found.name, against or "benchmark")
    command = f"etftrader report portfolio {performance.portfolio_id} --period {performance.period}"
    return Document(
        title=found.name,
        subtitle=(
            f"Portfolio {performance.portfolio_id}, {performance.start} to {performance.end}. "
            f"Market {performance.market}, close of {performance.as_of}. "
            f"Made {formats.moment(found.made_at)}."
        ),
        warnings=(
            *([performance.replay_note] if performance.replay_note else ()),
            *trust.warnings(found.data),
            *performance.reasons.values(),
        ),
        tiles=returns.tiles(performance.metrics, performance.benchmark),
        sections=(
            returns.growth(track, found.name),
            _attribution(found.attribution),
            Section("exposure", "Exposure", (trading.invested(track), *_holdings(found.risk))),
            trading.section(trading.by_month(found.trades), _sums(found)),
            returns.distribution(track, performance.metrics),
            Section("crises-section", "Crises", risk.replays(found.risk, "held now")),
            risk.section(found.risk, "held now"),
            returns.metric_table(performance.metrics, performance.benchmark, {}, called[0]),
            trust.data_section(found.data, str(found.data.data_version), command),
        ),
    )


def _sums(found: PortfolioFindings) -> list[tuple[str, str, str]]:
    performance = found.performance
    return [
        ("value at the start, USD", formats.money(performance.start_value), ""),
        ("value at the end, USD", formats.money(performance.end_value), ""),
        ("paid in less paid out, USD", formats.money(performance.net_flow), ""),
        (
            "profit, USD",
            formats.money(performance.profit),
            "Value at the end less value at the start less what was paid in.",
        ),
        (
            "costs, USD",
            formats.money(performance.costs),
            "Fees, and fills worse than their reference price.",
        ),
    ]


def _attribution(found: AttributionRead) -> Section:
    name = "waterfall_positions"
    if found.positions is None or found.total is None:
        block: Block = Absent(name, DEFINITIONS[name].title, found.reasons["positions"])
        return Section("attribution", "Where the return came from", (block,))
    if not found.positions:
        reason = "nothing was held in the period"
        return Section(
            "attribution",
            "Where the return came from",
            (Absent(name, DEFINITIONS[name].title, reason),),
        )
    parts = [Part(each.ticker, each.contribution) for each in found.positions]
    shown = sorted(parts, key=lambda part: -abs(part.value))[:LARGEST]
    shown.sort(key=lambda part: -part.value)
    others = [part for part in parts if part not in shown]
    if others:
        shown.append(Part(f"{len(others)} others", sum(part.value for part in others)))
    shown += [Part("cash", found.cash or 0.0), Part("costs", found.costs or 0.0)]
    figure = figures.waterfall(shown, found.total)
    chart = Chart(
        name,
        DEFINITIONS[name],
        figure,
        f"Contributions of {len(parts)} positions, cash and costs to {found.total:.2%}",
    )
    listed = [
        (
            each.ticker,
            each.name or "",
            each.asset_class or "",
            number(formats.percent(each.contribution)),
        )
        for each in found.positions
    ]
    table = Table(
        "position-parts",
        "Contribution of each position",
        ("ticker", "name", "asset class", "contribution"),
        rows(listed),
    )
    return Section("attribution", "Where the return came from", (chart, table))


def _holdings(found: RiskRead) -> tuple[Block, ...]:
    if not found.positions:
        return (Absent("holdings", "What is held", "nothing is held at the latest close"),)
    listed = [
        (
            each.ticker,
            each.name or "",
            number(formats.percent(each.weight)),
            number(formats.money(each.market_value)),
            number(formats.money(each.price)),
            whole(each.price_date.isoformat()),
        )
        for each in sorted(found.positions, key=lambda each: -each.weight)
    ]
    columns = ("ticker", "name", "weight", "value, USD", "price, USD", "price of")
    return (Table("holdings", "What is held", columns, rows(listed)),)
