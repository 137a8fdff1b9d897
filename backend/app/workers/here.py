"""A job done by the command that asked for it, where no worker is up: the same claims and leases.

`python -m app.workers.here JOB` takes part in a job until it has ended, or until its input ends.
"""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

import structlog
from sqlalchemy import select

from app.bootstrap import open_resources
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.database import reading
from app.core.errors import Unavailable
from app.models import Job
from app.services import job_reaping
from app.workers import running
from app.workers.context import Handler
from app.workers.registry import HANDLERS
from app.workers.running import Workshop

PROGRAM = "app.workers.here"
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_REAPINGS = 10.0
SECONDS_TO_STOP = 15.0

log = structlog.get_logger()


async def run_here(
    workshop: Workshop, job_id: int, *, processes: int, program: str = PROGRAM
) -> None:
    """Do a job and its chunks until it has ended, in so many processes, of which we are one.

    Others may do parts of it meanwhile. When we are cancelled, what we hold is put back: whoever
    asks next goes on with it.
    """
    upkeep = asyncio.create_task(_reap_now_and_then(workshop))
    try:
        with _further(workshop.resources.settings, job_id, processes - 1, program=program):
            await take_part(workshop, job_id)
    finally:
        upkeep.cancel()
        with suppress(asyncio.CancelledError):
            await upkeep


async def take_part(workshop: Workshop, job_id: int) -> None:
    """Do what waits of a job, until it has ended or we are asked to end."""
    while not workshop.is_stopping() and not await _has_ended(workshop, job_id):
        if not await running.run_next(workshop, job_id):
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)


async def _has_ended(workshop: Workshop, job_id: int) -> bool:
    async with reading(workshop.resources.sessions) as session:
        finished_at = await session.scalar(select(Job.finished_at).where(Job.id == job_id))
    return finished_at is not None


async def _reap_now_and_then(workshop: Workshop) -> None:
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_REAPINGS)
        try:
            await job_reaping.reap(workshop.resources.sessions, now=utc_now())
        except Unavailable:
            log.warning("database_away")


@contextmanager
def _further(settings: Settings, job_id: int, count: int, *, program: str) -> Iterator[None]:
    """More processes that take part, for as long as the block; they end with us."""
    with ExitStack() as stack:
        started = [stack.enter_context(_start(settings, job_id, program)) for _ in range(count)]
        ended = False
        try:
            yield
            ended = True
        finally:
            _stop(started, at_once=ended)  # when the job has ended none of them holds anything


def _stop(started: Sequence[subprocess.Popen[bytes]], *, at_once: bool) -> None:
    deadline = time.monotonic() + (0 if at_once else SECONDS_TO_STOP)
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    for process in started:
        try:
            process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            process.kill()


def _start(settings: Settings, job_id: int, program: str) -> subprocess.Popen[bytes]:
    """In a session of its own: Ctrl-C in the terminal reaches us alone."""
    return subprocess.Popen(
        (sys.executable, "-m", program, str(job_id)),
        env=settings.handed_on(),
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def main(handlers: Mapping[str, Handler]) -> None:
    asyncio.run(_help(int(sys.argv[1]), handlers))


async def _help(job_id: int, handlers: Mapping[str, Handler]) -> None:
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    async with open_resources(Settings.load()) as resources:
        await take_part(Workshop(resources, handlers, is_stopping=ended.is_set), job_id)


if __name__ == "__main__":
    main(HANDLERS)
