from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Instant, Serial


class Sweep(Base):
    """Runs that differ in some settings, made together so that one can be chosen.

    Its runs are `backtests` with its id; its state is that of its job. The same specification on
    the same data is the same sweep.
    """

    __tablename__ = "sweeps"
    __table_args__ = (
        Index(None, "owner_id", "id"),
        Index(None, "job_id"),
        Index("uq_sweeps_spec", "owner_id", "spec_hash", "data_version", unique=True),
    )

    id: Mapped[Serial]
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    market: Mapped[str] = mapped_column(ForeignKey("markets.code"))
    label: Mapped[str | None] = mapped_column(String(100))
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """With everything said that was left out: configuration may change."""
    spec_hash: Mapped[bytes] = mapped_column(LargeBinary)
    data_version: Mapped[UUID]
    members: Mapped[int]
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"))
    """The latest one: a sweep that failed or was cancelled may be asked for again."""
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    failures: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Why, by the number of each member that could not be lived through."""
    created_at: Mapped[Instant]
