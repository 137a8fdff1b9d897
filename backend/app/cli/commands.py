"""Every command, in one tree."""

import typer

from app.cli import data, factors
from app.cli.recommend import recommend

app = typer.Typer(
    help="A multi-factor strategy over ETFs: data, scores, portfolios, trades and risk.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data")
app.add_typer(factors.app, name="factors")
app.command()(recommend)
