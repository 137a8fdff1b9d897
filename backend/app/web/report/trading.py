"""The sections about trading and where the capital was: turnover, costs, exposures."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from app.quant.costs import Side
from app.quant.definitions.report import DEFINITIONS
from app.schemas.backtest import BacktestTrade
from app.schemas.report import Traded
from app.web import figures, formats
from app.web.figures import Line
from app.web.report.blocks import Absent, Block, Chart, Section, Table, number, rows
from app.web.report.track import Track

NO_TRADES = "nothing was traded in the period"
NO_CAPITAL = "no session of the period ends with anything in the book"


@dataclass(frozen=True, slots=True)
class Month:
    """What was traded in a month, in USD."""

    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)
    costs: Decimal = Decimal(0)

    def and_(self, side: Side, value: Decimal, cost: Decimal) -> "Month":
        bought = value if side is Side.BUY else Decimal(0)
        return Month(self.bought + bought, self.sold + value - bought, self.costs + cost)


def by_month(trades: Sequence[Traded | BacktestTrade]) -> dict[str, Month]:
    """From the first month with a trade to the last; months without one are there too."""
    found: defaultdict[str, Month] = defaultdict(Month)
    for trade in trades:
        name = f"{trade.session:%Y-%m}"
        found[name] = found[name].and_(trade.side, trade.value, trade.cost)
    if not found:
        return {}
    span = np.arange(np.datetime64(min(found)), np.datetime64(max(found)) + 1)
    return {str(month): found[str(month)] for month in span}


def section(months: dict[str, Month], summary: Sequence[tuple[str, str, str]]) -> Section:
    """`summary` are figures of the whole period: name, value, definition."""
    listed = [(name, number(value), about) for name, value, about in summary]
    table = Table(
        "trading-figures", "Turnover and costs", ("figure", "value", "definition"), rows(listed)
    )
    blocks: list[Block] = [table] if listed else []
    if not months:
        blocks += [Absent(name, DEFINITIONS[name].title, NO_TRADES) for name in ("traded", "costs")]
    else:
        names = [f"{name}-01" for name in months]
        found = list(months.values())
        traded = figures.traded(
            names, [float(each.bought) for each in found], [float(each.sold) for each in found]
        )
        costs = figures.amounts(names, [float(each.costs) for each in found])
        total = formats.money(sum((each.costs for each in found), Decimal(0)))
        blocks += [
            Chart("traded", DEFINITIONS["traded"], traded, f"Trades of {len(found)} months"),
            Chart("costs", DEFINITIONS["costs"], costs, f"Trading costs, together {total} USD"),
        ]
    return Section("trading", "Turnover and costs", tuple(blocks))


def invested(track: Track) -> Block:
    known = track.invested[np.isfinite(track.invested)]
    if len(known) < 2:
        return Absent("invested", DEFINITIONS["invested"].title, NO_CAPITAL)
    figure = figures.rolling(track.days, [Line("invested", track.invested)], unit="~%")
    figure.update_yaxes(rangemode="tozero")
    shows = f"Invested part, at the end {known[-1]:.1%}"
    return Chart("invested", DEFINITIONS["invested"], figure, shows)
