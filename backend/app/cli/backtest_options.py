"""What the commands about backtests may be told."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.runtime import MAX_ID
from app.quant.backtest.rules import Fills
from app.schemas.settings import OptimizerName, Schedule

BacktestId = Annotated[
    int,
    typer.Argument(min=1, max=MAX_ID, metavar="ID", help="As 'etftrader backtest list' shows it."),
]
StartOption = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="Left out: the first session with a year before it."),
]
EndOption = Annotated[
    str | None, typer.Option(metavar="DATE", help="Left out: the latest session.")
]
CapitalOption = Annotated[str | None, typer.Option(metavar="USD", help="Left out: 1000000.")]
OptimizerOption = Annotated[
    OptimizerName | None, typer.Option(help="How the selected ETFs are weighted.")
]
NumberOption = Annotated[int | None, typer.Option(help="How many ETFs to hold.")]
BenchmarkOption = Annotated[
    str | None, typer.Option(metavar="TICKER", help="Left out: the market's broad fund.")
]
ScheduleOption = Annotated[
    Schedule | None, typer.Option(help="When the rules are asked; left out: weekly.")
]
FillOption = Annotated[
    Fills | None, typer.Option(help="Where orders fill; left out: at the next open.")
]
YieldOption = Annotated[
    float | None, typer.Option(metavar="FRACTION", help="Yearly interest on cash, such as 0.03.")
]
FlowOption = Annotated[
    list[str] | None,
    typer.Option(metavar="DATE=USD", help="Money paid in, or out: 2023-01-03=-5000."),
]
LabelOption = Annotated[str | None, typer.Option(metavar="TEXT", help="What to call it.")]
CsvOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Save its trades as CSV.")]


def flows_from(pairs: list[str] | None) -> list[dict[str, str]] | None:
    """The money that `--cash-flow` names; None where it was left out."""
    if pairs is None:
        return None
    found = []
    for pair in pairs:
        day, equals, amount = pair.partition("=")
        if not equals:
            raise typer.BadParameter("write it as DATE=USD", param_hint="--cash-flow")
        found.append({"day": day, "amount": amount})
    return found
