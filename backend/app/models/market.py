from datetime import date
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Instant, Words


class Market(Base):
    """A set of ETFs with one calendar, currency and volatility index. Nothing crosses markets."""

    __tablename__ = "markets"

    code: Mapped[Code] = mapped_column(primary_key=True)
    name: Mapped[Words]
    calendar: Mapped[Code]
    currency: Mapped[Code]
    volatility_index: Mapped[Code]
    benchmark: Mapped[Code]
    simulated: Mapped[bool]
    adjusted_only: Mapped[bool]
    """Prices come adjusted for distributions, so no dividend is credited to the book."""
    data_version: Mapped[UUID | None]
    """A fresh value whenever a bar, a fact or an action changes; names caches and results."""
    first_session: Mapped[date | None]
    latest_session: Mapped[date | None]
    updated_at: Mapped[Instant | None]
