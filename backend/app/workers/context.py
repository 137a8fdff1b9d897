"""What a handler is given: what to do, a way to say how far it is, and whether to go on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, ParamSpec, TypeAlias, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.clock import utc_now
from app.core.database import unit_of_work
from app.core.errors import ETFTraderError, Unavailable
from app.services import job_leases
from app.services.job_endings import PART_OF_CHUNKS
from app.services.job_leases import LEASE, Lease, LostLease, Note

P = ParamSpec("P")
T = TypeVar("T")

Result: TypeAlias = Mapping[str, Any]
"""What a job made, as JSON."""
Record: TypeAlias = Callable[[AsyncSession], Awaitable[Result]]
"""Writes what a job made, in the transaction that ends it, and says so."""
Handler: TypeAlias = Callable[["JobContext"], Awaitable[Result | Record]]

log = structlog.get_logger()


class Cancelled(ETFTraderError):
    """The job's owner wants it stopped."""


class Interrupted(ETFTraderError):
    """This process is asked to end; the job goes on elsewhere."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a claim lasts, and how often it is renewed."""

    lease: timedelta = LEASE
    pulse: timedelta = timedelta(seconds=1)


TIMING = Timing()


@dataclass
class JobContext:
    """One attempt at a job.

    The event loop renews the lease beside the handler: what computes for longer than a moment runs
    `in_thread`. A thread shares the market's arrays and the compiled kernels with the loop, and
    the loop gets its turn between two instructions of Python and while a kernel runs without the
    interpreter's lock; a process of its own would have to be given both again.
    """

    lease: Lease
    resources: Resources
    timing: Timing
    is_stopping: Callable[[], bool] = lambda: False
    _note: Note = field(init=False)
    _stop: ETFTraderError | None = None
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.resources = replace(self.resources, owner_id=self.lease.owner_id)
        self._note = Note(self._fraction(0.0))

    @property
    def job_id(self) -> int:
        return self.lease.job_id

    @property
    def arguments(self) -> Mapping[str, Any]:
        return self.lease.arguments

    @property
    def owner_id(self) -> int:
        return self.lease.owner_id

    async def progress(self, fraction: float, step: str, message: str | None = None) -> None:
        """Say how far the job is, and raise what `check` raises."""
        self._note = Note(self._fraction(fraction), step, message)
        await self.check()

    async def check(self) -> None:
        """Raises Cancelled, Interrupted or LostLease where the job is not to go on.

        Asks the database: in a tight loop `tell` costs nothing.
        """
        await self._renew()
        self.go_on_or_stop()

    def tell(self, step: str, done: int, total: int) -> None:
        """A `Progress`, from any thread: noted now, written with the next pulse.

        Raises what `check` raises, as far as is known.
        """
        self._note = Note(self._fraction(done / total if total else 1.0), step)
        self.go_on_or_stop()

    def go_on_or_stop(self) -> None:
        """The same as `check` from any thread, as of the latest pulse."""
        if self._stop is None and self.is_stopping():
            self._stop = Interrupted("The worker is asked to end.")
        if self._stop is not None:
            raise self._stop

    async def in_thread(
        self, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Compute beside the event loop; raises what `check` raises, before and after."""
        self.go_on_or_stop()
        result = await asyncio.to_thread(function, *arguments, **named)
        await self.check()
        return result

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A transaction in which the job stays this worker's, for effects before its end."""
        async with job_leases.writing(self.resources.sessions, self.lease) as (session, _):
            yield session

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Renew the lease and write the progress for as long as the block."""
        over = asyncio.Event()
        heart = asyncio.create_task(self._beat(over))
        try:
            yield
        except asyncio.CancelledError:
            self._stop = Interrupted("The worker is asked to end.")
            raise
        finally:
            over.set()
            await heart

    async def _beat(self, over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                async with asyncio.timeout(self.timing.pulse.total_seconds()):
                    await over.wait()
            except TimeoutError:
                await self._renew()

    async def _renew(self) -> None:
        """A database that is away for a moment costs nothing but a line in the log."""
        async with self._writing:
            if self._stop is not None:
                return
            try:
                async with unit_of_work(self.resources.sessions) as session:
                    wanted = await job_leases.renew(
                        session, self.lease, self._note, now=utc_now(), length=self.timing.lease
                    )
            except LostLease as lost:
                self._stop = lost
                return
            except Unavailable:
                log.warning("lease_not_renewed", job=self.job_id)
                return
            if wanted:
                self._stop = Cancelled("The job was cancelled.")

    def _fraction(self, fraction: float) -> float:
        """Of the whole job: what puts chunks together is its end."""
        within = min(max(fraction, 0.0), 1.0)
        return PART_OF_CHUNKS + (1 - PART_OF_CHUNKS) * within if self.lease.chunks else within
