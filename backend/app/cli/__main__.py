"""The `etftrader` command."""

from app.cli.commands import app

app(prog_name="etftrader")
