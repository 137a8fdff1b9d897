"""Every command in the order of a user's journey; its module is imported when it is used."""

from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from app.cli.app import new_app
from app.core.version import VERSION


class Entry(NamedTuple):
    """A command of the top level: the module whose `app` it is, and its line in the help."""

    module: str
    help: str


JOURNEY: dict[str, dict[str, Entry]] = {
    "Start": {
        "up": Entry("up", "Start everything, and stop it with Ctrl-C."),
        "serve": Entry("serve", "Run the HTTP interface alone, in the foreground."),
        "worker": Entry("worker", "Do jobs, in the foreground."),
        "beat": Entry("beat", "Have the jobs of lost workers done by others."),
        "doctor": Entry("doctor", "Say what is wrong with this installation."),
    },
    "Market": {
        "data": Entry("data", "Import market data; see what there is and what was refused."),
        "factors": Entry("factors", "Score the market; list the best; look at one ETF."),
        "recommend": Entry("recommend", "Say what a new portfolio would hold, and why."),
    },
    "Portfolios": {
        "portfolio": Entry("portfolio", "Create, show, pay into, rebalance and close portfolios."),
        "trade": Entry("trade", "Buy or sell one ETF on paper."),
        "order": Entry("order", "List, show and cancel orders."),
        "ledger": Entry("ledger", "Show a ledger; export it for Beancount or a spreadsheet."),
        "performance": Entry("performance", "Say how a portfolio did, and what made its return."),
        "risk": Entry("risk", "Show stops, drawdown and the risk of what is held."),
        "stops": Entry("stops", "Say which stops would fire, and act on them."),
        "alerts": Entry("alerts", "List what the owner of the portfolios should know."),
    },
    "Research": {
        "backtest": Entry("backtest", "Live through past sessions by any rules, and judge it."),
        "report": Entry("report", "Write a report about a portfolio or a backtest as HTML."),
        "export": Entry("export", "Write the series of a portfolio or a backtest as tables."),
        "verify": Entry("verify", "Try on your own data that nothing looks ahead."),
    },
    "Upkeep": {
        "jobs": Entry("jobs", "List, show, watch and cancel what takes its time."),
        "db": Entry("database", "Migrate, back up, restore and check the database."),
    },
}
COMMANDS = {name: entry for part in JOURNEY.values() for name, entry in part.items()}


class JourneyGroup(TyperGroup):
    """Lists its commands without importing them, part by part."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = dict.fromkeys(COMMANDS, TyperCommand(None))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        if cmd_name not in COMMANDS:
            return None
        command = get_command(import_module(f"app.cli.{COMMANDS[cmd_name].module}").app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        for part, entries in JOURNEY.items():
            with formatter.section(part):
                formatter.write_dl(
                    [
                        (name.ljust(len("performance")), entry.help)
                        for name, entry in entries.items()
                    ]
                )


app = new_app("A multi-factor strategy over ETFs: scores, portfolios, paper trades and risk.")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ETFTrader {VERSION}")
        raise typer.Exit


@app.callback(cls=JourneyGroup)
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """A multi-factor strategy over ETFs: scores, portfolios, paper trades and risk.

    Every command explains itself with --help; those that answer something print JSON with --json.
    """


etftrader = get_command(app)
