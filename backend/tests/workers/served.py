"""Workers and their beat as processes, with a Redis of their own, for tests that end them."""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import func, select

from app.bootstrap import Resources
from app.core import embedded
from app.core.config import Settings
from app.core.database import reading
from app.core.embedded import Home, Valkey, locks, process
from app.core.embedded.locks import Patience
from app.models import Job
from app.supervisor import children
from app.supervisor.children import Child, Program
from tests.workers.test_running import read

SECONDS = 45
LAUNCHER = "tests.as_installed"


@dataclass
class Workers:
    """A worker and its beat, watched as `up` watches them, and a Valkey of their own."""

    settings: Settings
    valkey: Valkey
    running: Sequence[Child]

    @property
    def worker(self) -> Child:
        return self.running[0]

    def tend(self) -> None:
        for child in self.running:
            child.tend()

    def kill_valkey(self) -> None:
        """With everything in it."""
        listener = process.listener(self.valkey.socket)
        assert listener is not None
        os.kill(listener, signal.SIGKILL)

    def restore_valkey(self) -> None:
        embedded.restore(self.valkey, _silent)


@contextmanager
def serve(database: str, data_dir: Path, module: str) -> Iterator[Workers]:
    """`module` takes "worker" or "beat", as `app.workers` does."""
    home = Home(data_dir)
    with (
        embedded.valkey(data_dir, progress=_silent) as redis,
        locks.exclusive(home.run / "children", Patience(_silent, "")) as lock,
        children.ties(lock) as ties,
    ):
        settings = Settings(
            database_url=SecretStr(database),
            redis_url=SecretStr(redis),
            data_dir=data_dir,
            _env_file=None,
        )
        running = [
            Child(Program(name, LAUNCHER, (module, name)), settings.handed_on(), ties, _silent)
            for name in ("worker", "beat")
        ]
        workers = Workers(settings, Valkey(home), running)
        workers.tend()
        yield workers
        children.stop(running)


async def ended(workers: Workers, resources: Resources, job: Job) -> Job:
    async with asyncio.timeout(SECONDS):
        while True:
            workers.tend()
            found = await read(resources, job)
            if found.has_ended:
                return found
            await asyncio.sleep(0.05)


async def begun(workers: Workers, resources: Resources, job: Job, parts: int) -> None:
    """Wait until so many parts have succeeded."""
    query = select(func.count()).where(Job.parent_id == job.id, Job.state == "succeeded")
    async with asyncio.timeout(SECONDS):
        while True:
            workers.tend()
            async with reading(resources.sessions) as session:
                if (await session.scalar(query) or 0) >= parts:
                    return
            await asyncio.sleep(0.02)


def _silent(_message: str) -> None:
    pass
