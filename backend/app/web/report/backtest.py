"""The report of a backtest."""

from app.schemas.backtest import BacktestReport, EvidenceRead
from app.schemas.report import BacktestFindings
from app.web import formats
from app.web.report import returns, risk, trading, trust
from app.web.report.blocks import Absent, Block, Cell, Document, Section, Table, Tile, number, rows
from app.web.report.track import of_backtest

MEMBER = (
    "the run is a member of a sweep, of which only its returns were kept: run its settings alone "
    "to see the rest"
)


def document(found: BacktestFindings) -> Document:
    run, report = found.run, found.run.report
    called = run.label or f"Backtest {run.id}"
    against = report.benchmark.ticker if report is not None and report.benchmark else None
    return Document(
        title=called,
        subtitle=(
            f"Backtest {run.id}, {run.first_session} to {run.last_session}: rules lived through "
            f"over past prices of market {run.market}, not a record of trades. "
            f"Made {formats.moment(found.made_at)}."
        ),
        warnings=(*_warnings(found), *trust.warnings(found.data)),
        tiles=_tiles(report, found.evidence),
        sections=_sections(found, report, (called, against or "benchmark")),
    )


def _warnings(found: BacktestFindings) -> list[str]:
    run = found.run
    tried = found.evidence.trials
    lines = [
        (
            f"{tried:,} runs were made on this market; this is one of them."
            if tried > 1
            else "It is the only run that was recorded on this market."
        )
    ]
    if run.withdrawn_reason is not None:
        lines.append(f"It was withdrawn: {run.withdrawn_reason}")
    if run.data_version != found.data.data_version:
        lines.append("The market's data have changed since it was run.")
    if run.report is not None:
        lines += [each.message for each in run.report.caveats]
        lines += [
            note
            for note in run.report.notes
            if not note.startswith(("Prices are", "The market is"))
        ]
    return lines


def _tiles(report: BacktestReport | None, evidence: EvidenceRead) -> tuple[Tile, ...]:
    trials = f"{evidence.trials:,} {'trial' if evidence.trials == 1 else 'trials'}"
    judged = Tile("deflated Sharpe ratio", formats.percent(evidence.dsr, 1), trials)
    if report is None:
        return (judged,)
    probable = Tile("PSR", formats.percent(evidence.psr, 1), "true Sharpe ratio above 0")
    return (*returns.tiles(report.metrics, report.benchmark), probable, judged)


def _sections(
    found: BacktestFindings, report: BacktestReport | None, called: tuple[str, str]
) -> tuple[Section, ...]:
    run = found.run
    evidence = trust.evidence_section(found.evidence, report)
    data = trust.data_section(
        found.data, str(run.data_version), f"etftrader report backtest {run.id}"
    )
    if report is None or not run.curve:
        absent = Absent("growth", "Everything about its days", MEMBER)
        return (Section("growth-section", "Growth and drawdown", (absent,)), evidence, data)
    track = of_backtest(run.curve, called[1] if report.benchmark else None)
    exposure = Section("exposure", "Exposure", (trading.invested(track), _classes(report)))
    return (
        returns.growth(track, called[0]),
        evidence,
        returns.calendar(report.years, report.months, called),
        exposure,
        trading.section(trading.by_month(run.trades or ()), _sums(report)),
        returns.distribution(track, report.metrics),
        Section("crises-section", "Crises", risk.replays(found.risk, "held at the end")),
        risk.section(found.risk, "held at the end"),
        returns.metric_table(report.metrics, report.benchmark, {}, called[0]),
        _asked(found),
        data,
    )


def _classes(report: BacktestReport) -> Block:
    listed: list[tuple[Cell | str, ...]] = [
        (each.name, *(number(formats.percent(getattr(each, name))) for name in _EXPOSURE))
        for each in report.exposures
    ]
    return Table("classes", "Weights of asset classes", ("asset class", *_EXPOSURE), rows(listed))


_EXPOSURE = ("mean", "highest", "last")


def _sums(report: BacktestReport) -> list[tuple[str, str, str]]:
    return [
        (
            "turnover a year",
            formats.percent(report.turnover),
            report.reasons.get(
                "turnover", "Half of what was bought and sold in a year, over the mean value."
            ),
        ),
        (
            "cost drag a year",
            formats.percent(report.cost_drag),
            report.reasons.get("cost_drag", "What trading cost in a year, over the mean value."),
        ),
        ("bought, USD", formats.money(report.bought), "At the fills."),
        ("sold, USD", formats.money(report.sold), "At the fills."),
        (
            "costs, USD",
            formats.money(report.costs),
            "Fees, and fills worse than their reference price.",
        ),
        (
            "income, USD",
            formats.money(report.income),
            "Dividends after tax; none where prices contain them.",
        ),
        ("interest, USD", formats.money(report.interest), "On cash."),
        ("trades", f"{report.trades:,}", ""),
        ("rebalances", f"{report.rebalances:,}", ""),
        ("stops fired", f"{report.stops_fired:,}", ""),
    ]


def _asked(found: BacktestFindings) -> Section:
    listed = [(formats.words(name), _written(value)) for name, value in found.run.spec.items()]
    listed.append(("code version", found.run.code_version))
    table = Table("settings", "What was asked for", ("setting", "value"), rows(listed))
    return Section("asked", "Settings", (table,))


def _written(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{formats.words(name)} {_written(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(_written(each) for each in value) or formats.UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return formats.UNKNOWN if value is None else str(value)
