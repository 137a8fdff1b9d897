from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Instant, Serial

LOCAL_USER = "local"
"""Whom everybody acts as until accounts are switched on."""


class User(Base):
    __tablename__ = "users"

    id: Mapped[Serial]
    name: Mapped[Code] = mapped_column(unique=True)
    created_at: Mapped[Instant]
