from datetime import date
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Instant, Serial, Words


class AlertKind(StrEnum):
    STOP = "stop"
    DRAWDOWN = "drawdown"
    ACTION = "action"


class Alert(Base):
    """Something its owner should know; `trigger` names the occasion, which alerts once."""

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("portfolio_id", "trigger"),
        CheckConstraint("kind IN ('stop', 'drawdown', 'action')", name="kind_is_known"),
        Index(None, "portfolio_id", "id"),
    )

    id: Mapped[Serial]
    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolios.id"))
    kind: Mapped[Code]
    etf_id: Mapped[int | None] = mapped_column(ForeignKey("etfs.id"))
    session: Mapped[date]
    message: Mapped[Words]
    trigger: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[Instant]
