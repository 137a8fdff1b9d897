"""The sections about how far to trust a report: the data, their defects, and what was tried."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.quant.definitions import Definition, Unit
from app.quant.definitions.evidence import DEFINITIONS as EVIDENCE
from app.schemas.backtest import BacktestReport, EvidenceRead
from app.schemas.data import MarketStatus
from app.web import formats
from app.web.report.blocks import Block, Cell, Section, Sentences, Table, number, rows

SURVIVORS = (
    "Whoever gathered the data may have left out ETFs that closed: results of rules on survivors "
    "are better than the rules were."
)

INTERVALS = {
    "sharpe_interval": "Sharpe ratio",
    "cagr_interval": "CAGR",
    "drawdown_interval": "Maximum drawdown",
}
_BOOTSTRAP = "Percentile interval of 2,000 block resamples (Politis and Romano 1994)"


def warnings(data: MarketStatus) -> Iterator[str]:
    """What is wrong with the data of a market."""
    if data.simulated:
        yield "The market is simulated: what works in it says nothing about any other."
    if data.adjusted_only:
        yield (
            "Prices are adjusted for splits and distributions: they are not those that were traded "
            "at, and dividends are in them."
        )
    if data.stale:
        yield (
            f"The data end on {data.as_of}: {data.sessions_behind:,} completed sessions since then "
            "are missing."
        )
    if data.quarantined:
        yield f"{data.quarantined:,} rows of the market's data were refused when they came in."


def data_section(data: MarketStatus, version: str, command: str) -> Section:
    facts = [
        ("market", f"{data.market}: {data.name}"),
        ("prices until", formats.day(data.as_of)),
        ("data version", version),
        ("ETFs", f"{data.etfs:,}"),
        ("daily bars", f"{data.bars:,}"),
        ("prices", "adjusted for splits and distributions" if data.adjusted_only else "as traded"),
        ("simulated", "yes" if data.simulated else "no"),
        ("rows refused", f"{data.quarantined:,}"),
        ("made again by", command),
    ]
    blocks: list[Block] = [Table("data-facts", "Where it comes from", ("", ""), rows(facts))]
    if data.quarantine:
        listed = [(each.sentence, number(f"{each.rows:,}")) for each in data.quarantine]
        blocks.append(
            Table("quarantine", "Rows of data that were refused", ("why", "rows"), rows(listed))
        )
    if not data.simulated:
        blocks.append(Sentences("survivorship", (SURVIVORS,)))
    return Section("data", "Data and their defects", tuple(blocks))


def evidence_section(found: EvidenceRead, report: BacktestReport | None) -> Section:
    columns = ("figure", "value", "definition")
    figures = [_figure(found, name, about) for name, about in EVIDENCE.items()]
    intervals = [_interval(found, name, title) for name, title in INTERVALS.items()]
    table = Table("evidence-figures", "Can it be believed?", columns, rows([*figures, *intervals]))
    blocks: list[Block] = [table]
    caveats = [each.message for each in report.caveats] if report is not None else []
    if caveats:
        blocks.append(Sentences("caveats", tuple(caveats)))
    return Section("evidence", "Evidence and caveats", tuple(blocks))


def _figure(found: EvidenceRead, name: str, about: Definition) -> tuple[Cell | str, ...]:
    value = getattr(found, name)
    text = formats.ratio(value)
    if about.unit is Unit.PROBABILITY:
        text = formats.percent(value, 1)
    elif about.unit in {Unit.COUNT, Unit.SESSIONS}:
        text = formats.count(value)
    return about.title, number(text), _explained(found.reasons, name, about)


def _explained(reasons: Mapping[str, str], name: str, about: Definition) -> str:
    formula = f"{about.formula} ({about.source})" if about.source else about.formula
    return f"No value: {reasons[name]}. {formula}" if name in reasons else formula


def _interval(found: EvidenceRead, name: str, title: str) -> tuple[Cell | str, ...]:
    interval: Any = getattr(found, name)
    if interval is None:
        reason = found.reasons.get(name, "unknown")
        return f"{title}, interval", number(formats.UNKNOWN), f"No value: {reason}. {_BOOTSTRAP}"
    write = formats.ratio if name == "sharpe_interval" else formats.percent
    text = f"{write(interval.low)} to {write(interval.high)}"
    return f"{title}, {interval.confidence:.0%} interval", number(text), _BOOTSTRAP
