"""Backtests that were run. All are kept: each is one more try on the same data."""

from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Select, String, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Instant, Serial, Words


class BacktestSource(StrEnum):
    RUN = "run"
    SWEEP = "sweep"


class Backtest(Base):
    """One run: what was asked for, of which data and code, and what came of it.

    Rows are never changed or deleted, but for being withdrawn, once: they still count as tries.
    """

    __tablename__ = "backtests"
    __table_args__ = (
        CheckConstraint("source IN ('run', 'sweep')", name="source"),
        CheckConstraint("(source = 'sweep') = (sweep_id IS NOT NULL)", name="of_a_sweep"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_reason IS NULL)", name="withdrawn"),
        CheckConstraint("last_session > first_session", name="sessions"),
        Index("uq_backtests_sweep_settings", "sweep_id", "settings_hash", unique=True),
        Index(
            "uq_backtests_run",
            "owner_id",
            "settings_hash",
            "data_version",
            "code_version",
            unique=True,
            postgresql_where="source = 'run'",
        ),
        Index(None, "owner_id", "market", "data_version"),
    )

    id: Mapped[Serial]
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    market: Mapped[str] = mapped_column(ForeignKey("markets.code"))
    label: Mapped[str | None] = mapped_column(String(100))
    source: Mapped[Code]
    sweep_id: Mapped[int | None] = mapped_column(ForeignKey("sweeps.id"))
    member: Mapped[int | None]
    """Its place among the members of the sweep."""
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """With everything said that was left out: configuration may change."""
    settings_hash: Mapped[bytes] = mapped_column(LargeBinary)
    data_version: Mapped[UUID]
    code_version: Mapped[str] = mapped_column(String(64))
    first_session: Mapped[date]
    last_session: Mapped[date]
    returns: Mapped[bytes] = mapped_column(LargeBinary)
    """Daily returns of the sessions after the first, as little-endian doubles."""
    headline: Mapped[dict[str, Any]] = mapped_column(JSONB)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    details: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Curve, positions and trades: compressed JSON; members of a sweep keep none."""
    created_at: Mapped[Instant]
    withdrawn_at: Mapped[Instant | None]
    withdrawn_reason: Mapped[Words | None]


def owned_backtest(owner_id: int, backtest_id: int) -> Select[Backtest]:
    return select(Backtest).where(Backtest.id == backtest_id, Backtest.owner_id == owner_id)
