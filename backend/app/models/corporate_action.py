from datetime import date
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Price, Serial


class ActionKind(StrEnum):
    SPLIT = "split"
    DIVIDEND = "dividend"


class CorporateAction(Base):
    """A split (`value`: new shares for one old) or a dividend (`value`: USD per share)."""

    __tablename__ = "corporate_actions"
    __table_args__ = (
        UniqueConstraint("etf_id", "ex_date", "kind"),
        CheckConstraint("kind IN ('split', 'dividend')", name="kind_is_known"),
        CheckConstraint("value > 0 AND value < 'Infinity'", name="value_is_positive"),
    )

    id: Mapped[Serial]
    etf_id: Mapped[int] = mapped_column(ForeignKey("etfs.id"))
    ex_date: Mapped[date]
    kind: Mapped[Code]
    value: Mapped[Price]
