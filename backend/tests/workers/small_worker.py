"""A worker with handlers that leave traces, and that kill their own process where they are told.

`python -m tests.workers.small_worker worker|beat`, supervised as `up` does it.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import utc_now
from app.core.config import Settings
from app.core.database import reading
from app.models import Job, User
from app.workers.context import Handler, JobContext, Record, Result, Timing
from app.workers.registry import HANDLERS as REAL
from app.workers.serving import Serving, Upkeep

STEPS = ("begun", "computing", "computed", "writing", "written")
LEASE = timedelta(seconds=1.5)
SECONDS_PER_CHUNK = 0.3


async def leave_a_trace(context: JobContext) -> Record:
    """Write a user of the wanted name, once; die on the way as often as asked for."""
    _die(context, "begun")
    await context.progress(0.2, "computing")
    await context.in_thread(_compute, context)
    _die(context, "computed")

    async def record(session: AsyncSession) -> Result:
        _die(context, "writing")
        session.add(User(name=context.arguments["name"], created_at=utc_now()))
        await session.flush()
        _die(context, "written")
        return {"name": context.arguments["name"]}

    return record


def _compute(context: JobContext) -> None:
    _die(context, "computing")
    end = time.monotonic() + context.arguments.get("seconds", 0.0)
    while time.monotonic() < end:
        context.tell("computing", 1, 2)
        time.sleep(0.02)


def _die(context: JobContext, step: str) -> None:
    """As the kernel kills: nothing is cleaned up. Once: a file remembers it."""
    if step == context.arguments.get("die_at"):
        done = Path(context.arguments["folder"]) / f"{context.job_id}-{step}"
        if not done.exists():
            done.touch()
            os.kill(os.getpid(), signal.SIGKILL)


async def gather(context: JobContext) -> Result:
    async with reading(context.resources.sessions) as session:
        query = select(Job.result).where(Job.parent_id == context.job_id).order_by(Job.id)
        return {"names": [result["name"] for result in await session.scalars(query)]}


async def compute_slowly(context: JobContext) -> Record | Result | None:
    """A part of a sweep, so slowly that a test can disturb it."""
    await context.in_thread(time.sleep, SECONDS_PER_CHUNK)
    return await REAL["sweep_chunk"](context)


HANDLERS: Mapping[str, Handler] = {
    **REAL,
    "trace": leave_a_trace,
    "gather": gather,
    "sweep_chunk": compute_slowly,
}


def main() -> None:
    serving = Serving(
        Settings.load(),
        HANDLERS,
        Timing(lease=LEASE, pulse=timedelta(seconds=0.2)),
        Upkeep(every=timedelta(seconds=0.5), patience=timedelta(seconds=2)),
    )
    if sys.argv[1] == "beat":
        serving.beat()
    else:
        serving.work(2)


if __name__ == "__main__":
    main()
