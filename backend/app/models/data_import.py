from datetime import date
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Instant, Serial, Words


class DataImport(Base):
    """One arrival of data: what it brought, what it changed and what was refused."""

    __tablename__ = "data_imports"

    id: Mapped[Serial]
    market: Mapped[Code] = mapped_column(ForeignKey("markets.code"), index=True)
    source: Mapped[Words]
    series: Mapped[Code]
    """What kind of rows: bars, facts, actions or an index symbol."""
    rows_read: Mapped[int]
    rows_added: Mapped[int]
    rows_changed: Mapped[int]
    rows_unchanged: Mapped[int]
    rows_quarantined: Mapped[int]
    first_session: Mapped[date | None]
    latest_session: Mapped[date | None]
    data_version: Mapped[UUID | None]
    finished_at: Mapped[Instant]
