"""The report of a portfolio."""

from app.schemas.report import PortfolioFindings
from app.schemas.risk import HoldingRisk
from app.web import formats
from app.web.report import attribution, crises, returns, risk, trading, trust
from app.web.report.blocks import Absent, Block, Document, Section, Table, number, rows, whole
from app.web.report.track import track_of

HELD = "held now"


def document(found: PortfolioFindings) -> Document:
    told = found.performance
    track = track_of(told)
    called = (found.name, track.benchmark or "benchmark")
    against = f" --benchmark {told.benchmark.ticker}" if told.benchmark else ""
    span = f"--start {told.start}" if told.period is None else f"--period {told.period}"
    command = (
        f"etftrader report portfolio {told.portfolio_id} {span} --end {told.end}{against}"
        " --out FILE.html"
    )
    return Document(
        title=found.name,
        subtitle=(
            f"Portfolio {told.portfolio_id}, {told.start} to {told.end}. "
            f"Market {told.market}, close of {told.as_of}. Made {formats.moment(found.made_at)}."
        ),
        warnings=(
            *([told.replay_note] if told.replay_note else ()),
            *trust.warnings(found.data),
            *([told.reasons["benchmark"]] if "benchmark" in told.reasons else ()),
        ),
        tiles=returns.tiles(told.metrics, told.benchmark),
        sections=(
            returns.growth(told, track, found.name),
            returns.rolling(told, found.name),
            returns.calendar(told, track, called),
            attribution.section(found.attribution),
            trading.exposure(found, track, attribution.factor_exposures(found.attribution)),
            Section("holdings-section", "What is held", (_holdings(found.risk),)),
            trading.section(trading.by_month(found.trades)),
            returns.distribution(track, told.metrics),
            crises.section(found, found.risk, called, HELD),
            risk.section(found.risk, HELD),
            returns.all_figures(told, found.name),
            trust.data_section(found.data, str(told.trace.data_version), command),
        ),
    )


def _holdings(found: HoldingRisk) -> Block:
    if not found.positions:
        return Absent("holdings", "What is held", "nothing is held at the latest close")
    listed = [
        (
            each.ticker,
            each.name or "",
            number(formats.percent(each.weight)),
            number(formats.money(each.market_value)),
            number(formats.money(each.price)),
            whole(each.price_date.isoformat()),
            number(formats.percent(each.distance_to_stop)),
        )
        for each in sorted(found.positions, key=lambda each: -each.weight)
    ]
    columns = ("ticker", "name", "weight", "value, USD", "price, USD", "price of", "to its stop")
    return Table("holdings", "Positions at the latest close", columns, rows(listed))
