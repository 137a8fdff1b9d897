"""`etftrader serve`: the HTTP interface in the foreground."""

import os
import sys
from pathlib import Path

from app.cli import schema
from app.cli.app import new_app
from app.cli.failing import failures_in_one_sentence, say
from app.cli.up import PortOption
from app.core.config import Settings
from app.supervisor import turn

BACKEND = Path(__file__).resolve().parents[2]

app = new_app()


@app.command()
def serve(port: PortOption = None) -> None:
    """Run the HTTP interface in the foreground; Ctrl-C stops it.

    Unlike 'up' it makes no demo market and does not start again what dies.
    """
    with failures_in_one_sentence():
        settings = Settings.load()
        number = port or settings.port
        turn.require_free(settings.host, number)
        with schema.ready(settings):
            pass
        say(f"Serving at http://{settings.host}:{number} (Ctrl-C stops it).")
        where = ("--host", settings.host, "--port", str(number), "--app-dir", str(BACKEND))
        quietly = ("--log-level", "warning", "--no-access-log")
        command = (sys.executable, "-m", "uvicorn", "app.main:app", *where, *quietly)
        os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted
