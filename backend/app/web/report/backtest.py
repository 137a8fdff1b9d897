"""The report of a backtest."""

from app.quant.definitions.report import DEFINITIONS
from app.schemas.backtest import BacktestReport, EvidenceRead
from app.schemas.report import BacktestFindings
from app.web import formats
from app.web.report import attribution, crises, returns, risk, trading, trust
from app.web.report.blocks import Absent, Block, Cell, Document, Section, Table, Tile, number, rows
from app.web.report.track import track_of

HELD = "held at the end"
MEMBER = (
    "the run is a member of a sweep, of which only its returns were kept: run its settings alone "
    "to see the rest"
)


def document(found: BacktestFindings) -> Document:
    run, told = found.run, found.performance
    return Document(
        title=_called(found),
        subtitle=(
            f"Backtest {run.id}, {run.first_session} to {run.last_session}: rules lived through "
            f"over past prices of market {run.market}, not a record of trades. "
            f"Made {formats.moment(found.made_at)}."
        ),
        warnings=(*_warnings(found), *trust.warnings(found.data)),
        tiles=(*returns.tiles(told.metrics, told.benchmark), *_judged(found.evidence)),
        sections=_sections(found),
    )


def _called(found: BacktestFindings) -> str:
    return found.run.label or f"Backtest {found.run.id}"


def _warnings(found: BacktestFindings) -> list[str]:
    run, tried = found.run, found.evidence.trials
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
        about_market = set(trust.warnings(found.data))
        lines += [each.message for each in run.report.caveats]
        lines += [note for note in run.report.notes if note not in about_market]
    return lines


def _judged(evidence: EvidenceRead) -> tuple[Tile, Tile]:
    trials = f"{evidence.trials:,} {'trial' if evidence.trials == 1 else 'trials'}"
    return (
        Tile("PSR", formats.percent(evidence.psr, 1), "true Sharpe ratio above 0"),
        Tile("deflated Sharpe ratio", formats.percent(evidence.dsr, 1), trials),
    )


def _sections(found: BacktestFindings) -> tuple[Section, ...]:
    run, told = found.run, found.performance
    track = track_of(told)
    called = (_called(found), track.benchmark or "benchmark")
    command = f"etftrader report backtest {run.id} --out FILE.html"
    exposures = (attribution.factor_exposures(found.attribution), _classes(run.report))
    months = trading.by_month(run.trades or ())
    why = trading.NO_TRADES if run.report is not None else MEMBER
    return (
        returns.growth(told, track, called[0]),
        trust.evidence_section(found.evidence, run.report),
        returns.rolling(told, called[0]),
        returns.calendar(told, track, called),
        attribution.section(found.attribution),
        trading.exposure(found, track, *exposures),
        trading.section(months, _activity(run.report), why=why),
        returns.distribution(track, told.metrics),
        crises.section(found, found.risk, called, HELD),
        risk.section(found.risk, HELD),
        returns.all_figures(told, called[0]),
        _asked(found),
        trust.data_section(found.data, str(run.data_version), command),
    )


def _classes(report: BacktestReport | None) -> Block:
    title = "Weights of asset classes"
    if report is None:
        return Absent("classes", title, MEMBER)
    listed: list[tuple[Cell | str, ...]] = [
        (each.name, *(number(formats.percent(getattr(each, name))) for name in _EXPOSURE))
        for each in report.exposures
    ]
    about = (DEFINITIONS["exposure_classes"],)
    return Table("classes", title, ("asset class", *_EXPOSURE), rows(listed), about)


_EXPOSURE = ("mean", "highest", "last")


def _activity(report: BacktestReport | None) -> Block:
    title = "What the rules did"
    if report is None:
        return Absent("activity", title, MEMBER)
    listed = [
        ("trades", number(f"{report.trades:,}"), "orders that were filled, at least in part"),
        ("rebalances", number(f"{report.rebalances:,}"), "sessions on which targets were traded"),
        ("stops fired", number(f"{report.stops_fired:,}"), "positions sold by a stop"),
        (
            "income, USD",
            number(formats.money(report.income)),
            "dividends after tax; none where prices contain them",
        ),
        ("interest, USD", number(formats.money(report.interest)), "on cash"),
    ]
    return Table("activity", title, ("figure", "value", "definition"), rows(listed))


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
