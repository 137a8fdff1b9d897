"""The sections about trading and where the capital was: turnover, costs, exposures."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from app.quant.costs import Side
from app.quant.definitions.report import DEFINITIONS
from app.schemas.backtest import BacktestTrade
from app.schemas.report import Lived, Traded
from app.web import figures, formats
from app.web.figures import Line
from app.web.report.blocks import Absent, Block, Chart, Section
from app.web.report.thinning import last_of_weeks
from app.web.report.track import Track

NO_TRADES = "nothing was traded in the period"
NO_CAPITAL = "fewer than two sessions of the period end with anything in the book"
NO_WEIGHTS = "fewer than two sessions of the period began with capital"
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Month:
    """What was traded in a month, in USD."""

    bought: Decimal = ZERO
    sold: Decimal = ZERO
    costs: Decimal = ZERO

    def and_(self, trade: Traded | BacktestTrade) -> "Month":
        bought = trade.value if trade.side is Side.BUY else ZERO
        sold = trade.value - bought
        return Month(self.bought + bought, self.sold + sold, self.costs + trade.cost)


def by_month(trades: Sequence[Traded | BacktestTrade]) -> dict[str, Month]:
    """From the first month with a trade to the last; months without one are there too."""
    found: defaultdict[str, Month] = defaultdict(Month)
    for trade in trades:
        name = f"{trade.session:%Y-%m}"
        found[name] = found[name].and_(trade)
    if not found:
        return {}
    span = np.arange(np.datetime64(min(found)), np.datetime64(max(found)) + 1)
    return {str(month): found[str(month)] for month in span}


def section(months: dict[str, Month], *more: Block, why: str = NO_TRADES) -> Section:
    """`why` nothing is shown where there are no months."""
    if not months:
        absent = [Absent(name, DEFINITIONS[name].title, why) for name in ("traded", "costs")]
        return Section("trading", "Turnover and costs", (*absent, *more))
    names = [f"{name}-01" for name in months]
    found = list(months.values())
    traded = figures.traded(
        names, [float(each.bought) for each in found], [float(each.sold) for each in found]
    )
    costs = figures.amounts(names, [float(each.costs) for each in found])
    total = formats.money(sum((each.costs for each in found), ZERO))
    return Section(
        "trading",
        "Turnover and costs",
        (
            Chart("traded", DEFINITIONS["traded"], traded, f"Trades of {len(found)} months"),
            Chart("costs", DEFINITIONS["costs"], costs, f"Trading costs, together {total} USD"),
            *more,
        ),
    )


def exposure(found: Lived, track: Track, *more: Block) -> Section:
    """By asset class where it is known what was held, else what part was invested at all."""
    return Section("exposure", "Exposure over time", (_classes(found), _invested(track), *more))


def _classes(found: Lived) -> Block:
    name = "exposure_classes"
    told = found.weights
    if told is None or len(told.sessions) < 2:
        reason = found.reasons.get("weights", NO_WEIGHTS)
        return Absent(name, DEFINITIONS[name].title, reason)
    places = last_of_weeks(told.sessions)
    figure = figures.exposures(
        [told.sessions[place] for place in places],
        [(each.name, [each.weights[place] for place in places]) for each in told.classes],
    )
    last = ", ".join(f"{each.name} {each.weights[-1]:.0%}" for each in told.classes)
    return Chart(name, DEFINITIONS[name], figure, f"Weights at the end: {last}")


def _invested(track: Track) -> Block:
    known = track.invested[np.isfinite(track.invested)]
    if len(known) < 2:
        return Absent("invested", DEFINITIONS["invested"].title, NO_CAPITAL)
    figure = figures.rolling(track.days, [Line("invested", track.invested)], unit="~%")
    figure.update_yaxes(rangemode="tozero")
    shows = f"Invested part, at the end {known[-1]:.1%}"
    return Chart("invested", DEFINITIONS["invested"], figure, shows)
