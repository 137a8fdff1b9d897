"""The section about crises: those that were lived through, and past ones replayed."""

from app.quant.definitions.report import DEFINITIONS
from app.schemas.report import Lived
from app.schemas.risk import HoldingRisk
from app.web import figures, formats
from app.web.report import risk
from app.web.report.blocks import Absent, Block, Chart, Section, Table, number, rows, whole


def section(found: Lived, at_risk: HoldingRisk, called: tuple[str, str], held: str) -> Section:
    return Section(
        "crises-section", "Crises", (*_lived(found, called), *risk.replays(at_risk, held))
    )


def _lived(found: Lived, called: tuple[str, str]) -> tuple[Block, ...]:
    name = "crises"
    episodes = [each for each in found.episodes if each.value is not None]
    if not episodes:
        reason = "no known crisis lies within the period"
        if found.data.simulated:
            reason = "the market is simulated: it did not live through any"
        return (Absent(name, DEFINITIONS[name].title, reason),)
    theirs = [each.benchmark for each in episodes]
    known = any(each is not None for each in theirs)
    figure = figures.pairs(
        [each.name for each in episodes],
        [each.value for each in episodes],
        theirs if known else None,
        called=called,
    )
    listed = [
        (
            f"{each.name}: {each.what}",
            whole(each.start.isoformat()),
            whole(each.end.isoformat()),
            number(formats.percent(each.value)),
            number(formats.percent(each.benchmark)),
        )
        for each in episodes
    ]
    columns = ("crisis", "from the close of", "to that of", *called)
    return (
        Chart(name, DEFINITIONS[name], figure, f"Returns in {len(episodes)} crises"),
        Table("crisis-table", "Crises one by one", columns, rows(listed), (DEFINITIONS[name],)),
    )
