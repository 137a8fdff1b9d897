from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Select, String, false, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Instant, Serial, Statistic, Words


class JobKind(StrEnum):
    """What can be asked for; `app.workers.registry` says who does it."""

    DATA_UPDATE = "data_update"
    BACKTEST = "backtest"
    FACTOR_RESEARCH = "factor_research"
    SWEEP = "sweep"
    SWEEP_CHUNK = "sweep_chunk"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)

_ACTIVE = "state IN ('queued', 'running')"
_CLAIMABLE = "state = 'queued' AND chunks_left = 0"


class Job(Base):
    """Work that takes longer than an answer may: what to do, how far it is, what came of it.

    The row is the truth; messages in the queue only say that there may be something to claim. Who
    runs a job holds a lease on it, which ends by itself with its holder. A job in chunks waits
    until the last of them has ended: until then it has no lease of its own.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(
            f"state IN ({', '.join(repr(str(each)) for each in JobState)})", name="state_is_known"
        ),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress_is_a_fraction"),
        CheckConstraint("attempt >= 0", name="attempt_is_a_count"),
        CheckConstraint("jsonb_typeof(arguments) = 'object'", name="arguments_are_named"),
        CheckConstraint(
            "chunks >= 0 AND chunks_left >= 0 AND chunks_left <= chunks", name="chunks_are_counted"
        ),
        CheckConstraint("parent_id IS NULL OR chunks = 0", name="chunks_have_no_chunks"),
        CheckConstraint(
            "(lease_until IS NOT NULL) = (state = 'running' AND chunks_left = 0)"
            " AND (leased_by IS NOT NULL) = (lease_until IS NOT NULL)",
            name="running_is_leased",
        ),
        CheckConstraint(
            "state NOT IN ('running', 'succeeded') OR started_at IS NOT NULL",
            name="running_has_started",
        ),
        CheckConstraint(
            f"(finished_at IS NULL) = ({_ACTIVE})"
            " AND (finished_at IS NULL OR (chunks_left = 0 AND finished_at >= created_at))",
            name="ended_has_its_time",
        ),
        CheckConstraint(
            "(state = 'succeeded') = (result IS NOT NULL)"
            " AND (state <> 'succeeded' OR progress = 1)",
            name="success_has_its_result",
        ),
        CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="failure_has_its_error"),
        CheckConstraint("state <> 'cancelled' OR cancel_requested", name="cancelled_was_asked_for"),
        Index(None, "owner_id", "id"),
        Index("ix_jobs_claimable", "id", postgresql_where=text(_CLAIMABLE)),
        Index("ix_jobs_leases", "lease_until", postgresql_where=text("lease_until IS NOT NULL")),
        Index(None, "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index(
            "uq_jobs_key",
            "owner_id",
            "kind",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index(
            "uq_jobs_lane",
            "kind",
            "lane",
            unique=True,
            postgresql_where=text(f"lane IS NOT NULL AND {_ACTIVE}"),
        ),
    )

    id: Mapped[Serial]
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[Code]
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[Code] = mapped_column(default=JobState.QUEUED)
    progress: Mapped[Statistic] = mapped_column(default=0.0)
    step: Mapped[Words | None]
    message: Mapped[Words | None]
    attempt: Mapped[int] = mapped_column(default=0)
    """How often it was begun; an orderly interruption does not count."""
    cancel_requested: Mapped[bool] = mapped_column(default=False, server_default=false())
    lease_until: Mapped[Instant | None]
    leased_by: Mapped[str | None] = mapped_column(String(100))
    """One claim by one worker; another claim by the same worker has another name."""
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))
    chunks: Mapped[int] = mapped_column(default=0)
    chunks_left: Mapped[int] = mapped_column(default=0)
    """Chunks that have not ended; the job itself may be claimed when there are none."""
    lane: Mapped[Code | None]
    """Of the jobs of one kind in one lane, one is active at a time."""
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """A problem document."""
    rung_at: Mapped[Instant | None]
    """When the reaper last rang for it."""
    created_at: Mapped[Instant]
    started_at: Mapped[Instant | None]
    finished_at: Mapped[Instant | None]

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    def lease(self, holder: str, *, now: datetime, length: timedelta) -> None:
        self.state = JobState.RUNNING
        self.attempt += 1
        self.leased_by, self.lease_until = holder, now + length
        self.started_at = self.started_at or now

    def put_back(self, *, counted: bool) -> None:
        """To the queue; `counted`: the attempt that ends here was one."""
        self.state, self.step, self.message = JobState.QUEUED, None, None
        self.attempt -= 0 if counted else 1
        self._drop_lease()

    def succeed(self, result: dict[str, Any], *, now: datetime) -> None:
        self.result, self.progress, self.step, self.message = result, 1.0, None, None
        self._end(JobState.SUCCEEDED, now)

    def fail(self, error: dict[str, Any], *, now: datetime) -> None:
        self.error = error
        self._end(JobState.FAILED, now)

    def cancel(self, *, now: datetime) -> None:
        self.cancel_requested = True
        self._end(JobState.CANCELLED, now)

    def _end(self, state: JobState, now: datetime) -> None:
        assert not self.has_ended
        self.state = state
        self.finished_at = max(now, self.created_at)  # clocks of two machines differ
        self._drop_lease()

    def _drop_lease(self) -> None:
        self.leased_by = self.lease_until = None


def owned_job(owner_id: int, job_id: int) -> Select[Job]:
    """The job of this id if it belongs to this user."""
    return select(Job).where(Job.id == job_id, Job.owner_id == owner_id)
