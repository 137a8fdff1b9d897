from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.core.errors import Conflict
from app.models.columns import Code, Instant, Serial


class RebalanceStatus(StrEnum):
    PROPOSED = "proposed"
    EXECUTED = "executed"


class RebalanceEvent(Base):
    """A proposal decided for one portfolio at one close, and whether it was traded."""

    __tablename__ = "rebalance_events"
    __table_args__ = (
        CheckConstraint("status IN ('proposed', 'executed')", name="status_is_known"),
        Index(None, "portfolio_id", "id"),
    )

    id: Mapped[Serial]
    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolios.id"))
    as_of: Mapped[date]
    status: Mapped[Code]
    decided_at_sequence: Mapped[int]
    """The portfolio's last ledger entry when it was decided; a later one makes it out of date."""
    rules_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of the portfolio's rules when it was decided; null where nobody remembered them."""
    proposal: Mapped[dict[str, Any]] = mapped_column(JSONB)
    targets: Mapped[dict[str, float]] = mapped_column(JSONB)
    data_version: Mapped[UUID]
    created_at: Mapped[Instant]
    executed_at: Mapped[Instant | None]

    def require_proposed(self) -> None:
        if self.status != RebalanceStatus.PROPOSED:
            raise Conflict("The proposal was executed already: ask for a new one.")
