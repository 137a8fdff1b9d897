"""Jobs on the command line: done here where no worker is up, left to the workers at Ctrl-C."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from app.bootstrap import open_resources
from app.core.clock import utc_now
from app.core.database import unit_of_work
from app.services import jobs
from tests.cli.conftest import Installation

BACKEND = Path(__file__).resolve().parents[2]


def test_an_update_is_done_here_where_no_worker_is_up(etftrader: Installation) -> None:
    assert "Scored 0 sessions" in etftrader("data", "update", "--market", "us").stdout
    done = etftrader.json("data", "update")
    assert (done["state"], done["result"]["market"]) == ("succeeded", "us")
    job = str(done["id"])
    path = f"/api/jobs/{job}"
    assert etftrader.api(path)[path] == done == etftrader.json("jobs", "show", job)
    assert etftrader.json("jobs", "watch", job) == done
    assert etftrader.json("jobs", "list", "--state", "succeeded", "--limit", "1") == [done]
    assert "data_update" in etftrader("jobs", "list", "--kind", "data_update").stdout
    assert "succeeded" in etftrader("jobs", "show", job).stdout
    assert "ended already" in etftrader.failure("jobs", "cancel", job)


def test_a_job_in_the_background_waits_for_a_worker_and_can_be_cancelled(
    etftrader: Installation,
) -> None:
    told = etftrader("data", "update", "--background", "--json")
    (job,) = etftrader.json("jobs", "list", "--state", "queued")
    assert f"'etftrader jobs watch {job['id']}'" in told.stderr
    cancelled = etftrader.json("jobs", "cancel", str(job["id"]))
    assert (cancelled["state"], cancelled["id"]) == ("cancelled", job["id"])
    assert etftrader.failure("jobs", "watch", str(job["id"])).endswith("was cancelled.")
    assert etftrader.failure("jobs", "show", "2147483647") == "There is no such job."
    etftrader("jobs", "list", "--state", "lost", code=2)
    etftrader("jobs", "show", "0", code=2)


def test_an_interrupt_leaves_the_job_to_the_workers(etftrader: Installation) -> None:
    job = asyncio.run(_submit_for_nobody(etftrader))
    with subprocess.Popen(
        (sys.executable, "-m", "app.cli", "jobs", "watch", str(job)),
        cwd=BACKEND,
        env={**os.environ, **etftrader.environment},  # noqa: TID251 handed on, not read
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stderr is not None
        assert watching.stderr.readline() == f"No worker is up: job {job} is done here.\n"
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate()
    assert watching.returncode == 130
    assert f"Job {job} is left to the workers" in said
    assert "Traceback" not in said
    assert etftrader.json("jobs", "cancel", str(job))["state"] == "cancelled"


async def _submit_for_nobody(etftrader: Installation) -> int:
    """A job of a kind that this version does not know: it waits."""
    async with (
        open_resources(etftrader.settings) as resources,
        unit_of_work(resources.sessions) as session,
    ):
        owner_id = resources.owner_id
        job = await jobs.submit(
            session, owner_id=owner_id, kind="newer", arguments={}, now=utc_now()
        )
        return job.id
