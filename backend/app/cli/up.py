"""`etftrader up`: everything, until Ctrl-C."""

from typing import Annotated

import typer

from app.cli.app import new_app
from app.cli.failing import failures_in_one_sentence
from app.cli.progress import bars
from app.core.clock import utc_now
from app.core.config import Settings
from app.supervisor import first_run
from app.supervisor import up as supervise

app = new_app()

PortOption = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Where it listens; left out: PORT, or 8000.")
]


@app.command()
def up(port: PortOption = None) -> None:
    """Start the database, the cache, the HTTP interface and the worker; Ctrl-C stops all of it.

    The first start makes a simulated market and a demo portfolio, so that there is something to
    see. DATA_DIR and --port make a second, independent installation.
    """
    with failures_in_one_sentence():
        settings = Settings.load()
        supervise(settings, port=port or settings.port, prepare=_prepare)


def _prepare(settings: Settings) -> None:
    with bars() as progress:
        first_run.prepare(settings, now=utc_now(), progress=progress)
