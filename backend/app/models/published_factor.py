from datetime import date

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Statistic


class PublishedFactor(Base):
    """The return of one factor in one session as somebody published it, or the risk-free rate.

    A fraction, 0.01 is 1 %. Publishers restate their factors: this is the newest version imported,
    and says nothing of what was known at its session.
    """

    __tablename__ = "published_factors"
    __table_args__ = (CheckConstraint("value > -1 AND value < 1", name="value_is_a_fraction"),)

    name: Mapped[Code] = mapped_column(primary_key=True)
    session: Mapped[date] = mapped_column(primary_key=True)
    value: Mapped[Statistic]
