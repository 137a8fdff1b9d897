"""`etftrader beat`: upkeep of jobs, in the foreground."""

from app.cli.app import new_app
from app.cli.failing import failures_in_one_sentence, say
from app.cli.serving_jobs import prepared

app = new_app()


@app.command()
def beat() -> None:
    """Have the jobs of lost workers done by others, and ring again for those that wait too long.

    One per installation is needed; of several, one is awake.
    """
    with failures_in_one_sentence(), prepared() as serving:
        say("Looking after jobs (Ctrl-C stops it).")
        serving.beat()
