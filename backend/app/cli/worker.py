"""`etftrader worker`: the processes that do jobs, in the foreground."""

from typing import Annotated

import typer

from app.cli.app import new_app
from app.cli.failing import failures_in_one_sentence, say
from app.cli.serving_jobs import prepared
from app.workers.process import cores

app = new_app()


@app.command()
def worker(
    processes: Annotated[
        int | None, typer.Option(min=1, max=256, help="How many; left out: one for each core.")
    ] = None,
) -> None:
    """Do jobs in the foreground; Ctrl-C stops it and leaves what is not done to others.

    'up' runs one, and a beat. On further machines, give DATABASE_URL and REDIS_URL.
    """
    number = processes or cores()
    with failures_in_one_sentence(), prepared() as serving:
        say(f"Doing jobs in {number} process{'es' if number > 1 else ''} (Ctrl-C stops it).")
        serving.work(number)
