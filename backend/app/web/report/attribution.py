"""The section about what made the return: by factor, by position, by asset class."""

from app.quant.definitions.report import DEFINITIONS
from app.schemas.attribution import ClassAttribution, FactorAttribution, Parts
from app.web import figures, formats
from app.web.figures import Line, Part, Role
from app.web.report.blocks import Absent, Block, Cell, Chart, Section, Table, number, rows
from app.web.report.explaining import defined
from app.web.report.thinning import last_of_weeks

LARGEST = 14
"""Positions that a waterfall shows one by one; the others are summed."""
NOTHING_HELD = "nothing was held in the period"


def section(found: Parts) -> Section:
    blocks = (*_factors(found), *_positions(found), *_classes(found))
    return Section("attribution", "Where the return came from", blocks)


def factor_exposures(found: Parts) -> Block:
    name = "exposure_factors"
    told = found.factors
    if told is None or len(told.exposures) < 2:
        return _absent(name, found, "factors")
    shown = [told.exposures[place] for place in last_of_weeks([e.session for e in told.exposures])]
    names = sorted({factor for each in shown for factor in each.factors})
    lines = [
        Line(each, [point.factors.get(each) for point in shown], Role.CATEGORY) for each in names
    ]
    figure = figures.rolling([point.session for point in shown], lines, unit=".1f")
    shows = f"Exposures to {', '.join(names)}"
    return Chart(name, DEFINITIONS[name], figure, shows)


def _factors(found: Parts) -> tuple[Block, ...]:
    name = "waterfall_factors"
    told = found.factors
    if told is None or found.total is None:
        return (_absent(name, found, "factors"),)
    parts = [
        Part("market", told.market),
        *(Part(each.name, each.contribution) for each in told.factors),
        Part("selection", told.selection),
        Part("cash", told.cash),
        Part("costs", told.costs),
    ]
    figure = figures.waterfall(parts, found.total)
    shows = f"Market, {len(told.factors)} factors, selection, cash and costs of {found.total:.2%}"
    return (Chart(name, DEFINITIONS[name], figure, shows), _factor_table(found, told))


def _factor_table(found: Parts, told: FactorAttribution) -> Table:
    listed = [
        _factor("market", told.market, told.market_exposure, None),
        *(
            _factor(each.name, each.contribution, each.exposure, each.latest_exposure)
            for each in told.factors
        ),
    ]
    columns = ("factor", "contribution", "mean exposure", "latest exposure")
    names = ("market", "factors.contribution", "factors.exposure", "selection", "unscored_weight")
    about = defined(found.trace.figures, *(f"factors.{each}" for each in names))
    return Table("factor-parts", "Factors one by one", columns, rows(listed), about)


def _factor(
    name: str, contribution: float, mean: float, latest: float | None
) -> tuple[Cell | str, ...]:
    return (
        name,
        number(formats.percent(contribution)),
        number(formats.ratio(mean)),
        number("" if latest is None else formats.ratio(latest)),
    )


def _positions(found: Parts) -> tuple[Block, ...]:
    name = "waterfall_positions"
    if found.positions is None or found.total is None:
        return (_absent(name, found, "positions"),)
    if not found.positions:
        return (Absent(name, DEFINITIONS[name].title, NOTHING_HELD),)
    parts = [Part(each.ticker, each.contribution) for each in found.positions]
    by_size = sorted(parts, key=lambda part: -abs(part.value))
    shown = sorted(by_size[:LARGEST], key=lambda part: -part.value)
    others = by_size[LARGEST:]
    if others:
        shown.append(Part(f"{len(others)} others", sum(part.value for part in others)))
    shown += [Part("cash", found.cash or 0.0), Part("costs", found.costs or 0.0)]
    figure = figures.waterfall(shown, found.total)
    shows = f"Contributions of {len(parts)} positions, cash and costs to {found.total:.2%}"
    return (Chart(name, DEFINITIONS[name], figure, shows), _position_table(found))


MOST_ROWS = 40


def _position_table(found: Parts) -> Table:
    positions = found.positions or []
    shown = positions
    title = "Contribution of each position"
    if len(positions) > MOST_ROWS:
        half = MOST_ROWS // 2
        shown = [*positions[:half], *positions[-half:]]
        title = f"The {half} best and the {half} worst of {len(positions)} positions"
    listed = [
        (
            each.ticker,
            each.name or "",
            each.asset_class or "",
            number(formats.percent(each.contribution)),
        )
        for each in shown
    ]
    columns = ("ticker", "name", "asset class", "contribution")
    about = defined(found.trace.figures, "positions")
    return Table("position-parts", title, columns, rows(listed), about)


def _classes(found: Parts) -> tuple[Block, ...]:
    name = "waterfall_classes"
    told = found.asset_classes
    if told is None:
        return (_absent(name, found, "asset_classes"),)
    parts = [
        Part("allocation", told.allocation),
        Part("selection", told.selection),
        Part("interaction", told.interaction),
        Part("trading", told.trading),
        Part("interest", told.interest),
        Part("costs", told.costs),
    ]
    figure = figures.waterfall(parts, told.active, called="above the benchmark")
    shows = f"Effects of asset classes on {told.active:.2%} above the benchmark"
    return (Chart(name, DEFINITIONS[name], figure, shows), _class_table(found, told))


def _class_table(found: Parts, told: ClassAttribution) -> Table:
    against = ", ".join(f"{part.weight:.0%} {part.ticker}" for part in told.benchmark)
    names = ("weight", "benchmark_weight", "allocation", "selection", "interaction")
    listed: list[tuple[Cell | str, ...]] = [
        (each.asset_class, *(number(formats.percent(getattr(each, name))) for name in names))
        for each in told.classes
    ]
    columns = ("asset class", *(formats.words(name) for name in names))
    effects = ("allocation", "selection", "interaction", "trading", "interest", "active")
    about = defined(found.trace.figures, *(f"asset_classes.{each}" for each in effects))
    title = f"Asset classes against {against}"
    return Table("class-parts", title, columns, rows(listed), about)


def _absent(name: str, found: Parts, field: str) -> Absent:
    reason = found.reasons.get(field) or found.reasons.get("total") or NOTHING_HELD
    return Absent(name, DEFINITIONS[name].title, reason)
